"""Milestone 1, basic inference: what the student's code is asked, in which groups, with which budgets."""

from milestones.checks.accuracy import mnist_accuracy_of
from milestones.checks.architecture import nonlinearity_of, parameters_of
from milestones.checks.code_quality import quality_group
from milestones.checks.gradients import dense_gradient
from milestones.checks.layers import (
    dense_forward,
    dense_without_bias,
    initial_weights,
    network_composition,
    relu_forward,
    sigmoid_forward,
    sigmoid_stability,
    softmax_forward,
    softmax_stability,
    tanh_forward,
)
from milestones.checks.loading import package_import
from milestones.checks.trial import Recipe
from milestones.contract import Group
from milestones.networks import Network, dense_chain

# Plain SGD and not Adam: a broken Adam belongs to milestone 3 and must not cost milestone 1.
NETWORK = Network(layers=dense_chain(784, 64, 10), image=(1, 28, 28))
RECIPE = Recipe(network=NETWORK, batch=64, rate=0.3, steps=1_874)

GROUPS = (
    Group(
        key="mathematics",
        title="Mathematics",
        cpu_seconds=20,
        hidden_inputs=False,
        checks=(
            package_import,
            dense_forward,
            dense_without_bias,
            relu_forward,
            sigmoid_forward,
            sigmoid_stability,
            tanh_forward,
            softmax_forward,
            softmax_stability,
            dense_gradient,
        ),
    ),
    Group(
        key="architecture",
        title="Architecture",
        cpu_seconds=20,
        hidden_inputs=False,
        checks=(network_composition, initial_weights, parameters_of(NETWORK), nonlinearity_of(NETWORK)),
    ),
    Group(key="mnist", title="MNIST", cpu_seconds=120, checks=(mnist_accuracy_of(RECIPE),)),
    quality_group(),
)
