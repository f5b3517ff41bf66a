"""Dense layers and activations.

Shapes: N items, I input features, O output features.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def dense(inputs: Array, weight: Array, bias: Array | None = None) -> Array:
    """x W + b: (N, I) by (I, O), plus (O,) -> (N, O)."""
    product = inputs @ weight
    return product if bias is None else product + bias


def dense_gradients(inputs: Array, weight: Array, upstream: Array) -> tuple[Array, Array, Array]:
    """Gradients of sum(dense(...) * upstream) by inputs (N, I), weight (I, O) and bias (O,)."""
    return upstream @ weight.T, inputs.T @ upstream, upstream.sum(axis=0)


def relu(inputs: Array) -> Array:
    """max(x, 0), any shape."""
    return np.maximum(inputs, 0.0)


def sigmoid(inputs: Array) -> Array:
    """1 / (1 + exp(-x)) without overflow for any finite x: exp is only taken of negative numbers."""
    small = np.exp(-np.abs(inputs))
    return np.where(inputs >= 0, 1.0 / (1.0 + small), small / (1.0 + small))


def tanh(inputs: Array) -> Array:
    """Hyperbolic tangent, any shape."""
    return np.tanh(inputs)


def softmax(inputs: Array) -> Array:
    """Softmax over the last axis, shifted by the maximum so that it is stable for any finite input."""
    powers = np.exp(inputs - inputs.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


ACTIVATIONS = {"relu": relu, "sigmoid": sigmoid, "tanh": tanh, "softmax": softmax}
