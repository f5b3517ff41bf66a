"""Milestone 2, computer vision: what the student's code is asked, in which groups, with which budgets."""

import numpy as np

from milestones.checks.accuracy import mnist_accuracy_of
from milestones.checks.loading import package_import
from milestones.checks.trial import Recipe
from milestones.checks.vision import convolution_forward
from milestones.contract import Group
from milestones.networks import FLATTEN, RELU, Network, convolution_layer, dense_chain


def halved(images):
    """(n, 1, 28, 28) -> (n, 1, 14, 14), each pixel the mean of four."""
    rows = images.reshape(len(images), 1, 14, 2, 14, 2)
    return np.rint(rows.mean(axis=(3, 5))).astype(np.uint8)


NETWORK = Network(
    layers=(convolution_layer(1, 4, 3), RELU, FLATTEN, *dense_chain(576, 64, 10)),
    image=(1, 14, 14),
    full_image=(1, 28, 28),
)
RECIPE = Recipe(network=NETWORK, batch=64, rate=0.1, steps=1_874, reduce=halved)

GROUPS = (
    Group(
        key="convolution",
        title="Convolution",
        cpu_seconds=20,
        hidden_inputs=False,
        checks=(package_import, convolution_forward),
    ),
    Group(key="mnist", title="MNIST", cpu_seconds=150, checks=(mnist_accuracy_of(RECIPE),)),
)
