"""One student's attempts at one milestone, as a list that says what each was worth and which one counts."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import QuerySet

from grading.class_lists import with_latest_run
from grading.models import CourseMilestone, Enrollment, Evaluation, Submission
from grading.pipeline import results
from grading.standing import word_for
from milestones.contract import Level


@dataclass(frozen=True, kw_only=True)
class AttemptLine:
    """One attempt. ``score`` is of 100, after marks and penalty; None while there is none or while grades are held."""

    submission: Submission
    state: str
    score: float | None
    counts: bool


def attempt_lines(
    submissions: QuerySet[Submission], student: Enrollment, course_milestone: CourseMilestone, *, sees_scores: bool
) -> list[AttemptLine]:
    """The newest attempt first. The number of queries does not depend on the number of attempts."""
    judged = results.attempts_of(student, course_milestone) if sees_scores else []
    by_submission = {attempt.submission.pk: attempt for attempt in judged}
    best = results.counted(judged, course_milestone.attempt_that_counts)
    return [
        AttemptLine(
            submission=submission,
            state=_state(submission, by_submission.get(submission.pk), sees_scores=sees_scores),
            score=by_submission[submission.pk].score if submission.pk in by_submission else None,
            counts=best is not None and best.submission.pk == submission.pk,
        )
        for submission in with_latest_run(submissions).order_by("-attempt")
    ]


def _state(submission: Submission, judged: results.Attempt | None, *, sees_scores: bool) -> str:
    """The newest run's state while it is under way or was ours to mend; the word for the result otherwise."""
    if submission.state in (Evaluation.State.QUEUED, Evaluation.State.RUNNING):
        return submission.state
    if judged is not None:
        level = Level.of(judged.score / 100)
        return word_for(completed=judged.completes, benchmark_met=judged.benchmark_met, level=level)
    if submission.state == Evaluation.State.SCORED and not sees_scores:
        return "held"
    return submission.state or Evaluation.State.RECEIVED
