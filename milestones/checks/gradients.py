"""Gradients of single layers against the reference."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from milestones import exhibits, reference
from milestones.checks.outcome import cases, check, information, sentence_of
from milestones.contract import Measurement
from milestones.lab import Comparison, Lab, compare, constant_factor
from milestones.networks import dense_layer
from milestones.proxy import Student
from milestones.sandbox.session import StudentFault
from milestones.student.operations import Fault


@check("dense_gradient", "Gradients of the dense layer")
def dense_gradient(student: Student, lab: Lab) -> Measurement:
    """Gradients by inputs, weight and bias. A forward-only package is told so; where this counts, a rubric says."""
    random = lab.random("dense_gradient")
    comparisons: list[tuple[str, Comparison]] = []
    unsummed, missing = [], set()
    # Weights may be stored (out, in); then so is their gradient. A square one does not show which, so it comes second.
    turned = False
    factors: dict[str, list[float]] = {}
    errors: dict[str, np.ndarray] = {}
    for items, inputs, outputs in ((4, 5, 3), (8, 6, 6)):
        x, weight = random.normal(size=(items, inputs)), random.normal(size=(inputs, outputs))
        bias, upstream = random.normal(size=outputs), random.normal(size=(items, outputs))
        try:
            answers = student.gradient(dense_layer(inputs, outputs), x, upstream, [weight, bias])
        except StudentFault as fault:
            if fault.code == Fault.NO_GRADIENT:
                return information(
                    "dense_gradient",
                    dense_gradient.title,
                    f"Forward only: {sentence_of(fault)}.",
                    evidence={"forward_only": True},
                )
            raise
        expected = reference.dense_gradients(x, weight, upstream)
        errors = {}  # of this case alone: arrays of two cases have two widths
        for name, given, truth in zip(("inputs", "weight", "bias"), answers, expected, strict=True):
            if given.size == 0:
                missing.add(name)
                continue
            if name == "weight" and inputs != outputs:
                turned = given.shape == truth.T.shape
            answer = given.T if name == "weight" and turned else given
            comparison = compare(answer, truth)
            if name == "bias":
                unsummed.append(_is_unsummed(answer, upstream, truth))
                comparison = compare(answer.reshape(truth.shape), truth) if answer.size == truth.size else comparison
            comparisons.append((f"gradient of the {name}, batch {items}", comparison))
            errors[name] = _relative_error(answer, truth)
            if comparison.same_shape and not comparison.equal:
                factors.setdefault(name, []).append(constant_factor(answer, truth))
    if not comparisons:
        return information(
            "dense_gradient",
            dense_gradient.title,
            "Forward only: no gradient arrived.",
            evidence={"forward_only": True},
        )
    if not all(comparison.equal for _, comparison in comparisons):
        _exhibit(lab, errors)
    return cases(
        "dense_gradient",
        dense_gradient.title,
        comparisons,
        evidence={
            "bias_unsummed": bool(unsummed) and all(unsummed),
            "missing": sorted(missing),
            "factors": {name: values[0] for name, values in factors.items() if _agree(values)},
        },
    )


def _relative_error(answer: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """|answer − truth| relative to the largest |truth|; NaN throughout where the shapes differ: nothing can be compared."""
    if answer.shape != truth.shape:
        return np.full(truth.shape, np.nan)
    return np.abs(answer.astype(np.float64) - truth) / np.abs(truth).max()


def _exhibit(lab: Lab, errors: Mapping[str, np.ndarray]) -> None:
    """Where the gradients of the weight and, below it, of the bias are wrong, in the last case that was tried."""
    rows = {f"weight, input {index}": row for index, row in enumerate(errors.get("weight", ()))}
    rows |= {"bias": errors["bias"]} if "bias" in errors else {}
    if rows:
        lab.exhibit(
            exhibits.heat_map(
                "dense_gradient_error",
                "Where is the gradient of the dense layer wrong?",
                np.array(list(rows.values())),
                x_title="Output",
                y_title="Parameter",
                value_title="Relative error",
                y_labels=list(rows),
            )
        )


def _is_unsummed(answer: np.ndarray, upstream: np.ndarray, truth: np.ndarray) -> bool:
    """Whether the bias gradient still has the batch in it: of the batch's shape, and right once it is summed."""
    return answer.shape == upstream.shape and compare(answer.sum(axis=0), truth).equal


def _agree(values: list[float]) -> bool:
    return bool(np.isfinite(values).all())
