"""The parts of a GPT against the reference, values and gradients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from milestones import reference
from milestones.checks.gpt import (
    GELU_TOLERANCE,
    GRADIENT_TOLERANCES,
    LENGTH,
    SMALL,
    acts,
    plain,
    positions_effect,
    token_effect,
)
from milestones.checks.outcome import cases, check, sentence_of, statement
from milestones.contract import Measurement
from milestones.lab import Comparison, Lab, compare
from milestones.proxy import Student
from milestones.sandbox.session import StudentFault
from milestones.student.operations import Fault

PARAMETER_NAMES = (
    *("weight of the query", "bias of the query", "weight of the key", "bias of the key"),
    *("weight of the value", "bias of the value", "weight of the output", "bias of the output"),
)


# -- parts -------------------------------------------------------------------------------------------------------------


@check("gelu", "GELU, values and gradient", also=("gelu_gradient",))
def gelu(student: Student, lab: Lab) -> list[Measurement]:
    """Values against the exact function, within what the usual formulas with tanh and sigmoid miss it by; the derivative
    against that of the formula which the values follow."""
    random = lab.random("gelu")
    x = np.linspace(-4, 4, 97)[None] + random.uniform(-0.03, 0.03, size=(2, 97))
    upstream = random.uniform(0.5, 2, size=x.shape)
    title = gelu.title.partition(",")[0]
    try:
        answer, (gradient,) = student.part({"component": "gelu"}, x, upstream)
    except StudentFault as fault:
        if fault.code != Fault.MISSING:
            raise
        without = _gradient_by_other_means("gelu_gradient", "Gradient of GELU", student)
        return [statement("gelu", title, right=True, message="No GELU: the GPT does without it."), without]
    errors = {name: compare(answer, formula(x)) for name, formula in reference.GELU_FORMULAS.items()}
    formula = min(errors, key=lambda name: errors[name].largest_error)
    looks_like = {"ReLU": np.maximum(x, 0), "tanh": np.tanh(x), "sigmoid": reference.sigmoid(x)}
    values = cases(
        "gelu",
        title,
        [(f"nearest to the {formula} formula", errors[formula])],
        evidence={
            "formula": formula,
            "matches": [name for name, wrong in looks_like.items() if compare(answer, wrong).equal],
        },
    )
    return [values, _gelu_gradient(lab, x, upstream, gradient, formula)]


def _gelu_gradient(lab: Lab, x: NDArray, upstream: NDArray, gradient: NDArray, formula: str) -> Measurement:
    """The derivative against that of the formula which the values follow, on the scale of the derivative, which is 1."""
    title = "Gradient of GELU"
    if not gradient.size:
        return statement(
            "gelu_gradient", title, right=False, message="No gradient arrived.", evidence={"forward_only": True}
        )
    if gradient.shape != x.shape:
        return cases("gelu_gradient", title, [("gradient by x", compare(gradient, x))])
    truth = _derivative(reference.GELU_FORMULAS[formula], x)
    error = np.abs(gradient / upstream - truth)
    error = np.where(np.isfinite(error), error, np.inf)
    lab.claims["gelu_error"] = float(error.max())
    index = np.unravel_index(int(error.argmax()), error.shape)
    worst = float(error[index])
    return statement(
        "gelu_gradient",
        title,
        right=worst <= GELU_TOLERANCE,
        message=f"The derivative of GELU is off by at most {worst:.2g}"
        + (
            "."
            if worst <= GELU_TOLERANCE
            else f", at x = {x[index]:.3g}: {gradient[index] / upstream[index]:.3g} instead of {truth[index]:.3g}."
        ),
        evidence={
            "largest_error": plain(worst),
            "x": float(x[index]),
            "got": plain(float(gradient[index] / upstream[index])),
            "expected": float(truth[index]),
        },
    )


def _derivative(function: Callable[[NDArray], NDArray], x: NDArray) -> NDArray:
    """By central differences in float64, good to ten digits here."""
    return (function(x + 1e-5) - function(x - 1e-5)) / 2e-5


@check("layer_norm", "LayerNorm, values and gradients", also=("layer_norm_gradient",))
def layer_norm(student: Student, lab: Lab) -> list[Measurement]:
    """Values over several shapes and scales, rows of equal numbers among them, and gradients by inputs, scale and shift."""
    random = lab.random("layer_norm")
    size = 6
    part = {"component": "layer_norm", "size": size}
    scale, shift = 1 + 0.5 * random.normal(size=size), random.normal(size=size)
    comparisons, gradients, mutants = [], [], []
    for name, x in (
        ("a batch of texts", random.normal(size=(3, 5, size))),
        ("large and off-centre", 30 * random.normal(size=(4, 2, size)) + 100),
        ("a batch of rows", random.normal(size=(7, size))),
    ):
        upstream = random.normal(size=x.shape)
        answer, found = student.part(part, x, upstream, [scale, shift])
        comparisons.append((name, compare(answer, reference.layer_norm(x, scale, shift), tolerance=1e-3)))
        mutants.append({n for n, wrong in _layer_norm_mutants(x, scale, shift).items() if compare(answer, wrong).equal})
        truths = reference.layer_norm_gradients(x, scale, upstream)
        gradients += [(f"{of}, {name}", g, t) for of, g, t in zip(("x", "scale", "shift"), found, truths, strict=True)]
    equal = np.full((1, 2, size), 3.0)
    answer, _ = student.part(part, equal, None, [scale, shift])
    flat = compare(answer, np.broadcast_to(shift, equal.shape), tolerance=1e-3)
    comparisons.append(("numbers that are all equal", flat))
    values = cases(
        "layer_norm",
        layer_norm.title.partition(",")[0],
        comparisons,
        evidence={
            "matches": sorted(set.intersection(*mutants)),
            "no_eps": bool(not flat.equal and flat.same_shape and not np.isfinite(flat.got)),
        },
    )
    return [values, _gradients_of_part("layer_norm_gradient", "Gradients of LayerNorm", gradients)]


def _layer_norm_mutants(x: NDArray, scale: NDArray, shift: NDArray) -> dict[str, NDArray]:
    centred = x - x.mean(axis=-1, keepdims=True)
    return {
        "over the first axis": reference.layer_norm(x, scale, shift, axis=0),
        "over the second axis": reference.layer_norm(x, scale, shift, axis=1),
        "over the whole array": (x - x.mean()) / np.sqrt(x.var() + 1e-5) * scale + shift,
        "not centred": x / np.sqrt(x.var(axis=-1, keepdims=True) + 1e-5) * scale + shift,
        "divided by the variance": centred / (x.var(axis=-1, keepdims=True) + 1e-5) * scale + shift,
        "variance over n − 1": centred / np.sqrt(x.var(axis=-1, keepdims=True, ddof=1) + 1e-5) * scale + shift,
        "without scale and shift": centred / np.sqrt(x.var(axis=-1, keepdims=True) + 1e-5),
    }


@check("embedding", "Embedding, values and gradient", also=("embedding_gradient",))
def embedding(student: Student, lab: Lab) -> list[Measurement]:
    """Rows of the table in the order of the tokens; a token that occurs twice gets the sum of both gradients."""
    random = lab.random("embedding")
    table = random.normal(size=(9, 5))
    tokens = np.array([[1, 4, 4, 0], [8, 1, 4, 7]])
    upstream = random.normal(size=(2, 4, 5))
    part = {"component": "embedding", "vocabulary": 9, "size": 5}
    title = embedding.title.partition(",")[0]
    try:
        answer, (_, gradient) = student.part(part, tokens, upstream, [table])
    except StudentFault as fault:
        if fault.code != Fault.MISSING:
            raise
        return [
            _by_other_means("embedding", title, "embeds its tokens", student, lab, fault),
            _gradient_by_other_means("embedding_gradient", "Gradient of the embedding", student),
        ]
    values = cases("embedding", title, [("two texts of four tokens", compare(answer, table[tokens]))])
    truth = reference.embedding_gradient(tokens, 9, upstream)
    last = np.zeros_like(truth)
    last[tokens] = upstream
    measured = _gradients_of_part(
        "embedding_gradient",
        "Gradient of the embedding",
        [("table", gradient, truth)],
        evidence={"overwritten": bool(gradient.shape == last.shape and compare(gradient, last).equal)},
    )
    return [values, measured]


@check("positions_added", "Positions are added to what stands there")
def positions_added(student: Student, lab: Lab) -> Measurement:
    """Each position gets a vector of its own, the same for all texts, whatever stands there."""
    random = lab.random("positions_added")
    first, second = random.normal(size=(2, LENGTH, SMALL.dim)), random.normal(size=(1, LENGTH, SMALL.dim))
    part = {"component": "positions", "context": SMALL.context, "size": SMALL.dim}
    try:
        answers = [student.part(part, x, None)[0] for x in (first, second)]
    except StudentFault as fault:
        if fault.code != Fault.MISSING:
            raise
        return _by_other_means(positions_added.key, positions_added.title, "adds positions", student, lab, fault)
    if answers[0].shape != first.shape or answers[1].shape != second.shape:
        shown = compare(answers[0], first)
        return cases(positions_added.key, positions_added.title, [("a batch of texts", shown)])
    added = answers[0] - first
    findings = {
        "the same for every text": bool(np.allclose(added[0], added[1], atol=1e-4)),
        "another for every position": bool(np.ptp(added[0], axis=0).max() > 1e-4),
    }
    # Positions that are drawn anew for each question differ between the two; a constructor may do that.
    wrong = [name for name, right in findings.items() if not right]
    return statement(
        positions_added.key,
        positions_added.title,
        right=not wrong,
        message=f"What is added is not {wrong[0]}." if wrong else "Every position gets a vector of its own.",
        evidence={"wrong": wrong},
    )


def _by_other_means(key: str, title: str, does: str, student: Student, lab: Lab, fault: StudentFault) -> Measurement:
    """A GPT may embed tokens or add positions without a class for it: then the GPT itself is asked."""
    effect = positions_effect(student, lab) if key == "positions_added" else token_effect(student, lab)
    return statement(
        key,
        title,
        right=acts(effect),
        message=f"No class of its own ({sentence_of(fault)}); the GPT {'' if acts(effect) else 'hardly '}{does} by other "
        "means.",
        evidence={"effect": plain(effect), "by_other_means": True},
    )


def _gradient_by_other_means(key: str, title: str, student: Student) -> Measurement:
    """What has no class of its own has its gradient tried with those of the whole GPT, if there are any."""
    backward = student.build_gpt(SMALL).has_autograd
    return statement(
        key,
        title,
        right=backward,
        message="No class of its own: tried with the whole GPT." if backward else "No gradient arrived: forward only.",
        evidence={"by_other_means": True, "forward_only": not backward},
    )


@check("attention", "Multi-head attention, values and gradients", also=("attention_gradient",))
def attention(student: Student, lab: Lab) -> list[Measurement]:
    """Self-attention without a mask (or always causal, where the class is made so) against the reference, and which
    well-known mistake the answers are."""
    random = lab.random("attention")
    comparisons: list[tuple[str, Comparison]] = []
    mutants: list[set[str]] = []
    gradients: list[tuple[str, NDArray, NDArray]] = []
    for texts, length, dim, heads in ((2, 5, 8, 2), (3, 4, 12, 3), (1, 7, 8, 4)):
        x = random.normal(size=(texts, length, dim))
        upstream = random.normal(size=x.shape)
        parameters = []
        for _ in range(4):
            parameters += [random.normal(size=(dim, dim)) * 1.5 / np.sqrt(dim), 0.3 * random.normal(size=dim)]
        part = {"component": "attention", "size": dim, "heads": heads, "length": length}
        answer, found = student.part(part, x, upstream, parameters)
        causal = compare(answer, reference.attention(x, parameters, heads, causal=True)).equal
        truth = reference.attention(x, parameters, heads, causal=causal)
        comparisons.append((f"{texts} texts of {length} with {heads} heads", compare(answer, truth)))
        wrongs = _attention_mutants(x, parameters, heads)
        mutants.append({name for name, wrong in wrongs.items() if compare(answer, wrong).equal})
        truths = reference.attention_gradients(x, parameters, heads, upstream, causal=causal)
        names = ("x", *PARAMETER_NAMES)
        for name, gradient, wanted in zip(names, found, truths, strict=True):
            # The gradient of the key's bias is zero, whatever the rest.
            if name != "bias of the key":
                gradients.append((f"{name}, {heads} heads", _as_stored(gradient, wanted), wanted))
    values = cases(
        "attention",
        attention.title.partition(",")[0],
        comparisons,
        evidence={"matches": sorted(set.intersection(*mutants))},
    )
    # Where the values are wrong, so are gradients: that is one mistake and not two.
    measured = _gradients_of_part("attention_gradient", "Gradients of attention", gradients)
    return [values, measured]


def _as_stored(gradient: NDArray, wanted: NDArray) -> NDArray:
    """The gradient, turned where weights are stored (out, in)."""
    turned = gradient.ndim == 2 and gradient.T.shape == wanted.shape
    return gradient.T if turned and compare(gradient.T, wanted, tolerance=5e-3).equal else gradient


def _attention_mutants(x: NDArray, parameters: Sequence[NDArray], heads: int) -> dict[str, NDArray]:
    """What well-known mistakes would answer, each with a mask and without."""
    dim = x.shape[-1]
    mistakes: dict[str, dict[str, Any]] = {
        "not scaled": {"scale": 1.0},
        "scaled by all numbers instead of those of a head": {"scale": 1 / np.sqrt(dim)},
        "scaled by d instead of its root": {"scale": heads / dim},
        "softmax over the queries": {"softmax_axis": -2},
        "softmax over the heads": {"softmax_axis": 1},
        "heads mixed up": {"mixed_heads": True},
        "uniform": {"scale": 0.0},
    }
    return {
        name: reference.attention(x, parameters, heads, causal=False, **settings) for name, settings in mistakes.items()
    }


def _gradients_of_part(
    key: str,
    title: str,
    found: Sequence[tuple[str, NDArray, NDArray]],
    *,
    evidence: dict[str, Any] | None = None,
) -> Measurement:
    """Compare gradients that arrived; where none did, the package goes forward only."""
    arrived = [(name, gradient, truth) for name, gradient, truth in found if gradient.size]
    if not arrived:
        return statement(
            key, title, right=False, message="No gradient arrived: forward only.", evidence={"forward_only": True}
        )
    missing = sorted({name.partition(",")[0] for name, gradient, _ in found if not gradient.size})
    comparisons, worst = [], 0.0
    unreached: set[str] = set(missing)
    for name, gradient, truth in found:
        shaped = gradient.reshape(truth.shape) if gradient.size == truth.size else gradient
        limit = GRADIENT_TOLERANCES[gradient.dtype]
        comparisons.append((f"gradient by {name}", compare(shaped, truth, tolerance=limit)))
        if gradient.size == truth.size:
            error = np.abs(shaped - truth).max() / max(float(np.abs(truth).max()), 1e-12)
            worst = max(worst, float(error) if np.isfinite(error) else np.inf)
            if np.abs(gradient).max() < 1e-2 * np.abs(truth).max():
                unreached.add(name.partition(",")[0])
    more = {"missing": missing, "unreached": sorted(unreached), "error_of_largest": plain(worst), **(evidence or {})}
    return cases(key, title, comparisons, evidence=more)
