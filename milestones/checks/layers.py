"""Dense layers, activations and their composition, compared with the reference over several shapes and draws."""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray

from milestones import reference
from milestones.checks.outcome import cases, check
from milestones.contract import Check, Measurement, Status
from milestones.lab import Comparison, Lab, compare
from milestones.networks import Layer, dense_layer
from milestones.proxy import Student

# (items, inputs, outputs): one item, square, wide, narrow, and sizes met in the course.
DENSE_SHAPES = ((1, 3, 2), (4, 5, 5), (7, 2, 9), (16, 31, 4), (32, 64, 10))


@check("dense_forward", "Dense layer computes x·W + b")
def dense_forward(student: Student, lab: Lab) -> Measurement:
    """Dense forward with injected weight and bias, batched, over several shapes."""
    random = lab.random("dense_forward")
    comparisons: list[tuple[str, Comparison]] = []
    without_bias = []
    for items, inputs, outputs in DENSE_SHAPES:
        x, weight = random.normal(size=(items, inputs)), random.normal(size=(inputs, outputs))
        bias = random.normal(size=outputs)
        answer = student.forward(dense_layer(inputs, outputs), x, [weight, bias])
        comparisons.append((f"{items}×{inputs} into {outputs}", compare(answer, reference.dense(x, weight, bias))))
        without_bias.append(compare(answer, reference.dense(x, weight)).equal)
    return cases(
        "dense_forward", dense_forward.title, comparisons, evidence={"matches_without_bias": all(without_bias)}
    )


@check("dense_without_bias", "Dense layer without a bias")
def dense_without_bias(student: Student, lab: Lab) -> Measurement:
    """Dense forward of layers made without a bias."""
    random = lab.random("dense_without_bias")
    comparisons = []
    for items, inputs, outputs in DENSE_SHAPES[:3]:
        x, weight = random.normal(size=(items, inputs)), random.normal(size=(inputs, outputs))
        answer = student.forward(dense_layer(inputs, outputs, bias=False), x, [weight])
        comparisons.append((f"{items}×{inputs} into {outputs}", compare(answer, reference.dense(x, weight))))
    return cases("dense_without_bias", dense_without_bias.title, comparisons)


def _activation_check(component: str, title: str, *, scales: tuple[float, ...]) -> Check:
    """A check of an element-wise activation (or softmax over rows) on ordinary inputs of several scales."""

    @check(f"{component}_forward", title)
    def activation_forward(student: Student, lab: Lab) -> Measurement:
        random = lab.random(f"{component}_forward")
        comparisons, mutants = [], []
        for scale in scales:
            for shape in ((1, 6), (5, 4), (3, 10)):
                x = random.normal(scale=scale, size=shape)
                answer = student.forward({"component": component}, x)
                comparisons.append(
                    (f"shape {shape}, scale {scale:g}", compare(answer, reference.ACTIVATIONS[component](x)))
                )
                mutants.append(_matching_mutants(component, x, answer))
        common = set.intersection(*mutants) if mutants else set()
        return cases(f"{component}_forward", title, comparisons, evidence={"matches": sorted(common)})

    return activation_forward


def _matching_mutants(component: str, x: NDArray, answer: NDArray) -> set[str]:
    """Which well-known mistakes the answer agrees with; only told apart where the shape can tell."""
    mutants = {
        "relu": {"absolute value": np.abs(x), "leaky": np.where(x > 0, x, 0.01 * x)},
        "sigmoid": {"sign of the exponent": reference.sigmoid(-x)},
        "tanh": {"sigmoid instead of tanh": reference.sigmoid(x)},
        "softmax": {
            "normalised over the whole array": np.exp(x) / np.exp(x).sum(),
            "normalised over the first axis": np.exp(x) / np.exp(x).sum(axis=0, keepdims=True),
            "not normalised": np.exp(x),
            "not normalised, shifted by the row's maximum": np.exp(x - x.max(axis=-1, keepdims=True)),
        },
    }
    # One row is the whole array: there the mistake can't be seen, so it neither proves nor refutes.
    if component == "softmax" and x.shape[0] == 1:
        return set(mutants[component])
    return {name for name, wrong in mutants[component].items() if compare(answer, wrong).equal}


relu_forward = _activation_check("relu", "ReLU", scales=(1.0, 50.0))
sigmoid_forward = _activation_check("sigmoid", "Sigmoid", scales=(1.0, 5.0))
tanh_forward = _activation_check("tanh", "Tanh", scales=(1.0, 3.0))
softmax_forward = _activation_check("softmax", "Softmax over each row", scales=(1.0, 4.0))


