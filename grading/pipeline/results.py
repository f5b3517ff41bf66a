"""The last step: which attempt counts, and what the student has reached. The only writer of ``MilestoneResult``.

The rules, in full:

- The **points** of a criterion are a person's latest mark, otherwise the automatic points. A criterion that nobody has
  marked yet counts neither as points nor as maximum: "not yet marked" is never 0 and blocks nothing.
- The **score** of an attempt is of 100: points by maximum over the marked criteria, less the late penalty. Of several
  evaluations of one submission the latest scored one speaks for it.
- An attempt **completes** the milestone when its score reaches the threshold and the benchmark is met (by
  measurement, or by a person's decision where the measurement left it open).
- The attempt that **counts** is the best one, where completing comes first, then the score, then having come earlier;
  or the latest scored one, where the course chose that.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar

from django.db import connection, transaction
from django.db.models import Prefetch

from grading import policy
from grading.models import (
    CourseMilestone,
    Enrollment,
    Evaluation,
    HourlyActivity,
    MilestoneResult,
    Submission,
)
from milestones.contract import Level
from milestones.rubric import total_of

AttemptThatCounts = CourseMilestone.AttemptThatCounts


@dataclass(frozen=True, kw_only=True)
class Worth:
    """What one attempt is worth, by whatever marks and rules. Scores and penalties are of 100."""

    before_penalty: float
    penalty: float
    benchmark_met: bool | None
    completes: bool

    @property
    def score(self) -> float:
        return max(0.0, self.before_penalty - self.penalty)

    @property
    def level(self) -> Level:
        return Level.of(self.score / 100)


@dataclass(frozen=True, kw_only=True)
class Attempt(Worth):
    """One scored submission, judged."""

    submission: Submission
    evaluation: Evaluation
    criterion_points: dict[str, float | None]
    unmarked: int

    @property
    def number(self) -> int:
        return self.submission.attempt


class Numbered(Protocol):
    """An attempt as far as it can count."""

    @property
    def number(self) -> int: ...

    @property
    def score(self) -> float: ...

    @property
    def completes(self) -> bool: ...


Counts = TypeVar("Counts", bound=Numbered)


# --- one attempt ---


def benchmark_of(evaluation: Evaluation) -> bool | None:
    """Whether the benchmark is met: a person's latest decision, otherwise the measurement. None: nobody knows yet."""
    decided = max(evaluation.benchmark_decisions.all(), key=lambda decision: decision.pk, default=None)
    return evaluation.benchmark_met if decided is None else decided.met


def worth(
    points: Sequence[tuple[float | None, float]],
    *,
    benchmark_met: bool | None,
    rules: policy.Rules,
    seconds_late: int,
    grace_days_spent: int,
) -> Worth:
    """The worth of ``points`` with their maxima, for an attempt that came ``seconds_late`` and is judged by ``rules``."""
    before = total_of(points)[0]
    penalty = rules.penalty(seconds_late, spent=grace_days_spent)
    return Worth(
        before_penalty=before,
        penalty=min(before, penalty),
        benchmark_met=benchmark_met,
        completes=benchmark_met is True and max(0.0, before - penalty) >= rules.threshold,
    )


def judge(submission: Submission, evaluation: Evaluation, course_milestone: CourseMilestone) -> Attempt:
    """What a scored evaluation is worth by today's marks, and by the rules that its submission is judged by."""
    criteria = list(evaluation.criteria.all())
    found = worth(
        [(criterion.effective_points, criterion.maximum) for criterion in criteria],
        benchmark_met=benchmark_of(evaluation),
        rules=policy.rules_for(submission, course_milestone),
        seconds_late=submission.seconds_late,
        grace_days_spent=submission.grace_days_spent,
    )
    return Attempt(
        **vars(found),
        submission=submission,
        evaluation=evaluation,
        criterion_points={criterion.key: criterion.effective_points for criterion in criteria},
        unmarked=sum(criterion.effective_points is None for criterion in criteria),
    )


def attempts_of(student: Enrollment, course_milestone: CourseMilestone) -> list[Attempt]:
    """The scored attempts of ``student``, in the order they were handed in."""
    return _attempts_of_many([student.pk], course_milestone).get(student.pk, [])


def _attempts_of_many(students: Collection[int], course_milestone: CourseMilestone) -> dict[int, list[Attempt]]:
    """The same of many students (ids), by student. The number of queries does not depend on how many they are."""
    scored = (
        Evaluation.objects.filter(state=Evaluation.State.SCORED)
        .defer("log", "open_log", "measurements", "progress")
        .order_by("-pk")
        .prefetch_related("criteria__overrides", "benchmark_decisions")
    )
    submissions = (
        Submission.objects.filter(student__in=students, course_milestone=course_milestone)
        .select_related("policy")
        .order_by("attempt")
    )
    found: dict[int, list[Attempt]] = {}
    for submission in submissions.prefetch_related(Prefetch("evaluations", queryset=scored, to_attr="scored")):
        if submission.scored:
            attempt = judge(submission, submission.scored[0], course_milestone)
            found.setdefault(submission.student_id, []).append(attempt)
    return found


