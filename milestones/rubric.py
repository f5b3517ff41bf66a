"""Measurements and a rubric become points: a pure function, so that a changed rubric re-scores what was measured before."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from milestones.contract import Benchmark, Criterion, CriterionResult, Level, Measurement, Rubric, Status

#: Why a person must look at a result, where its points leave something open.
INSIDE_THE_INTERVAL = "the benchmark's mark lies inside the interval of the measured accuracy"
BY_A_PERSON = "{title} is marked by a person"
_BY_A_PERSON = re.compile(BY_A_PERSON.format(title=".+"), re.DOTALL)


class Measured(Protocol):
    """The part of a measurement that points come from; a whole :class:`Measurement` has it."""

    @property
    def value(self) -> float | None: ...

    @property
    def n(self) -> int | None: ...

    @property
    def high(self) -> float | None: ...


class Figure(NamedTuple):
    """That part alone, for whoever scores many thousands of stored measurements at once."""

    value: float | None
    n: int | None = None
    high: float | None = None


@dataclass(frozen=True, kw_only=True)
class Score:
    """What a rubric makes of measurements. ``score`` and ``maximum`` count the marked criteria, scaled to 100."""

    score: float
    maximum: float
    level: Level
    benchmark_met: bool | None
    criteria: tuple[CriterionResult, ...]


def score(rubric: Rubric, measurements: Iterable[Measurement], *, mark: float | None = None) -> Score:
    """Apply ``rubric``; ``mark`` overrides the benchmark's mark (a course may set its own)."""
    by_key = {measurement.key: measurement for measurement in measurements}
    criteria = tuple(_score_criterion(criterion, by_key) for criterion in rubric.criteria)
    total, maximum = total_of([(result.points, result.maximum) for result in criteria])
    return Score(
        score=total,
        maximum=maximum,
        level=Level.of(total / maximum),
        benchmark_met=benchmark_met(rubric.benchmark, by_key, mark=mark),
        criteria=criteria,
    )


def total_of(points: Sequence[tuple[float | None, float]]) -> tuple[float, float]:
    """(score, 100): the marked points scaled to 100, rounded to two places. What nobody has marked yet is left out, not 0."""
    marked = [(value, most) for value, most in points if value is not None]
    reachable = sum(most for _, most in marked)
    return (round(100 * sum(value for value, _ in marked) / reachable, 2) if reachable else 0.0), 100.0


def open_questions(scored: Score) -> list[str]:
    """Why a person must look at a score, where its points leave something open."""
    inside = [INSIDE_THE_INTERVAL] if scored.benchmark_met is None else []
    return inside + [BY_A_PERSON.format(title=result.title) for result in scored.criteria if result.points is None]


def is_open_question(reason: str) -> bool:
    """Whether ``reason`` is one of :func:`open_questions`, by whatever rubric."""
    return reason == INSIDE_THE_INTERVAL or _BY_A_PERSON.fullmatch(reason) is not None


def nothing_measured(rubric: Rubric, sentence: str) -> tuple[CriterionResult, ...]:
    """The criteria of an upload in which nothing can be measured: 0 each, also where a person would mark, and why."""
    return tuple(_result(criterion, 0.0, sentence) for criterion in rubric.criteria)


def benchmark_met(
    benchmark: Benchmark, measurements: Mapping[str, Measured], *, mark: float | None = None
) -> bool | None:
    """True at or above the mark; None where only the interval reaches it and a person decides; otherwise False. False, too,
    where something else that the benchmark requires does not hold."""
    if any(not _value(measurements.get(key)) >= least for key, least in benchmark.requires.items()):
        return False
    measurement = measurements.get(benchmark.measurement)
    wanted = benchmark.mark if mark is None else mark
    if measurement is None or measurement.value is None or not measurement.n:
        return False
    if measurement.value >= wanted:
        return True
    return None if measurement.high is not None and measurement.high >= wanted else False


def interpolate(anchors: Sequence[tuple[float, float]], value: float) -> float:
    """Piecewise-linear through ``anchors`` (rising x), flat outside them; a value that is not a number earns the least."""
    if not value > anchors[0][0]:
        return anchors[0][1]
    for (x0, y0), (x1, y1) in itertools.pairwise(anchors):
        if value <= x1:
            return y0 + (y1 - y0) * (value - x0) / (x1 - x0)
    return anchors[-1][1]


def points_of(criterion: Criterion, measurements: Mapping[str, Measured]) -> float | None:
    """The points of one criterion without their explanation, rounded to two places; None: a person marks it."""
    return _points(criterion, _share(criterion, measurements))


def _share(criterion: Criterion, measurements: Mapping[str, Measured]) -> float | None:
    if criterion.measure == "human":
        return None
    if criterion.measure == "anchors":
        (key,) = criterion.measurements
        measurement = measurements.get(key)
        if measurement is None or measurement.value is None:
            return 0.0
        return interpolate(criterion.anchors, measurement.value)
    total = sum(criterion.measurements.values())
    return sum(weight * _value(measurements.get(key)) for key, weight in criterion.measurements.items()) / total


def _points(criterion: Criterion, share: float | None) -> float | None:
    return None if share is None else round(share * criterion.percent, 2)


def _score_criterion(criterion: Criterion, measurements: Mapping[str, Measurement]) -> CriterionResult:
    if criterion.measure == "human":
        explanation = "Not yet marked; a person marks this."
    elif criterion.measure == "anchors":
        (key,) = criterion.measurements
        explanation = measurements[key].message if key in measurements else "Not measured."
    else:
        explanation = _explain_share(criterion, measurements)
    return _result(criterion, _share(criterion, measurements), explanation)


def _value(measurement: Measured | None) -> float:
    return 0.0 if measurement is None or measurement.value is None else min(max(measurement.value, 0.0), 1.0)


def _timed_out(measurement: Measurement | None) -> bool:
    return measurement is not None and measurement.status is Status.TIMED_OUT


def _explain_share(criterion: Criterion, measurements: Mapping[str, Measurement]) -> str:
    """What was lost and to which check, dearest first."""
    total = sum(criterion.measurements.values())
    lost = []
    for key, weight in criterion.measurements.items():
        measurement = measurements.get(key)
        missing = criterion.percent * weight / total * (1 - _value(measurement))
        if missing >= 0.05:
            lost.append((missing, measurement.title if measurement else key, measurement))
    ran = sum(
        1 for key in criterion.measurements if key in measurements and measurements[key].status is not Status.NOT_RUN
    )
    lead = f"{ran} of {len(criterion.measurements)} checks ran"
    slow = [measurements[key] for key in criterion.measurements if _timed_out(measurements.get(key))]
    if slow:
        lead += f"; {slow[0].title}: {slow[0].message[:1].lower()}{slow[0].message[1:]}"
    if not lost:
        return f"{lead}; nothing was lost."
    lost.sort(key=lambda row: -row[0])
    parts = [f"{title} −{missing:.1f}" for missing, title, _ in lost[:4]]
    more = f" and {len(lost) - 4} more" if len(lost) > 4 else ""
    return f"{lead}; lost points: {', '.join(parts)}{more}."


def _result(criterion: Criterion, share: float | None, explanation: str) -> CriterionResult:
    return CriterionResult(
        key=criterion.key,
        title=criterion.title,
        points=_points(criterion, share),
        maximum=criterion.percent,
        level=None if share is None else Level.of(share),
        explanation=explanation,
    )
