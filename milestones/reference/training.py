"""What a training loop does to a dense network with ReLU between its layers, followed exactly; and the ways to get it wrong.

Parameters are weight, bias, weight, bias, … Batches are (inputs, labels).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from milestones.reference.layers import dense, dense_gradients, relu
from milestones.reference.losses import cross_entropy_gradient

Array = NDArray[np.float64]
Batch = tuple[Array, NDArray[np.int64]]
Parameters = tuple[Array, ...]


def scores(parameters: Sequence[Array], inputs: Array) -> Array:
    """The network's outputs."""
    return _forward(parameters, inputs)[-1]


def gradients(parameters: Sequence[Array], batch: Batch) -> Parameters:
    """Gradients of the mean cross-entropy of a batch by every parameter."""
    inputs, labels = batch
    *hidden, logits = _forward(parameters, inputs)
    upstream = cross_entropy_gradient(logits, labels)
    found: list[Array] = []
    for position in range(len(parameters) - 2, -1, -2):
        before = inputs if position == 0 else relu(hidden[position // 2 - 1])
        upstream, weight, bias = dense_gradients(before, parameters[position], upstream)
        found = [weight, bias, *found]
        if position:
            upstream = upstream * (hidden[position // 2 - 1] > 0)
    return tuple(found)


def one_pass(parameters: Sequence[Array], batches: Sequence[Batch], rate: float) -> Parameters:
    """Plain gradient descent over all batches, one step for each, gradients cleared in between."""
    for batch in batches:
        parameters = _moved(parameters, gradients(parameters, batch), rate)
    return tuple(parameters)


def pass_mutants(parameters: Sequence[Array], batches: Sequence[Batch], rate: float) -> Mapping[str, Parameters]:
    """Where the well-known mistakes in a training loop lead."""
    kept, total = tuple(parameters), tuple(np.zeros_like(each) for each in parameters)
    for batch in batches:
        total = tuple(map(np.add, total, gradients(kept, batch)))
        kept = _moved(kept, total, rate)
    at_once = [gradients(parameters, batch) for batch in batches]
    return {
        "never updates": tuple(parameters),
        "gradients kept": kept,
        "first batch only": one_pass(parameters, batches[:1], rate),
        "one step for all batches": _moved(parameters, tuple(map(sum, zip(*at_once, strict=True))), rate),
        "last batch only": _moved(parameters, at_once[-1], rate),
    }


def _forward(parameters: Sequence[Array], inputs: Array) -> list[Array]:
    """Outputs of every dense layer, before ReLU."""
    outputs: list[Array] = []
    for position in range(0, len(parameters), 2):
        inputs = relu(outputs[-1]) if outputs else inputs
        outputs.append(dense(inputs, parameters[position], parameters[position + 1]))
    return outputs


def _moved(parameters: Sequence[Array], gradients: Sequence[Array], rate: float) -> Parameters:
    return tuple(each - rate * gradient for each, gradient in zip(parameters, gradients, strict=True))