def counted(attempts: Sequence[Counts], rule: str) -> Counts | None:
    """The attempt that counts by ``rule``, or None when there is none. ``attempts`` are in the order they came."""
    if not attempts:
        return None
    if rule == AttemptThatCounts.LATEST:
        return attempts[-1]
    return max(attempts, key=lambda attempt: (attempt.completes, attempt.score, -attempt.number))


def attempt_that_counts(student: Enrollment, course_milestone: CourseMilestone) -> Attempt | None:
    """The attempt of ``student`` that counts at ``course_milestone``, or None."""
    return counted(attempts_of(student, course_milestone), course_milestone.attempt_that_counts)


# --- students ---

#: So many students are computed at once.
STUDENTS_AT_ONCE = 500


def recompute(student: Enrollment, course_milestone: CourseMilestone) -> MilestoneResult | None:
    """Write the result row of one student and milestone from everything known now; None when nothing was handed in.

    Call it inside the transaction that changed something. It takes the student's lock, so two changes at once cannot
    both compute from what was there before.
    """
    return recompute_many([student.pk], course_milestone).get(student.pk)


def recompute_many(students: Collection[int], course_milestone: CourseMilestone) -> dict[int, MilestoneResult]:
    """:func:`recompute` of many students (ids) in one transaction, whose rows are locked in one order."""
    written: dict[int, MilestoneResult] = {}
    with transaction.atomic():
        ordered = sorted(students)
        for start in range(0, len(ordered), STUDENTS_AT_ONCE):
            some = ordered[start : start + STUDENTS_AT_ONCE]
            locked = Enrollment.objects.filter(pk__in=some).order_by("pk")
            list(locked.select_for_update(no_key=True, of=("self",)).values_list("pk"))
            written |= _recompute(some, course_milestone.pk)
    return written


def _recompute(students: Collection[int], number: int) -> dict[int, MilestoneResult]:
    course_milestone = CourseMilestone.objects.select_related("course").get(pk=number)
    place = {"enrollment__in": students, "course_milestone": course_milestone}
    handed_in: dict[int, list[tuple[datetime, bool]]] = {}
    rows = Submission.objects.filter(student__in=students, course_milestone=course_milestone).order_by("attempt")
    for student, *row in rows.values_list("student", "submitted_at", "counted_as_attempt"):
        handed_in.setdefault(student, []).append(tuple(row))
    MilestoneResult.objects.filter(**place).exclude(enrollment__in=handed_in).delete()
    attempts = _attempts_of_many(students, course_milestone)
    results = [
        MilestoneResult(
            enrollment_id=student,
            course_milestone=course_milestone,
            course_id=course_milestone.course_id,
            **_values(own, attempts.get(student, []), course_milestone),
        )
        for student, own in handed_in.items()
    ]
    key = ["enrollment", "course_milestone"]
    columns = [field.name for field in MilestoneResult._meta.concrete_fields if field.name not in ("id", *key)]
    MilestoneResult.objects.bulk_create(results, update_conflicts=True, unique_fields=key, update_fields=columns)
    return {result.enrollment_id: result for result in results}


def _values(
    handed_in: list[tuple[datetime, bool]], attempts: list[Attempt], course_milestone: CourseMilestone
) -> dict[str, Any]:
    first_submitted_at = handed_in[0][0]
    return {
        "first_submitted_at": first_submitted_at,
        "attempts": len(handed_in),
        "attempts_used": sum(used for _, used in handed_in),
        **_counted_values(counted(attempts, course_milestone.attempt_that_counts)),
        **_passing_values(attempts, course_milestone, first_submitted_at),
    }


def _counted_values(attempt: Attempt | None) -> dict[str, Any]:
    if attempt is None:
        return {
            "submission": None,
            "evaluation": None,
            "score": None,
            "score_before_penalty": None,
            "late_penalty": 0,
            "seconds_late": 0,
            "level": "",
            "benchmark_met": None,
            "accuracy": None,
            "accuracy_n": None,
            "accuracy_low": None,
            "accuracy_high": None,
            "practice_data": False,
            "criterion_points": {},
            "unmarked": 0,
            "needs_human": False,
            "failing_diagnoses": [],
        }
    evaluation = attempt.evaluation
    return {
        "submission": attempt.submission,
        "evaluation": evaluation,
        "score": attempt.score,
        "score_before_penalty": attempt.before_penalty,
        "late_penalty": attempt.penalty,
        "seconds_late": attempt.submission.seconds_late,
        "level": attempt.level.value,
        "benchmark_met": attempt.benchmark_met,
        "accuracy": evaluation.accuracy,
        "accuracy_n": evaluation.accuracy_n,
        "accuracy_low": evaluation.accuracy_low,
        "accuracy_high": evaluation.accuracy_high,
        "practice_data": evaluation.practice_data,
        "criterion_points": attempt.criterion_points,
        "unmarked": attempt.unmarked,
        "needs_human": bool(attempt.unmarked) or attempt.benchmark_met is None,
        "failing_diagnoses": [diagnosis["code"] for diagnosis in _causes(evaluation.diagnoses)],
    }


