"""Loss functions: their values, their gradients, and what they do with extreme numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from milestones import reference
from milestones.checks.outcome import cases, check, statement
from milestones.contract import Measurement, Status
from milestones.lab import Comparison, Lab, compare, constant_factor
from milestones.proxy import LossAnswer, Student
from milestones.sandbox.session import StudentFault
from milestones.student.operations import TARGET_WRAPS

Ask = Callable[[NDArray, NDArray], LossAnswer]
# (items, classes) of cross-entropy and shapes of the other losses: one item, few, and a batch as in training.
CLASS_SHAPES = ((1, 3), (5, 4), (32, 10))
SHAPES = ((4, 1), (6, 3), (16, 5))
# A probability that a loss may clip: no case of an ordinary value comes nearer to 0 or 1.
NEAREST = 0.02


def _asking(student: Student, loss: str, sample: tuple[NDArray, NDArray], right: Callable[[NDArray], bool]) -> Ask:
    """The way in which the loss is to be asked: the first form of the targets with which it gives the ``right`` value on a
    sample, else the first with which it answers. Forms that it refuses are no mistake; if it refuses all, the first refusal
    is raised."""
    forms = [(wrap, False) for wrap in TARGET_WRAPS]
    if loss == "cross_entropy":
        forms += [(wrap, True) for wrap in TARGET_WRAPS]
    first: Ask | None = None
    refusal: StudentFault | None = None
    for wrap, one_hot in forms:

        def ask(predictions: NDArray, targets: NDArray, wrap: str = wrap, one_hot: bool = one_hot) -> LossAnswer:
            return student.loss(loss, predictions, targets, wrap=wrap, one_hot=one_hot)

        try:
            answer = ask(*sample)
        except StudentFault as fault:
            refusal = refusal or fault
            continue
        if right(answer.value):
            return ask
        first = first or ask
    if first is None:
        assert refusal is not None
        raise refusal
    return first


def _number(value: NDArray) -> NDArray:
    """A loss as an array of shape (): one number may come as (1,) or (1, 1)."""
    return value.reshape(()) if value.size == 1 else value


def _agrees(value: NDArray, expected: float) -> bool:
    return value.size == 1 and compare(_number(value), np.asarray(expected)).equal


@dataclass
class _Values:
    """Comparisons of a loss over several cases, and what its wrong answers have in common."""

    comparisons: list[tuple[str, Comparison]] = field(default_factory=list)
    factors: list[float] = field(default_factory=list)
    matches: set[str] | None = None
    unreduced: list[bool] = field(default_factory=list)

    def add(self, name: str, value: NDArray, expected: float, mutants: Mapping[str, float]) -> None:
        value = _number(value)
        self.comparisons.append((name, compare(value, np.asarray(expected))))
        self.unreduced.append(value.size > 1)
        if value.size == 1:
            # One case proves no factor; three of different sizes that agree do.
            self.factors.append(float(value) / expected if expected else float("nan"))
            found = {name for name, wrong in mutants.items() if _agrees(value, wrong)}
            self.matches = found if self.matches is None else self.matches & found

    def measurement(self, key: str, title: str, **evidence: Any) -> Measurement:
        wrong = not all(comparison.equal for _, comparison in self.comparisons)
        evidence |= {"unreduced": all(self.unreduced), "matches": sorted(self.matches or ()) if wrong else []}
        factor = _common(self.factors)
        if wrong and factor is not None:
            evidence["factor"] = factor
        return cases(key, title, self.comparisons, evidence=evidence)


def _common(factors: list[float]) -> float | None:
    """The factor that all of several cases share, to a thousandth, or None."""
    if len(factors) < 2 or not np.isfinite(factors).all() or not factors[0]:
        return None
    return factors[0] if np.ptp(factors) <= 1e-3 * abs(factors[0]) else None


def _gradient_measurement(key: str, title: str, answers: list[tuple[str, LossAnswer, NDArray]]) -> Measurement:
    """Gradients of a loss by its predictions against the reference. None at all is told apart from a wrong one."""
    missing = [answer for _, answer, _ in answers if answer.gradient.size == 0]
    if len(missing) == len(answers):
        why = f": {missing[0].why}" if missing[0].why else ""
        return statement(
            key,
            title,
            right=False,
            message=f"No gradient arrives at the predictions{why}.",
            evidence={"missing": True, "why": missing[0].why},
        )
    comparisons, factors = [], []
    for name, answer, truth in answers:
        comparison = compare(answer.gradient, truth)
        comparisons.append((name, comparison))
        if comparison.same_shape and truth.any():
            factors.append(constant_factor(answer.gradient, truth))
    right = all(comparison.equal for _, comparison in comparisons)
    evidence = {"factors": factors} if not right and factors and np.isfinite(factors).all() else {}
    return cases(key, title, comparisons, evidence=evidence)


# -- mean squared error ------------------------------------------------------------------------------------------------


def _regression(lab: Lab, purpose: str) -> list[tuple[NDArray, NDArray]]:
    random = lab.random(purpose)
    return [(random.normal(size=shape), random.normal(size=shape)) for shape in SHAPES]


@check("mean_squared_error", "Mean squared error")
def mean_squared_error(student: Student, lab: Lab) -> Measurement:
    """Values over several shapes."""
    drawn = _regression(lab, "mean_squared_error")
    ask = _asking_regression(student, drawn)
    values = _Values()
    for predictions, targets in drawn:
        expected = reference.mean_squared_error(predictions, targets)
        difference = predictions - targets
        mutants = {
            "summed": float((difference**2).sum()),
            "averaged over the batch only": float((difference**2).sum() / len(difference)),
            "root of the mean": float(np.sqrt(expected)),
            "mean of absolute differences": float(np.abs(difference).mean()),
        }
        values.add(f"shape {predictions.shape}", ask(predictions, targets).value, expected, mutants)
    return values.measurement("mean_squared_error", mean_squared_error.title)


def _asking_regression(student: Student, drawn: list[tuple[NDArray, NDArray]]) -> Ask:
    expected = reference.mean_squared_error(*drawn[1])
    return _asking(student, "mean_squared_error", drawn[1], lambda value: _agrees(value, expected))


@check("mean_squared_error_gradient", "Gradient of mean squared error")
def mean_squared_error_gradient(student: Student, lab: Lab) -> Measurement:
    """Gradients by the predictions over several shapes."""
    drawn = _regression(lab, "mean_squared_error_gradient")
    ask = _asking_regression(student, drawn)
    return _gradient_measurement(
        "mean_squared_error_gradient",
        mean_squared_error_gradient.title,
        [(f"shape {p.shape}", ask(p, t), reference.mean_squared_error_gradient(p, t)) for p, t in drawn],
    )


# -- cross-entropy -----------------------------------------------------------------------------------------------------


def _classification(lab: Lab, purpose: str) -> list[tuple[NDArray, NDArray[np.int64]]]:
    random = lab.random(purpose)
    return [
        (random.normal(scale=2.0, size=shape), random.integers(0, shape[1], size=shape[0])) for shape in CLASS_SHAPES
    ]


def _asking_classes(student: Student, drawn: list[tuple[NDArray, NDArray[np.int64]]]) -> Ask:
    logits, labels = drawn[1]
    # A loss that is off by a factor still shows by its size which form of labels it takes.
    accepted = [reference.cross_entropy(logits, labels), *_cross_entropy_mutants(logits, labels).values()]
    return _asking(student, "cross_entropy", drawn[1], lambda value: any(_agrees(value, each) for each in accepted))


def _cross_entropy_mutants(logits: NDArray, labels: NDArray[np.int64]) -> dict[str, float]:
    each = reference.cross_entropies(logits, labels)
    return {
        "softmax twice": reference.cross_entropy(reference.softmax(logits), labels),
        "summed": float(each.sum()),
        "averaged over batch and classes": float(each.sum() / logits.size),
        "sign turned": -float(each.mean()),
    }


@check("cross_entropy", "Cross-entropy of logits")
def cross_entropy(student: Student, lab: Lab) -> Measurement:
    """Values for logits, and, where those are wrong, whether the loss takes its inputs for probabilities."""
    drawn = _classification(lab, "cross_entropy")
    ask = _asking_classes(student, drawn)
    values = _Values()
    for logits, labels in drawn:
        expected = reference.cross_entropy(logits, labels)
        mutants = _cross_entropy_mutants(logits, labels)
        values.add(f"{logits.shape[0]} of {logits.shape[1]} classes", ask(logits, labels).value, expected, mutants)
    on_probabilities = []
    for logits, labels in drawn:
        value = ask(reference.softmax(logits), labels).value
        on_probabilities.append(_agrees(value, reference.cross_entropy(logits, labels)))
    return values.measurement("cross_entropy", cross_entropy.title, takes_probabilities=all(on_probabilities))


@check("cross_entropy_gradient", "Gradient of cross-entropy")
def cross_entropy_gradient(student: Student, lab: Lab) -> Measurement:
    """Gradients by the logits: (softmax − one-hot) / batch."""
    drawn = _classification(lab, "cross_entropy_gradient")
    ask = _asking_classes(student, drawn)
    return _gradient_measurement(
        "cross_entropy_gradient",
        cross_entropy_gradient.title,
        [
            (
                f"{len(labels)} of {logits.shape[1]} classes",
                ask(logits, labels),
                reference.cross_entropy_gradient(logits, labels),
            )
            for logits, labels in drawn
        ],
    )


@check("cross_entropy_stability", "Cross-entropy stays finite for large logits")
def cross_entropy_stability(student: Student, lab: Lab) -> Measurement:
    """Logits far from zero: where all are shifted alike the loss is that of the unshifted ones; where they lie far apart it is
    finite (it may be clipped), and its gradient is finite too."""
    drawn = _classification(lab, "cross_entropy_stability")
    ask = _asking_classes(student, drawn)
    random = lab.random("cross_entropy_stability of extremes")
    comparisons, finite = [], []
    for shift in (1e2, 1e3, -1e3, 1e4):
        logits, labels = drawn[1]
        answer = ask(logits + shift, labels)
        value = _number(answer.value)
        finite.append(bool(np.isfinite(answer.value).all() and np.isfinite(answer.gradient).all()))
        # Single units survive a shift by 10,000 with about 12 digits, in float32 with three: a looser limit than elsewhere.
        expected = np.asarray(
            reference.cross_entropy((logits + shift).astype(answer.value.dtype).astype(np.float64), labels)
        )
        comparisons.append((f"logits around {shift:g}", compare(value, expected, tolerance=5e-3)))
    wide = random.permuted(np.tile([1e4, -1e4, 0.0, 5e3], (6, 1)), axis=1)
    answer = ask(wide, random.integers(0, 4, size=6))
    finite.append(bool(np.isfinite(answer.value).all() and np.isfinite(answer.gradient).all()))
    apart = np.asarray(float(finite[-1]))
    comparisons.append(("logits from -10,000 to 10,000", compare(apart, np.ones(()))))
    measured = cases(
        "cross_entropy_stability", cross_entropy_stability.title, comparisons, evidence={"finite": all(finite)}
    )
    return measured


# -- binary cross-entropy ----------------------------------------------------------------------------------------------


def _binary(lab: Lab, purpose: str) -> list[tuple[NDArray, NDArray]]:
    """(probabilities, targets of 0 and 1)."""
    random = lab.random(purpose)
    return [
        (random.uniform(NEAREST, 1 - NEAREST, size=shape), random.integers(0, 2, size=shape).astype(np.float64))
        for shape in SHAPES
    ]


def _logit(probabilities: NDArray) -> NDArray:
    return np.log(probabilities / (1 - probabilities))


def _asking_binary(student: Student, drawn: list[tuple[NDArray, NDArray]]) -> tuple[Ask, bool]:
    """(how to ask, whether the loss takes logits): told by the value that it gives to probabilities."""
    p, y = drawn[1]
    as_probabilities = reference.binary_cross_entropy(p, y)
    as_logits = reference.binary_cross_entropy_of_logits(p, y)
    ask = _asking(
        student,
        "binary_cross_entropy",
        drawn[1],
        lambda value: _agrees(value, as_probabilities) or _agrees(value, as_logits),
    )
    value = _number(ask(p, y).value)
    if value.size != 1:
        return ask, False
    # Where it is neither, up to a factor, the nearer one: a loss that is wrong in another way takes one of the two as well.
    size = float(value)
    ratios = [abs(np.log(abs(size) / each)) if size else 0.0 for each in (as_probabilities, as_logits)]
    return ask, bool(ratios[1] < ratios[0])


@check("binary_cross_entropy", "Binary cross-entropy")
def binary_cross_entropy(student: Student, lab: Lab) -> Measurement:
    """Values of probabilities or of logits, whichever the loss takes."""
    drawn = _binary(lab, "binary_cross_entropy")
    ask, of_logits = _asking_binary(student, drawn)
    values = _Values()
    for p, y in drawn:
        expected = reference.binary_cross_entropy(p, y)
        half = float(-(y * np.log(p)).mean())
        mutants = {"summed": expected * p.size, "only the positive half": half, "sign turned": -expected}
        answer = ask(_logit(p) if of_logits else p, y)
        values.add(f"shape {p.shape}", answer.value, expected, mutants)
    return values.measurement("binary_cross_entropy", binary_cross_entropy.title, takes_logits=of_logits)


@check("binary_cross_entropy_gradient", "Gradient of binary cross-entropy")
def binary_cross_entropy_gradient(student: Student, lab: Lab) -> Measurement:
    """Gradients by the probabilities or by the logits."""
    drawn = _binary(lab, "binary_cross_entropy_gradient")
    ask, of_logits = _asking_binary(student, drawn)
    answers = []
    for p, y in drawn:
        x = _logit(p) if of_logits else p
        gradient = (
            reference.binary_cross_entropy_of_logits_gradient if of_logits else reference.binary_cross_entropy_gradient
        )
        answers.append((f"shape {p.shape}", ask(x, y), gradient(x, y)))
    return _gradient_measurement("binary_cross_entropy_gradient", binary_cross_entropy_gradient.title, answers)


@check("binary_cross_entropy_stability", "Binary cross-entropy stays finite at 0 and 1")
def binary_cross_entropy_stability(student: Student, lab: Lab) -> Measurement:
    """Probabilities of exactly 0 and 1, or logits of ±1,000 and more: near 0 where they are right, large but finite where they
    are wrong."""
    ask, of_logits = _asking_binary(student, _binary(lab, "binary_cross_entropy_stability"))
    ends = ((-1e3, 1e3), (-1e4, 1e4)) if of_logits else ((0.0, 1.0),)
    findings: dict[str, bool] = {}
    finite = True
    for low, high in ends:
        x, y = np.array([[low], [high], [low]]), np.array([[0.0], [1.0], [0.0]])
        right, wrong = ask(x, y), ask(x, 1 - y)
        numbers = [_number(right.value), _number(wrong.value)]
        each_finite = all(np.isfinite(value).all() for value in (right.value, wrong.value))
        finite = finite and bool(each_finite)
        findings[f"{low:g} and {high:g} rightly"] = bool(numbers[0].size == 1 and abs(numbers[0]) < 1e-3)
        findings[f"{low:g} and {high:g} wrongly"] = bool(each_finite and numbers[1].size == 1 and numbers[1] > 5)
    failing = [name for name, right in findings.items() if not right]
    share = 1 - len(failing) / len(findings)
    return Measurement(
        key="binary_cross_entropy_stability",
        title=binary_cross_entropy_stability.title,
        kind="share",
        status=Status.PASSED if not failing else Status.PARTIAL if share else Status.WRONG,
        value=share,
        n=len(findings),
        passed=not failing,
        message=f"Not as it should be for predictions of {', of '.join(failing)}."
        if failing
        else "Finite, near 0 for sure and right predictions and large for sure and wrong ones.",
        evidence={"finite": finite, "takes_logits": of_logits, "failing": failing},
    )
