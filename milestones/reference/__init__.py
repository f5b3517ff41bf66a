"""The trusted mathematics that everything a student computes is compared with. Float64 throughout; never enters a sandbox."""

from milestones.reference.attention import (
    GELU_FORMULAS,
    attention,
    attention_gradients,
    embedding_gradient,
    gelu,
    gelu_derivative,
    layer_norm,
    layer_norm_gradients,
)
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
from milestones.reference.vision import (
    average_pool,
    convolution,
    convolution_gradients,
    max_pool,
    max_pool_gradient,
)

__all__ = [
    "ACTIVATIONS",
    "GELU_FORMULAS",
    "attention",
    "attention_gradients",
    "average_pool",
    "convolution",
    "convolution_gradients",
    "cross_entropy",
    "dense",
    "dense_gradients",
    "embedding_gradient",
    "gelu",
    "gelu_derivative",
    "layer_norm",
    "layer_norm_gradients",
    "log_softmax",
    "max_pool",
    "max_pool_gradient",
    "relu",
    "sigmoid",
    "softmax",
    "tanh",
]
