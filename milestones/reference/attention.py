"""The parts of a transformer, forward and backward.

Shapes: N texts, L positions, D numbers at each, H heads of d = D / H numbers, V different tokens.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from milestones.reference.layers import sigmoid, softmax

Array = NDArray[np.float64]


# -- GELU --------------------------------------------------------------------------------------------------------------


def gelu(inputs: Array) -> Array:
    """x times the probability that a standard normal number is below x (D. Hendrycks, K. Gimpel, 2016)."""
    return inputs * _normal_below(inputs)


def gelu_derivative(inputs: Array) -> Array:
    """Derivative of ``gelu``: Φ(x) + x φ(x)."""
    return _normal_below(inputs) + inputs * np.exp(-(inputs**2) / 2) / math.sqrt(2 * math.pi)


def gelu_by_tanh(inputs: Array) -> Array:
    """The usual formula for it with tanh."""
    return 0.5 * inputs * (1 + np.tanh(math.sqrt(2 / math.pi) * (inputs + 0.044715 * inputs**3)))


def gelu_by_sigmoid(inputs: Array) -> Array:
    """The rougher one, x · sigmoid(1.702 x)."""
    return inputs * sigmoid(1.702 * inputs)


GELU_FORMULAS = {"exact": gelu, "tanh": gelu_by_tanh, "sigmoid": gelu_by_sigmoid}


def _normal_below(inputs: Array) -> Array:
    return 0.5 * (1 + np.vectorize(math.erf, otypes=[np.float64])(inputs / math.sqrt(2)))


# -- layer normalisation -----------------------------------------------------------------------------------------------


def layer_norm(inputs: Array, scale: Array, shift: Array, *, eps: float = 1e-5, axis: int = -1) -> Array:
    """(x - mean) / sqrt(variance + eps) · scale + shift over the last axis (J. Ba, J. Kiros, G. Hinton, 2016)."""
    mean = inputs.mean(axis=axis, keepdims=True)
    variance = inputs.var(axis=axis, keepdims=True)
    return (inputs - mean) / np.sqrt(variance + eps) * scale + shift


def layer_norm_gradients(
    inputs: Array, scale: Array, upstream: Array, *, eps: float = 1e-5
) -> tuple[Array, Array, Array]:
    """Gradients of sum(layer_norm(...) * upstream) by inputs (..., D), scale (D,) and shift (D,)."""
    deviation = np.sqrt(inputs.var(axis=-1, keepdims=True) + eps)
    normal = (inputs - inputs.mean(axis=-1, keepdims=True)) / deviation
    scaled = upstream * scale
    by_inputs = scaled - scaled.mean(axis=-1, keepdims=True) - normal * (scaled * normal).mean(axis=-1, keepdims=True)
    others = tuple(range(inputs.ndim - 1))
    return by_inputs / deviation, (upstream * normal).sum(axis=others), upstream.sum(axis=others)


# -- embedding ---------------------------------------------------------------------------------------------------------


def embedding_gradient(tokens: NDArray[np.int64], rows: int, upstream: Array) -> Array:
    """Gradient by the table (rows, D): each row gets the sum over all places (N, L) where its token stands."""
    gradient = np.zeros((rows, upstream.shape[-1]))
    np.add.at(gradient, tokens, upstream)
    return gradient


# -- attention ---------------------------------------------------------------------------------------------------------


def attention(
    inputs: Array,
    parameters: Sequence[Array],
    heads: int,
    *,
    causal: bool = False,
    scale: float | None = None,
    softmax_axis: int = -1,
    mixed_heads: bool = False,
) -> Array:
    """Multi-head self-attention (A. Vaswani et al., 2017): (N, L, D) -> (N, L, D).

    ``parameters`` are weight (D, D) and bias (D,) of query, key, value and output. The last three settings make well-known
    mistakes: another factor than 1 / sqrt(d) on the scores, the softmax over another axis of (N, H, queries, keys), heads cut
    out of positions instead of out of the numbers at each.
    """
    return _attention(inputs, parameters, heads, causal, scale, softmax_axis, mixed_heads)[0]


def attention_gradients(
    inputs: Array, parameters: Sequence[Array], heads: int, upstream: Array, *, causal: bool = False
) -> list[Array]:
    """Gradients of sum(attention(...) * upstream) by inputs and each of ``parameters``."""
    _, merged, (queries, keys, values), weights, factor = _attention(inputs, parameters, heads, causal, None, -1, False)
    rows = inputs.reshape(-1, inputs.shape[-1])
    wq, _, wk, _, wv, _, wo, _ = parameters
    flat = upstream.reshape(rows.shape)
    by_output = (merged.reshape(rows.shape).T @ flat, flat.sum(axis=0))
    gathered = _split(upstream @ wo.T, heads)
    by_weights = gathered @ values.swapaxes(-1, -2)
    by_scores = weights * (by_weights - (by_weights * weights).sum(axis=-1, keepdims=True)) * factor
    by_queries = _merge(by_scores @ keys)
    by_keys = _merge(by_scores.swapaxes(-1, -2) @ queries)
    by_values = _merge(weights.swapaxes(-1, -2) @ gathered)
    by_inputs = by_queries @ wq.T + by_keys @ wk.T + by_values @ wv.T
    pairs = [(rows.T @ part.reshape(rows.shape), part.sum(axis=(0, 1))) for part in (by_queries, by_keys, by_values)]
    return [by_inputs, *(array for pair in pairs for array in pair), *by_output]


def _attention(inputs, parameters, heads, causal, scale, softmax_axis, mixed_heads):
    wq, bq, wk, bk, wv, bv, wo, bo = parameters
    length, dim = inputs.shape[1:]
    split = _split_wrongly if mixed_heads else _split
    queries, keys, values = (split(inputs @ w + b, heads) for w, b in ((wq, bq), (wk, bk), (wv, bv)))
    factor = 1 / math.sqrt(dim // heads) if scale is None else scale
    scores = queries @ keys.swapaxes(-1, -2) * factor
    if causal:
        scores = np.where(np.tri(length, dtype=bool), scores, -np.inf)
    weights = (
        softmax(scores) if softmax_axis == -1 else softmax(scores.swapaxes(softmax_axis, -1)).swapaxes(softmax_axis, -1)
    )
    gathered = weights @ values
    merged = gathered.reshape(inputs.shape) if mixed_heads else _merge(gathered)
    return merged @ wo + bo, merged, (queries, keys, values), weights, factor


def _split(array: Array, heads: int) -> Array:
    """(N, L, D) -> (N, H, L, d)."""
    return array.reshape(*array.shape[:2], heads, -1).transpose(0, 2, 1, 3)


def _merge(array: Array) -> Array:
    """(N, H, L, d) -> (N, L, D)."""
    return array.transpose(0, 2, 1, 3).reshape(array.shape[0], array.shape[2], -1)


def _split_wrongly(array: Array, heads: int) -> Array:
    """(N, L, D) -> (N, H, L, d) without moving an axis: heads are cut out of positions."""
    return array.reshape(array.shape[0], heads, array.shape[1], -1)
