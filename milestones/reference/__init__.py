"""The trusted mathematics that everything a student computes is compared with. Float64 throughout; never enters a sandbox."""

from milestones.reference.layers import (
    ACTIVATIONS,
    dense,
    dense_gradients,
    relu,
    sigmoid,
    softmax,
    tanh,
)
from milestones.reference.losses import cross_entropy, log_softmax

__all__ = [
    "ACTIVATIONS",
    "cross_entropy",
    "dense",
    "dense_gradients",
    "log_softmax",
    "relu",
    "sigmoid",
    "softmax",
    "tanh",
]
