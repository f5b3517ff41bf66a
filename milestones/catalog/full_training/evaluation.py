"""Milestone 3, full training: what the student's code is asked, in which groups, with which budgets."""

from milestones.checks.code_quality import quality_group
from milestones.checks.convergence import cifar10_convergence_of
from milestones.checks.loading import package_import
from milestones.checks.losses import (
    binary_cross_entropy,
    binary_cross_entropy_gradient,
    binary_cross_entropy_stability,
    cross_entropy,
    cross_entropy_gradient,
    cross_entropy_stability,
    mean_squared_error,
    mean_squared_error_gradient,
)
from milestones.checks.optimizers import adam_path, adamw_path, momentum_path, sgd_path, zero_gradient
from milestones.checks.trainer import checkpoint_reload, data_loader, trainer_pass
from milestones.checks.trial import Recipe, averaged
from milestones.contract import Group
from milestones.networks import FLATTEN, RELU, Network, convolution_layer, dense_layer, max_pool_layer

NETWORK = Network(
    layers=(
        convolution_layer(3, 4, 3),
        RELU,
        max_pool_layer(2),
        FLATTEN,
        dense_layer(196, 32),
        RELU,
        dense_layer(32, 10),
    ),
    image=(3, 16, 16),
    full_image=(3, 32, 32),
)
RECIPE = Recipe(network=NETWORK, batch=16, rate=0.1, steps=1_250, reduce=averaged)

GROUPS = (
    Group(
        key="losses",
        title="Loss functions",
        cpu_seconds=20,
        hidden_inputs=False,
        checks=(
            package_import,
            mean_squared_error,
            mean_squared_error_gradient,
            cross_entropy,
            cross_entropy_gradient,
            cross_entropy_stability,
            binary_cross_entropy,
            binary_cross_entropy_gradient,
            binary_cross_entropy_stability,
        ),
    ),
    Group(
        key="optimizers",
        title="Optimizers",
        cpu_seconds=20,
        hidden_inputs=False,
        checks=(sgd_path, momentum_path, adam_path, adamw_path, zero_gradient),
    ),
    Group(
        key="trainer",
        title="Trainer",
        cpu_seconds=30,
        hidden_inputs=False,
        checks=(trainer_pass, checkpoint_reload, data_loader),
    ),
    Group(key="cifar10", title="CIFAR-10", cpu_seconds=150, checks=(cifar10_convergence_of(RECIPE),)),
    quality_group(),
)
