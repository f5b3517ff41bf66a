"""Losses of a batch.

Shapes: N items, K classes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def log_softmax(inputs: Array) -> Array:
    """Logarithm of the softmax over the last axis."""
    shifted = inputs - inputs.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def cross_entropy(logits: Array, labels: NDArray[np.int64]) -> float:
    """Mean negative log-probability of ``labels`` (N,) under ``logits`` (N, K), in nats."""
    return float(-log_softmax(logits)[np.arange(len(labels)), labels].mean())
