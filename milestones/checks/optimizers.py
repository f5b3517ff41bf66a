"""Optimizers, followed for twenty steps with gradients that the grader gives, against the reference and against the known
ways to get the rule wrong; and the clearing of gradients."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from milestones import exhibits
from milestones.checks.outcome import cases, check, information
from milestones.contract import Measurement, Status
from milestones.lab import Comparison, Lab, compare
from milestones.proxy import Student
from milestones.reference import optimizers as rules
from milestones.reference.optimizers import Rule, Settings
from milestones.sandbox.session import StudentFault
from milestones.student.operations import Fault

STEPS = 20
# Two parameters: what is kept for one must not leak into the other.
SHAPES = ((3, 4), (5,))
# Rounding adds up over twenty steps.
TOLERANCES = {np.dtype(np.float64): 1e-6, np.dtype(np.float32): 2e-3}

Mutants = Callable[[int, int], Mapping[str, Rule]]
# (words, settings, names of those settings that the optimizer is given)
Case = tuple[str, Settings, tuple[str, ...]]


def _drawn(lab: Lab, purpose: str) -> list[tuple[NDArray, NDArray]]:
    """(start, gradients) of each parameter. Gradients drift, so that momentum and moments matter, and are of several sizes."""
    random = lab.random(purpose)
    drawn = []
    for shape in SHAPES:
        scale, drift = random.uniform(0.1, 2.0, size=shape), random.normal(size=shape)
        gradients = scale * (drift + 0.7 * random.normal(size=(STEPS, *shape)))
        drawn.append((random.normal(size=shape), gradients))
    return drawn


def _follow(
    student: Student,
    lab: Lab,
    key: str,
    title: str,
    *,
    optimizer: str,
    rule: Rule,
    mutants: Mutants,
    given: tuple[Case, ...],
    also: tuple[Rule, ...] = (),
) -> Measurement:
    """Compare the whole path of every parameter in every case. A case is left out where the student's optimizer has no such
    setting, except the first. Paths that follow one of ``also`` are right as well. Where paths are wrong, the mutants that all
    of those follow are the evidence."""
    drawn = _drawn(lab, key)
    comparisons: list[tuple[str, Comparison]] = []
    matches: set[str] | None = None
    shown: dict[str, list[tuple[float, float]]] = {}
    for number, (words, settings, names) in enumerate(given):
        try:
            paths = student.optimize(optimizer, {name: getattr(settings, name) for name in names}, drawn)
        except StudentFault as fault:
            if number and fault.code == Fault.MISSING:
                continue
            raise
        for position, (path, (start, gradients)) in enumerate(zip(paths, drawn, strict=True)):
            limit = TOLERANCES.get(path.dtype, 2e-3)

            def compared(
                wanted: Rule, path=path, start=start, gradients=gradients, settings=settings, limit=limit
            ) -> Comparison:
                # Ways and not places are compared: a start far from zero must not hide small wrong steps.
                way = path.astype(np.float64) - start
                return compare(way, wanted(start, gradients, settings) - start, tolerance=limit)

            comparison = next((found for found in map(compared, (rule, *also)) if found.equal), compared(rule))
            comparisons.append((f"{words}, parameter of shape {start.shape}", comparison))
            if not comparison.equal:
                found = {name for name, wrong in mutants(position, len(drawn)).items() if compared(wrong).equal}
                matches = found if matches is None else matches & found
                shown = shown or _series(path, rule(start, gradients, settings), start, comparison.index)
    if shown:
        words = f"Where does your {title} lead one parameter?"
        lab.exhibit(exhibits.curve(key, words, shown, x_title="Step", y_title="Value of the parameter"))
    return cases(key, title, comparisons, evidence={"matches": sorted(matches or ()), "steps": STEPS})


def _series(
    path: NDArray, expected: NDArray, start: NDArray, index: tuple[int, ...]
) -> dict[str, list[tuple[float, float]]]:
    """The path of the element at ``index`` (step, …), the one that is furthest off, beside that of the reference."""
    place = (slice(None), *index[1:])
    begin = [(0, float(start[index[1:]]))]
    return {
        "Yours": begin + [(step, float(value)) for step, value in enumerate(path[place], start=1)],
        "Reference": begin + [(step, float(value)) for step, value in enumerate(expected[place], start=1)],
    }


@check("sgd_path", "SGD")
def sgd_path(student: Student, lab: Lab) -> Measurement:
    """Plain gradient descent at two rates."""
    return _follow(
        student,
        lab,
        "sgd_path",
        sgd_path.title,
        optimizer="sgd",
        rule=rules.momentum,
        mutants=lambda position, count: rules.descent_mutants(),
        given=(("rate 0.1", Settings(rate=0.1), ("rate",)), ("rate 0.02", Settings(rate=0.02), ("rate",))),
    )


@check("momentum_path", "SGD with momentum")
def momentum_path(student: Student, lab: Lab) -> Measurement:
    """v = μ v + g; p = p − rate v."""
    names = ("rate", "momentum")
    return _follow(
        student,
        lab,
        "momentum_path",
        momentum_path.title,
        optimizer="sgd",
        rule=rules.momentum,
        mutants=lambda position, count: rules.momentum_mutants(),
        given=(
            ("momentum 0.9", Settings(rate=0.05, momentum=0.9), names),
            ("momentum 0.5", Settings(rate=0.1, momentum=0.5), names),
        ),
    )


@check("adam_path", "Adam")
def adam_path(student: Student, lab: Lab) -> Measurement:
    """Adam with bias correction. A large ε tells where it stands; other betas than the usual ones tell whether they are
    used."""
    return _follow(
        student,
        lab,
        "adam_path",
        adam_path.title,
        optimizer="adam",
        rule=rules.adam,
        mutants=rules.adam_mutants,
        given=(
            ("usual settings", Settings(rate=0.01), ("rate",)),
            ("betas 0.8 and 0.95", Settings(rate=0.02, first=0.8, second=0.95), ("rate", "first", "second")),
            ("epsilon 0.05", Settings(rate=0.02, epsilon=0.05), ("rate", "epsilon")),
        ),
    )


@check("adamw_path", "AdamW")
def adamw_path(student: Student, lab: Lab) -> Measurement:
    """Adam with decoupled weight decay, where there is one: not every edition of the course has it, so it earns nothing."""
    try:
        return _follow(
            student,
            lab,
            "adamw_path",
            adamw_path.title,
            optimizer="adamw",
            rule=rules.adam,
            also=(rules.decay_after,),
            mutants=rules.adamw_mutants,
            given=(
                ("decay 0.1", Settings(rate=0.02, decay=0.1), ("rate", "decay")),
                ("decay 0.5", Settings(rate=0.05, decay=0.5), ("rate", "decay")),
            ),
        )
    except StudentFault as fault:
        if fault.code != Fault.MISSING:
            raise
        return information(
            "adamw_path", adamw_path.title, "There is no AdamW; not every edition of the course has one."
        )


@check("zero_gradient", "Gradients add up until they are cleared")
def zero_gradient(student: Student, lab: Lab) -> Measurement:
    """After two backward passes a weight has twice the gradient of one; after zero_grad none; after a third that of one."""
    random = lab.random("zero_gradient")
    x, weight = random.normal(size=(6, 5)), random.normal(size=(5, 3))
    bias, upstream = random.normal(size=3), random.normal(size=(6, 3))
    answer = student.zero_gradient(x, weight, bias, upstream)
    truth = x.T @ upstream
    parts = {
        "once": _is(answer.once, truth),
        "twice": _is(answer.twice, 2 * truth),
        "cleared": not answer.cleared.any(),
        "afresh": _is(answer.afresh, truth),
    }
    sentences = {
        "once": "One backward pass does not give the right gradient.",
        "twice": "A second backward pass without zero_grad does not give twice the gradient of one.",
        "cleared": f"{answer.means} leaves a gradient.",
        "afresh": f"A backward pass after {answer.means} does not give the gradient of one.",
    }
    wrong = [name for name, right in parts.items() if not right]
    share = 1 - len(wrong) / len(parts)
    return Measurement(
        key="zero_gradient",
        title=zero_gradient.title,
        kind="share",
        status=Status.PASSED if not wrong else Status.PARTIAL if share else Status.WRONG,
        value=share,
        n=len(parts),
        passed=not wrong,
        message=sentences[wrong[0]] if wrong else f"Gradients add up until {answer.means} clears them.",
        evidence={
            **parts,
            "means": answer.means,
            "overwritten": _is(answer.twice, truth),
            "untouched": _is(answer.cleared, 2 * truth),
        },
    )


def _is(answer: NDArray, truth: NDArray) -> bool:
    """Whether a gradient is this one, in whichever orientation the weight is stored."""
    return any(answer.shape == wanted.shape and compare(answer, wanted).equal for wanted in (truth, truth.T))
