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

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Prefetch

from grading import policy
from grading.models import (
    CourseMilestone,
    CriterionScore,
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
class Attempt:
    """One scored submission, judged."""

    submission: Submission
    evaluation: Evaluation
    before_penalty: float
    penalty: float
    benchmark_met: bool | None
    criterion_points: dict[str, float | None]
    unmarked: int
    completes: bool

    @property
    def score(self) -> float:
        return max(0.0, self.before_penalty - self.penalty)


# --- one attempt ---


def score_of(criteria: Iterable[CriterionScore]) -> float:
    """The score (of 100) of the marked criteria, by the rule of ``milestones.rubric``; 0 when nothing is marked."""
    return total_of([(criterion.effective_points, criterion.maximum) for criterion in criteria])[0]


def benchmark_of(evaluation: Evaluation) -> bool | None:
    """Whether the benchmark is met: a person's latest decision, otherwise the measurement. None: nobody knows yet."""
    decided = max(evaluation.benchmark_decisions.all(), key=lambda decision: decision.pk, default=None)
    return evaluation.benchmark_met if decided is None else decided.met


def judge(submission: Submission, evaluation: Evaluation, course_milestone: CourseMilestone) -> Attempt:
    """What a scored evaluation is worth by today's marks, and by the rules that its submission is judged by."""
    criteria = list(evaluation.criteria.all())
    before = score_of(criteria)
    rules = policy.rules_for(submission, course_milestone)
    penalty = rules.penalty(submission.seconds_late, spent=submission.grace_days_spent)
    benchmark_met = benchmark_of(evaluation)
    return Attempt(
        submission=submission,
        evaluation=evaluation,
        before_penalty=before,
        penalty=min(before, penalty),
        benchmark_met=benchmark_met,
        criterion_points={criterion.key: criterion.effective_points for criterion in criteria},
        unmarked=sum(criterion.effective_points is None for criterion in criteria),
        completes=benchmark_met is True and max(0.0, before - penalty) >= rules.threshold,
    )


def attempts_of(student: Enrollment, course_milestone: CourseMilestone) -> list[Attempt]:
    """The scored attempts of ``student``, in the order they were handed in."""
    scored = (
        Evaluation.objects.filter(state=Evaluation.State.SCORED)
        .defer("log", "open_log", "measurements", "progress")
        .order_by("-pk")
        .prefetch_related("criteria__overrides", "benchmark_decisions")
    )
    submissions = (
        Submission.objects.filter(student=student, course_milestone=course_milestone)
        .select_related("policy")
        .order_by("attempt")
    )
    return [
        judge(submission, submission.scored[0], course_milestone)
        for submission in submissions.prefetch_related(Prefetch("evaluations", queryset=scored, to_attr="scored"))
        if submission.scored
    ]


def counted(attempts: list[Attempt], rule: str) -> Attempt | None:
    """The attempt that counts by ``rule``, or None when there is none."""
    if not attempts:
        return None
    if rule == AttemptThatCounts.LATEST:
        return attempts[-1]
    return max(attempts, key=lambda attempt: (attempt.completes, attempt.score, -attempt.submission.attempt))


# --- one student ---


def recompute(student: Enrollment, course_milestone: CourseMilestone) -> MilestoneResult | None:
    """Write the result row of one student and milestone from everything known now; None when nothing was handed in.

    Call it inside the transaction that changed something. It takes the student's lock, so two changes at once cannot
    both compute from what was there before.
    """
    with transaction.atomic():
        Enrollment.objects.select_for_update(no_key=True, of=("self",)).get(pk=student.pk)
        course_milestone = CourseMilestone.objects.select_related("course").get(pk=course_milestone.pk)
        handed_in = list(
            Submission.objects.filter(student=student, course_milestone=course_milestone)
            .order_by("attempt")
            .values_list("submitted_at", "counted_as_attempt")
        )
        place = {"enrollment": student, "course_milestone": course_milestone}
        if not handed_in:
            MilestoneResult.objects.filter(**place).delete()
            return None
        attempts = attempts_of(student, course_milestone)
        values = {
            "course_id": course_milestone.course_id,
            "first_submitted_at": handed_in[0][0],
            "attempts": len(handed_in),
            "attempts_used": sum(used for _, used in handed_in),
            **_counted_values(counted(attempts, course_milestone.attempt_that_counts)),
            **_passing_values(attempts, course_milestone, handed_in[0][0]),
        }
        result, _ = MilestoneResult.objects.update_or_create(**place, defaults=values)
    return result


def _counted_values(attempt: Attempt | None) -> dict[str, Any]:
    if attempt is None:
        return {
            "submission": None,
            "evaluation": None,
            "score": None,
            "score_before_penalty": None,
            "late_penalty": 0,
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
        "level": Level.of(attempt.score / 100).value,
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
    """Count a submission when its first result is published. Later evaluations of it change nothing."""
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
        Evaluation.objects.filter(state=Evaluation.State.SCORED)
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
