"""Losses of a batch and their gradients.

Shapes: N items, K classes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from milestones.reference.layers import sigmoid, softmax

Array = NDArray[np.float64]


def log_softmax(inputs: Array) -> Array:
    """Logarithm of the softmax over the last axis."""
    shifted = inputs - inputs.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def cross_entropies(logits: Array, labels: NDArray[np.int64]) -> Array:
    """Negative log-probability of each of ``labels`` (N,) under ``logits`` (N, K), in nats."""
    return -log_softmax(logits)[np.arange(len(labels)), labels]


def cross_entropy(logits: Array, labels: NDArray[np.int64]) -> float:
    """Mean negative log-probability of ``labels`` (N,) under ``logits`` (N, K), in nats."""
    return float(cross_entropies(logits, labels).mean())


def cross_entropy_gradient(logits: Array, labels: NDArray[np.int64]) -> Array:
    """Gradient of ``cross_entropy`` by the logits: (softmax − one-hot) / N."""
    return (softmax(logits) - one_hot(labels, logits.shape[1])) / len(labels)


def one_hot(labels: NDArray[np.int64], classes: int) -> Array:
    """(N,) class numbers as rows (N, K) of zeros and a one."""
    return (labels[:, None] == np.arange(classes)).astype(np.float64)


def mean_squared_error(predictions: Array, targets: Array) -> float:
    """Mean of the squared differences over all elements."""
    return float(((predictions - targets) ** 2).mean())


def mean_squared_error_gradient(predictions: Array, targets: Array) -> Array:
    """Gradient of ``mean_squared_error`` by the predictions."""
    return 2 * (predictions - targets) / predictions.size


def binary_cross_entropy(probabilities: Array, targets: Array) -> float:
    """Mean of −y log p − (1 − y) log(1 − p) for probabilities strictly between 0 and 1."""
    return float(-(targets * np.log(probabilities) + (1 - targets) * np.log1p(-probabilities)).mean())


def binary_cross_entropy_gradient(probabilities: Array, targets: Array) -> Array:
    """Gradient of ``binary_cross_entropy`` by the probabilities."""
    return (probabilities - targets) / (probabilities * (1 - probabilities)) / probabilities.size


def binary_cross_entropy_of_logits(logits: Array, targets: Array) -> float:
    """The same of p = sigmoid(x), as max(x, 0) − x y + log(1 + exp(−|x|)), which no x overflows."""
    return float((np.maximum(logits, 0) - logits * targets + np.log1p(np.exp(-np.abs(logits)))).mean())


def binary_cross_entropy_of_logits_gradient(logits: Array, targets: Array) -> Array:
    """Gradient of ``binary_cross_entropy_of_logits`` by the logits."""
    return (sigmoid(logits) - targets) / logits.size
