"""What kind of network the assessed model is: asked by its behaviour, never by its source."""

from __future__ import annotations

import contextlib
import math

import numpy as np
from numpy.typing import NDArray

from milestones import exhibits
from milestones.checks.outcome import check, statement
from milestones.contract import Check, Measurement
from milestones.lab import Lab
from milestones.networks import Network
from milestones.proxy import ModelFacts, Student
from milestones.sandbox.session import StudentSide

# Largest share of a model's response that an affine map may miss through float32 rounding, with room to spare. A ReLU
# network with one hidden layer misses it by 0.1 to 1, a linear one by about 1e-6.
AFFINE_LIMIT = 1e-3


def scores_as_logits(scores: NDArray) -> NDArray[np.float64]:
    """Scores with the effect of a final softmax undone, so that a linear model under a softmax is still seen as linear.

    If every row is a probability distribution, its logarithm is centred over the classes: log softmax(z) − mean = z − mean.
    """
    values = scores.astype(np.float64)
    if (values >= 0).all() and np.allclose(values.sum(axis=1), 1.0, atol=1e-3):
        values = np.log(np.maximum(values, 1e-30))
        return values - values.mean(axis=1, keepdims=True)
    return values


def is_saturated(scores: NDArray) -> bool:
    """Whether probabilities ran into the floor of float32, where their logarithms say nothing any more."""
    return bool((scores >= 0).all() and (scores < 1e-25).any() and np.allclose(scores.sum(axis=1), 1.0, atol=1e-3))


def affinity_gap(f_sum: NDArray, f_a: NDArray, f_b: NDArray, f_zero: NDArray) -> float:
    """|f(a+b) − f(a) − f(b) + f(0)| relative to the size of the responses: 0 for every affine f."""
    gap = np.abs(f_sum - f_a - f_b + f_zero).max()
    size = max(np.abs(f_a - f_zero).max(), np.abs(f_b - f_zero).max(), 1e-12)
    return float(gap / size)


def is_steady(first: NDArray, again: NDArray) -> bool:
    """Whether the same inputs got the same answers twice, but for rounding. NaN is no answer that could change."""
    size = max(float(np.abs(first[np.isfinite(first)]).max(initial=0.0)), 1e-12)
    return bool(np.allclose(first, again, rtol=0, atol=1e-3 * size, equal_nan=True))


def _unsteady(asked: Check, facts: ModelFacts) -> Measurement:
    """Noise is not linear either, and proves nothing about a hidden layer."""
    return statement(
        asked.key,
        asked.title,
        right=False,
        message="The model answers the same image differently the next time, so nothing can be said about its layers: "
        "chance, such as dropout, must be off when it predicts.",
        evidence={"unsteady": True, "own_model": facts.own_model, "structure": facts.structure},
    )


def nonlinearity_of(network: Network) -> Check:
    """The check that the assessed model, or the standard ``network``, has a hidden non-linear layer."""

    @check("hidden_nonlinearity", "A hidden layer with a non-linearity")
    def hidden_nonlinearity(student: Student, lab: Lab) -> Measurement:
        facts = student.build(network)
        features = network.features(own=facts.own_model)
        random = lab.random("hidden_nonlinearity")
        gaps = []
        for scale in (0.02, 0.1, 0.5, 1.0):
            a, b = (random.uniform(-scale, scale, size=(8, features)).astype(np.float32) for _ in range(2))
            batch = np.concatenate([a + b, a, b, np.zeros_like(a), a])
            scores = student.logits(batch, classes=network.classes, raw=True)
            if not is_saturated(scores):
                *responses, once_more = np.split(scores_as_logits(scores), 5)
                if not is_steady(responses[1], once_more):
                    return _unsteady(hidden_nonlinearity, facts)
                gaps.append(affinity_gap(*responses))
        # A network with a hidden layer shows it at large inputs at the latest; a linear one at none.
        gap = max(gaps, default=float("nan"))
        nonlinear = bool(gap > AFFINE_LIMIT)  # NaN is no proof of a hidden layer
        message = (
            f"f(a+b) − f(a) − f(b) + f(0) is {gap:.2g} of the response: the model is not linear."
            if nonlinear
            else f"f(a+b) − f(a) − f(b) + f(0) is only {gap:.1g} of the response: the model is linear, no hidden layer acts."
        )
        return statement(
            "hidden_nonlinearity",
            hidden_nonlinearity.title,
            right=nonlinear,
            message=message,
            evidence={
                "affinity_gap": gap if np.isfinite(gap) else str(gap),
                "own_model": facts.own_model,
                "structure": facts.structure,
            },
        )

    return hidden_nonlinearity


def parameters_of(network: Network) -> Check:
    """The check that the parameters of the assessed model can be found and are as many as its layers need."""

    @check("parameters_found", "The model's parameters are found")
    def parameters_found(student: Student, lab: Lab) -> Measurement:
        facts = student.build(network)
        expected = network.parameter_count
        right = facts.parameter_count == expected if not facts.own_model else facts.parameter_count > 0
        _exhibit_parameters(student, lab)
        wanted = f", expected {expected:,} in the standard network" if not facts.own_model and not right else ""
        return statement(
            "parameters_found",
            parameters_found.title,
            right=right,
            message=f"{facts.parameter_count:,} parameters in {facts.parameter_arrays} arrays{wanted} ({facts.structure}).",
            evidence={
                "parameters": facts.parameter_count,
                "arrays": facts.parameter_arrays,
                "structure": facts.structure,
            },
        )

    return parameters_found


def _exhibit_parameters(student: Student, lab: Lab) -> None:
    """The table of the model's parameters, by layer. It is for people, so a model that can't show them loses nothing by it."""
    with contextlib.suppress(StudentSide):
        shapes = student.parameter_shapes()
        rows = [[layer, " × ".join(map(str, shape)), math.prod(shape)] for layer, shape in shapes]
        lab.exhibit(
            exhibits.table(
                "model_parameters",
                "Which parameters does the model have?",
                ("Layer", "Shape", "Numbers"),
                [*rows, ["all", "", sum(row[2] for row in rows)]],
            )
        )