@check("softmax_stability", "Softmax stays finite for large inputs")
def softmax_stability(student: Student, lab: Lab) -> Measurement:
    """Softmax of rows with values up to ±10,000: finite, rows sum to one, equal to the shifted reference."""
    random = lab.random("softmax_stability")
    comparisons = []
    finite = True
    for size in (1e2, 1e3, 1e4):
        for sign, name in ((1.0, "large"), (-1.0, "very negative"), (0.0, "mixed")):
            x = random.normal(size=(3, 8)) + sign * size
            if not sign:
                x[:, 0] += size
                x[:, 1] -= size
            answer = student.forward({"component": "softmax"}, x)
            finite = finite and bool(np.isfinite(answer).all())
            # Differences of single units survive the shift by 10,000 with about 12 digits: a looser limit than elsewhere.
            comparisons.append(
                (f"{name} values around {size:g}", compare(answer, reference.softmax(x), tolerance=1e-3))
            )
    return cases("softmax_stability", softmax_stability.title, comparisons, evidence={"finite": finite})


@check("sigmoid_stability", "Sigmoid stays finite for large inputs")
def sigmoid_stability(student: Student, lab: Lab) -> Measurement:
    """Sigmoid at ±1,000 and ±10,000 is 0 or 1 and never NaN."""
    x = np.array([[-1e4, -1e3, -50.0, 0.0, 50.0, 1e3, 1e4]])
    answer = student.forward({"component": "sigmoid"}, x)
    return cases(
        "sigmoid_stability",
        sigmoid_stability.title,
        [("values from -10,000 to 10,000", compare(answer, reference.sigmoid(x), tolerance=1e-3))],
    )


@check("network_composition", "Layers compose to a multi-layer network")
def network_composition(student: Student, lab: Lab) -> Measurement:
    """Dense, ReLU, Dense and deeper networks in the student's own Sequential (or chained) against the reference."""
    random = lab.random("network_composition")
    comparisons = []
    for sizes, activation in (((5, 7, 3), "relu"), ((4, 9, 6, 2), "tanh"), ((12, 8, 8, 10), "sigmoid")):
        layers: list[Layer] = []
        parameters = []
        x = random.normal(size=(6, sizes[0]))
        expected = x
        for position, (inputs, outputs) in enumerate(itertools.pairwise(sizes)):
            weight, bias = random.normal(size=(inputs, outputs)) / np.sqrt(inputs), random.normal(size=outputs)
            layers.append(dense_layer(inputs, outputs))
            parameters += [weight, bias]
            expected = reference.dense(expected, weight, bias)
            if position + 2 < len(sizes):
                layers.append({"component": activation})
                expected = reference.ACTIVATIONS[activation](expected)
        answer = student.forward({"component": "network", "layers": layers}, x, parameters)
        comparisons.append((f"{' → '.join(map(str, sizes))} with {activation}", compare(answer, expected)))
    return cases("network_composition", network_composition.title, comparisons)


@check("initial_weights", "Fresh layers start with sane weights")
def initial_weights(student: Student, lab: Lab) -> Measurement:
    """What a fresh dense layer of 256 into 64 starts with, read off its answers to the identity and to zero.

    Sane: finite, not constant, centred, and with a spread between 1/30 and 3 times that of Glorot's uniform rule
    (X. Glorot, Y. Bengio, 2010), sqrt(2 / (inputs + outputs)).
    """
    inputs, outputs = 256, 64
    layer = dense_layer(inputs, outputs)
    start = student.forward(layer, np.zeros((1, inputs)))
    weight = student.forward(layer, np.eye(inputs))
    right_shape = start.shape == (1, outputs) and weight.shape == (inputs, outputs)
    # Shapes that the student chose are never combined: (n, 1) less (1, n) would take n × n of the grader's memory.
    weight = weight - start if right_shape else np.full((1, 1), np.nan)
    spread, centre = float(np.std(weight)), float(np.mean(weight))
    usual = float(np.sqrt(2 / (inputs + outputs)))
    findings = {
        "finite": bool(np.isfinite(weight).all()),
        "not all equal": spread > 0,
        "spread as large as usual": usual / 30 <= spread <= usual * 3,
        "centred": abs(centre) <= max(0.25 * spread, 1e-12),
        "columns differ": right_shape and bool(np.ptp(weight, axis=1).max() > 0),
    }
    wrong = [name for name, right in findings.items() if not right]
    share = 1 - len(wrong) / len(findings)
    sentence = f"spread {spread:.3g} (usual for this size {usual:.3g}), mean {centre:.2g}"
    return Measurement(
        key="initial_weights",
        title=initial_weights.title,
        kind="share",
        status=Status.PASSED if not wrong else Status.PARTIAL if share else Status.WRONG,
        value=share,
        passed=not wrong,
        message=f"{'Fails: ' + ', '.join(wrong) + '; ' if wrong else 'Sane: '}{sentence}.",
        evidence={"spread": _number(spread), "mean": _number(centre), "usual_spread": usual, "wrong": wrong},
    )


def _number(value: float) -> float | str:
    return value if np.isfinite(value) else str(value)
