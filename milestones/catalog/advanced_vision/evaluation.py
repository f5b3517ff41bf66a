"""Milestone 4, advanced vision: what the student's code is asked, in which groups, with which budgets."""

from milestones.checks.accuracy import cifar10_accuracy_of
from milestones.checks.analysis import systems_analysis
from milestones.checks.code_quality import quality_group
from milestones.checks.deployment import bad_inputs_of, inference_of, optimisations_of, save_and_load_of
from milestones.checks.efficiency import (
    batch_scaling,
    convolution_speedup,
    inference_memory_of,
    latency_scaling_of,
    memory_growth_of,
)
from milestones.checks.loading import package_import
from milestones.checks.trial import Recipe, averaged
from milestones.contract import Group
from milestones.networks import FLATTEN, RELU, Network, convolution_layer, dense_layer, max_pool_layer

# For those who bring no model: without stride and padding, which not every package has. 32 -> 30 -> 15 -> 13 -> 6 pixels.
NETWORK = Network(
    layers=(
        convolution_layer(3, 16, 3),
        RELU,
        max_pool_layer(2),
        convolution_layer(16, 32, 3),
        RELU,
        max_pool_layer(2),
        FLATTEN,
        dense_layer(32 * 6 * 6, 10),
    ),
    image=(3, 32, 32),
)
# What speed, memory and deployment are asked about then: so small that plain loops answer in time.
SMALL = Network(
    layers=(convolution_layer(3, 4, 3), RELU, max_pool_layer(2), FLATTEN, dense_layer(4 * 7 * 7, 10)),
    image=(3, 16, 16),
    full_image=(3, 32, 32),
)
RECIPE = Recipe(network=NETWORK, batch=64, rate=0.05, steps=3_124)
RECIPE_OF_SLOW = Recipe(network=SMALL, batch=16, rate=0.05, steps=3_124, reduce=averaged)

GROUPS = (
    Group(
        key="efficiency",
        title="Speed",
        cpu_seconds=90,
        hidden_inputs=False,
        checks=(package_import, convolution_speedup, batch_scaling, latency_scaling_of(SMALL)),
    ),
    Group(
        key="memory",
        title="Memory",
        cpu_seconds=80,
        hidden_inputs=False,
        # Working memory first: the peak of a sandbox does not fall.
        checks=(inference_memory_of(SMALL), memory_growth_of(SMALL)),
    ),
    Group(
        key="deployment",
        title="Deployment",
        cpu_seconds=100,
        hidden_inputs=False,
        checks=(inference_of(SMALL), bad_inputs_of(SMALL), save_and_load_of(SMALL), optimisations_of(SMALL)),
    ),
    Group(
        key="cifar10", title="CIFAR-10", cpu_seconds=600, checks=(cifar10_accuracy_of(RECIPE, of_slow=RECIPE_OF_SLOW),)
    ),
    Group(
        key="analysis",
        title="Systems analysis",
        cpu_seconds=20,
        checks=(systems_analysis,),
        executes_student_code=False,
    ),
    quality_group(),
)
