"""What if: every student's result under another rubric, other rules or other runs, before anything is changed.

Read from what is stored: points, marks, decisions, and the few figures of each measurement that a rubric asks for. The points
come from ``milestones.rubric`` and the results from ``results``, as they do when it becomes real.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

from django.db import connection

from grading import policy
from grading.models import (
    BenchmarkDecision,
    CourseMilestone,
    CriterionScore,
    Evaluation,
    Override,
    PolicyVersion,
)
from grading.pipeline import results
from grading.pipeline.scoring import scaled
from grading.rubrics import InForce
from milestones.contract import Level
from milestones.rubric import Figure, benchmark_met, points_of

#: One row of jsonb per evaluation instead of all its measurements: messages and evidence stay where they are.
FIGURES = """
select evaluation.id, jsonb_object_agg(found ->> 'key', jsonb_build_array(found -> 'value', found -> 'n', found -> 'high'))::text
  from grading_evaluation evaluation
 cross join lateral jsonb_array_elements(evaluation.measurements) found
 where evaluation.id = any(%s) and found ->> 'key' = any(%s)
 group by evaluation.id
"""


class Points(NamedTuple):
    """One criterion of an attempt: what was measured, what a person says, and of how many."""

    measured: float | None
    mark: float | None
    maximum: float

    @property
    def counts(self) -> float | None:
        return self.measured if self.mark is None else self.mark


#: What :func:`stands_of_runs` reads of a run.
COLUMNS = (
    "pk",
    "submission",
    "student",
    "submission__attempt",
    "submission__seconds_late",
    "submission__grace_days_spent",
    "submission__policy",
    "benchmark_met",
)


@dataclass(frozen=True, kw_only=True)
class Stand:
    """One scored attempt, as far as it decides a result."""

    student: int
    submission: int
    evaluation: int
    number: int
    seconds_late: int
    grace_days_spent: int
    rules: policy.Rules
    criteria: Mapping[str, Points]
    measured_met: bool | None
    decided_met: bool | None

    @property
    def benchmark_met(self) -> bool | None:
        return self.measured_met if self.decided_met is None else self.decided_met

    @cached_property
    def worth(self) -> results.Worth:
        return results.worth(
            [(points.counts, points.maximum) for points in self.criteria.values()],
            benchmark_met=self.benchmark_met,
            rules=self.rules,
            seconds_late=self.seconds_late,
            grace_days_spent=self.grace_days_spent,
        )

    @property
    def score(self) -> float:
        return self.worth.score

    @property
    def completes(self) -> bool:
        return self.worth.completes


def stands_of(course_milestone: CourseMilestone, *, students: Iterable[int] | None = None) -> list[Stand]:
    """Every attempt at a milestone that has a result, in the order of students and attempts, by the run that speaks for it."""
    runs = Evaluation.objects.filter(
        state=Evaluation.State.SCORED, submission__course_milestone=course_milestone
    ).order_by("submission_id", "-pk")
    if students is not None:
        runs = runs.filter(student__in=list(students))
    speaking = list(runs.distinct("submission_id").values_list(*COLUMNS))
    return stands_of_runs(speaking, course_milestone)


def in_place_of(old: Stand, new: Stand) -> Stand:
    """A newer run of the same submission, with the marks and the decision that people gave about the older one."""
    criteria = {}
    for key, points in new.criteria.items():
        known = old.criteria.get(key)
        mark = None if known is None or known.mark is None else scaled(known.mark, of=known.maximum, to=points.maximum)
        criteria[key] = points._replace(mark=mark)
    return replace(new, criteria=criteria, decided_met=old.decided_met)


def stands_of_runs(rows: Sequence[tuple], course_milestone: CourseMilestone) -> list[Stand]:
    """The stands of runs (id, submission, student, attempt, seconds late, grace days, policy version, benchmark met)."""
    numbers = [row[0] for row in rows]
    criteria = _criteria(numbers)
    decided = dict(
        BenchmarkDecision.objects.filter(evaluation__in=numbers)
        .order_by("evaluation_id", "-pk")
        .distinct("evaluation_id")
        .values_list("evaluation", "met")
    )
    now = policy.rules_of(course_milestone)
    versions = PolicyVersion.objects.filter(course_milestone=course_milestone)
    rules = {version.pk: policy.rules_in(version.content) for version in versions}
    found = [
        Stand(
            evaluation=evaluation,
            submission=submission,
            student=student,
            number=attempt,
            seconds_late=late,
            grace_days_spent=spent,
            rules=rules.get(version, now),
            criteria=criteria.get(evaluation, {}),
            measured_met=met,
            decided_met=decided.get(evaluation),
        )
        for evaluation, submission, student, attempt, late, spent, version, met in rows
    ]
    return sorted(found, key=lambda stand: (stand.student, stand.number))


def _criteria(evaluations: list[int]) -> dict[int, dict[str, Points]]:
    scores = CriterionScore.objects.filter(evaluation__in=evaluations).order_by("evaluation_id", "position")
    latest = Override.objects.filter(criterion_score__evaluation__in=evaluations).order_by("criterion_score_id", "-pk")
    marks = dict(latest.distinct("criterion_score_id").values_list("criterion_score", "points"))
    found: dict[int, dict[str, Points]] = {}
    for number, evaluation, key, points, maximum in scores.values_list("pk", "evaluation", "key", "points", "maximum"):
        own = found.setdefault(evaluation, {})
        own[key] = Points(measured=points, mark=marks.get(number), maximum=maximum)
    return found


# --- by another rubric, by other rules ---


def by_rubric(stands: Sequence[Stand], rubric: InForce) -> list[Stand]:
    """The same attempts under another rubric; those whose run has other criteria stay as they are."""
    keys = sorted(criterion.key for criterion in rubric.rubric.criteria)
    fitting = {stand.evaluation for stand in stands if sorted(stand.criteria) == keys}
    figures, blank = figures_of(fitting, rubric), _blank(fitting)
    return [
        _rescored(stand, rubric, figures.get(stand.evaluation, {}), blank=stand.evaluation in blank)
        if stand.evaluation in fitting
        else stand
        for stand in stands
    ]


def figures_of(evaluations: Collection[int], rubric: InForce) -> dict[int, dict[str, Figure]]:
    """By evaluation, the figures of the measurements that ``rubric`` asks for."""
    asked = {key for criterion in rubric.rubric.criteria for key in criterion.measurements}
    asked |= {rubric.rubric.benchmark.measurement, *rubric.rubric.benchmark.requires}
    with connection.cursor() as cursor:
        cursor.execute(FIGURES, [list(evaluations), list(asked)])
        return {
            number: {key: Figure(*figure) for key, figure in json.loads(found).items()}
            for number, found in cursor.fetchall()
        }


def met_by(stands: Sequence[Stand], rubric: InForce) -> dict[int, bool | None]:
    """By evaluation, whether the benchmark is met by the mark of ``rubric``."""
    figures = figures_of([stand.evaluation for stand in stands], rubric)
    benchmark = rubric.rubric.benchmark
    return {run: benchmark_met(benchmark, found, mark=rubric.mark) for run, found in figures.items()}


def _blank(evaluations: Collection[int]) -> set[int]:
    """The runs of uploads in which nothing could be measured."""
    return set(Evaluation.objects.filter(pk__in=evaluations, measurements=[]).values_list("pk", flat=True))


def _rescored(stand: Stand, rubric: InForce, figures: Mapping[str, Figure], *, blank: bool) -> Stand:
    criteria = {}
    for criterion in rubric.rubric.criteria:
        known = stand.criteria[criterion.key]
        mark = None if known.mark is None else scaled(known.mark, of=known.maximum, to=criterion.percent)
        measured = 0.0 if blank else points_of(criterion, figures)
        criteria[criterion.key] = Points(measured=measured, mark=mark, maximum=criterion.percent)
    met = benchmark_met(rubric.rubric.benchmark, figures, mark=rubric.mark)
    return replace(stand, criteria=criteria, measured_met=met)


def by_rules(stands: Sequence[Stand], rules: policy.Rules, seconds_late: Mapping[int, int]) -> list[Stand]:
    """The same attempts under other rules, and as late as ``seconds_late`` says by submission."""
    return [
        replace(stand, rules=rules, seconds_late=seconds_late.get(stand.submission, stand.seconds_late))
        for stand in stands
    ]


def where_it_helps(before: Sequence[Stand], after: Sequence[Stand]) -> list[Stand]:
    """``after`` for the attempts that gain by it and lose nothing, ``before`` for the others."""
    return [new if helps(old, new) else old for old, new in zip(before, after, strict=True)]


def helps(before: Stand, after: Stand) -> bool:
    """Whether score, benchmark and completion are nowhere worse and somewhere better."""
    old, new = _ranks(before), _ranks(after)
    return old != new and all(one <= other for one, other in zip(old, new, strict=True))


def _ranks(stand: Stand) -> tuple[bool, int, float]:
    return stand.completes, {False: 0, None: 1, True: 2}[stand.benchmark_met], stand.score


# --- who rises, who falls ---

#: From the lowest.
LEVELS = tuple(reversed(Level))


class StudentChange(NamedTuple):
    """One student's result before and after."""

    student: int
    before: results.Worth
    after: results.Worth

    @property
    def points(self) -> float:
        return self.after.score - self.before.score

    @property
    def levels(self) -> int:
        """How many levels up, or down where it is negative."""
        return LEVELS.index(self.after.level) - LEVELS.index(self.before.level)

    @property
    def completion(self) -> int:
        """1 where the milestone is completed only afterwards, -1 where only before."""
        return self.after.completes - self.before.completes

    @property
    def changes(self) -> bool:
        return bool(self.points or self.completion or self.before.benchmark_met != self.after.benchmark_met)


