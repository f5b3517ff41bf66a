"""Milestone 2, computer vision: what the student's code is asked, in which groups, with which budgets."""

import numpy as np
from numpy.typing import NDArray

from milestones.checks.code_quality import quality_group
from milestones.checks.features import FeatureRecipe, convolution_accuracy_of
from milestones.checks.gradients import dense_gradient
from milestones.checks.loading import package_import
from milestones.checks.savings import (
    comparison_report,
    convolution_parameters_of,
    convolution_speed_of,
    memory_of,
    weights_shared,
)
from milestones.checks.vision import (
    convolution_channels,
    convolution_forward,
    convolution_gradient,
    convolution_gradient_spaced,
    convolution_padding,
    convolution_stride,
    flatten_keeps_batch,
    max_pool_forward,
    max_pool_gradient,
    spatial_pipeline,
)
from milestones.contract import Group
from milestones.networks import FLATTEN, RELU, Network, convolution_layer, dense_chain


def halved(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(n, 1, 28, 28) -> (n, 1, 14, 14): each pixel is the mean of four, so that a quarter of the work is left."""
    return np.rint(images.reshape(len(images), 1, 14, 2, 14, 2).mean(axis=(3, 5))).astype(np.uint8)


CONVOLUTION = convolution_layer(1, 4, 3)
NETWORK = Network(
    layers=(CONVOLUTION, RELU, FLATTEN, *dense_chain(576, 64, 10)), image=(1, 14, 14), full_image=(1, 28, 28)
)
# 1,000 images four times through the whole network, then 40,000 once through the convolution.
RECIPE = FeatureRecipe(
    network=NETWORK,
    reduce=halved,
    batch=20,
    rate=0.1,
    steps=200,
    depth=3,
    joint_images=1_000,
    feature_images=40_000,
    head_batch=64,
    head_rate=0.3,
    last_rate=0.05,
    head_passes=10,
    head_steps=4_000,
    own_batch=64,
    own_steps=3_748,
)

GROUPS = (
    Group(
        key="convolution",
        title="Convolution",
        cpu_seconds=20,
        hidden_inputs=False,
        checks=(
            package_import,
            dense_gradient,
            convolution_forward,
            convolution_channels,
            convolution_stride,
            convolution_padding,
            convolution_gradient,
            convolution_gradient_spaced,
        ),
    ),
    Group(
        key="spatial",
        title="Spatial processing",
        cpu_seconds=20,
        hidden_inputs=False,
        checks=(max_pool_forward, max_pool_gradient, flatten_keeps_batch, spatial_pipeline),
    ),
    Group(
        key="efficiency",
        title="Memory and speed",
        cpu_seconds=20,
        hidden_inputs=False,
        checks=(
            convolution_parameters_of(CONVOLUTION, side=14),
            weights_shared,
            memory_of(NETWORK, dense=(784, 64, 10)),
            convolution_speed_of(CONVOLUTION, side=14),
        ),
    ),
    Group(key="mnist", title="MNIST", cpu_seconds=150, checks=(convolution_accuracy_of(RECIPE),)),
    quality_group(comparison_report, title="Code quality and report"),
)