def _causes(diagnoses: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What the mistakes are; symptoms only where no cause was recognised."""
    return [diagnosis for diagnosis in diagnoses if not diagnosis.get("symptom")] or diagnoses


def _passing_values(
    attempts: list[Attempt], course_milestone: CourseMilestone, first_submitted_at: datetime
) -> dict[str, Any]:
    """Completion by the attempt that counts; time and tries to it from the first attempt that completed."""
    now_counted = counted(attempts, course_milestone.attempt_that_counts)
    if now_counted is None or not now_counted.completes:
        return {"completed": False, "completed_at": None, "attempts_to_pass": None, "hours_to_pass": None}
    first = next(attempt for attempt in attempts if attempt.completes).submission
    return {
        "completed": True,
        "completed_at": first.submitted_at,
        "attempts_to_pass": first.attempt,
        "hours_to_pass": (first.submitted_at - first_submitted_at) / timedelta(hours=1),
    }


# --- the hours ---


def waiting_bucket(seconds: float) -> str:
    """The histogram bucket of a waiting time: its upper bound in seconds as text, or ``inf``."""
    return next((str(bound) for bound in HourlyActivity.BUCKETS if seconds <= bound), "inf")


def _activity_of(evaluation: Evaluation) -> tuple[int, datetime, str]:
    """(course milestone, hour, bucket) under which an evaluation is counted."""
    waited = (evaluation.started_at - evaluation.queued_at).total_seconds()
    hour = evaluation.submission.submitted_at.replace(minute=0, second=0, microsecond=0)
    return evaluation.submission.course_milestone_id, hour, waiting_bucket(waited)


def count_activity(evaluation: Evaluation) -> None:
    """Count a submission when its first result is published; not a later one of it, and nothing of the test student."""
    if evaluation.submission.student.test:
        return
    others = Evaluation.objects.filter(submission_id=evaluation.submission_id, state=Evaluation.State.SCORED)
    if others.exclude(pk=evaluation.pk).exists():
        return
    course_milestone, hour, bucket = _activity_of(evaluation)
    HourlyActivity.objects.get_or_create(course_milestone_id=course_milestone, hour=hour)
    row = HourlyActivity.objects.select_for_update().get(course_milestone_id=course_milestone, hour=hour)
    row.submissions += 1
    row.waiting[bucket] = row.waiting.get(bucket, 0) + 1
    row.save()


# --- from scratch ---


def rebuild() -> tuple[int, int]:
    """Compute every result and every hour again from what was handed in; answers how many of each there are.

    Safe while workers publish: results are computed one student at a time under the student's lock, hours in one go while
    publishing waits for a moment.
    """
    pairs = set(Submission.objects.order_by().values_list("student", "course_milestone").distinct())
    pairs |= set(MilestoneResult.objects.order_by().values_list("enrollment", "course_milestone"))
    students = Enrollment.objects.in_bulk({student for student, _ in pairs})
    milestones = CourseMilestone.objects.in_bulk({milestone for _, milestone in pairs})
    for student, milestone in sorted(pairs):
        recompute(students[student], milestones[milestone])
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"lock table {HourlyActivity._meta.db_table} in share row exclusive mode")
        hours = _hours_from_scratch()
        HourlyActivity.objects.all().delete()
        HourlyActivity.objects.bulk_create(hours)
    return MilestoneResult.objects.count(), len(hours)


def _hours_from_scratch() -> list[HourlyActivity]:
    first_published = (
        Evaluation.objects.filter(state=Evaluation.State.SCORED, student__test=False)
        .order_by("submission_id", "finished_at", "id")
        .distinct("submission_id")
        .select_related("submission")
        .only("started_at", "queued_at", "submission__submitted_at", "submission__course_milestone_id")
    )
    rows: dict[tuple[int, datetime], HourlyActivity] = {}
    for evaluation in first_published:
        milestone, hour, bucket = _activity_of(evaluation)
        row = rows.setdefault((milestone, hour), HourlyActivity(course_milestone_id=milestone, hour=hour))
        row.submissions += 1
        row.waiting[bucket] = row.waiting.get(bucket, 0) + 1
    return list(rows.values())