@dataclass(frozen=True, kw_only=True)
class Preview:
    """What would become of a class: one :class:`StudentChange` per student who has a result."""

    students: tuple[StudentChange, ...]
    attempts: int
    attempts_changed: int
    marks: int

    @cached_property
    def changed(self) -> tuple[StudentChange, ...]:
        """Those for whom anything changes: who loses most first."""
        found = [each for each in self.students if each.changes]
        return tuple(sorted(found, key=lambda each: (each.completion, each.points, each.student)))

    @property
    def rise(self) -> int:
        return sum(each.points > 0 for each in self.students)

    @property
    def fall(self) -> int:
        return sum(each.points < 0 for each in self.students)

    @property
    def levels_up(self) -> int:
        return sum(each.levels > 0 for each in self.students)

    @property
    def levels_down(self) -> int:
        return sum(each.levels < 0 for each in self.students)

    @property
    def completed_only_after(self) -> int:
        return sum(each.completion > 0 for each in self.students)

    @property
    def completed_only_before(self) -> int:
        return sum(each.completion < 0 for each in self.students)


def preview(before: Sequence[Stand], after: Sequence[Stand], *, rule: str, rule_after: str = "") -> Preview:
    """Compare the results of two lists of the same attempts, counted by ``rule`` (afterwards by ``rule_after``)."""
    pairs: dict[int, list[tuple[Stand, Stand]]] = {}
    for old, new in zip(before, after, strict=True):
        pairs.setdefault(old.student, []).append((old, new))
    return Preview(
        students=tuple(
            StudentChange(
                student=student,
                before=results.counted([old for old, _ in own], rule).worth,
                after=results.counted([new for _, new in own], rule_after or rule).worth,
            )
            for student, own in pairs.items()
        ),
        attempts=len(before),
        attempts_changed=sum(_ranks(old) != _ranks(new) for old, new in zip(before, after, strict=True)),
        marks=sum(any(points.mark is not None for points in stand.criteria.values()) for stand in before),
    )
