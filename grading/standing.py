"""Where one student stands in a milestone, in one word and one next step.

The word is derived here and nowhere else, for one student's page and for a class list alike.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.utils import timezone

from grading import rubrics
from grading.models import CourseMilestone, Evaluation, MilestoneResult
from milestones.contract import Level, Rubric


@dataclass(frozen=True, kw_only=True)
class Standing:
    """One student's standing in one milestone; ``state`` is a key of ``ui.STATES``."""

    course_milestone: CourseMilestone
    rubric: Rubric
    result: MilestoneResult | None
    latest: Evaluation | None
    state: str
    next_step: str

    @property
    def shows_score(self) -> bool:
        """Whether there is a score and it may be shown to the student."""
        return self.result is not None and self.result.score is not None and self.state != "held"


def word_for(*, completed: bool, benchmark_met: bool | None, level: str) -> str:
    """``passed``, ``needs_human``, ``partial`` or ``not_passed``, for something that has a score.

    Partial: not completed, yet the headline benchmark is met or the score is above Insufficient.
    """
    if completed:
        return "passed"
    if benchmark_met is None:
        return "needs_human"
    return "partial" if benchmark_met or level != Level.INSUFFICIENT else "not_passed"


def state_of(
    course_milestone: CourseMilestone,
    *,
    result: MilestoneResult | None,
    latest: Evaluation | None,
    sees_scores: bool = True,
    now: dt.datetime | None = None,
) -> str:
    """The state of one student in one milestone; ``latest`` is the newest evaluation of the newest submission."""
    if latest is not None and latest.state in (Evaluation.State.QUEUED, Evaluation.State.RUNNING):
        return latest.state
    if result is not None and result.score is not None:
        if not sees_scores:
            return "held"
        return word_for(completed=result.completed, benchmark_met=result.benchmark_met, level=result.level)
    return latest.state if latest is not None else _state_of_nothing(course_milestone, now or timezone.now())


def _state_of_nothing(course_milestone: CourseMilestone, now: dt.datetime) -> str:
    """Where nothing was handed in: by the dates of the course, since accommodations only ever give more time."""
    if course_milestone.opens and now < course_milestone.opens:
        return "not_open"
    if course_milestone.closes and now >= course_milestone.closes:
        return "closed"
    return "not_started"


NEXT_STEPS: Mapping[str, str] = {
    "received": "Your file has arrived and will be put in the queue.",
    "queued": "Waiting to be measured; follow it live.",
    "running": "Being measured; follow it live.",
    "failed": "We could not measure it. That is our fault and used no attempt.",
    "cancelled": "The run was cancelled. Hand in again when you are ready.",
    "passed": "Done. A better attempt can still raise the score.",
    "needs_human": "A person decides about the benchmark; nothing for you to do.",
    "partial": "Read what was found, mend it and hand in again.",
    "not_passed": "Read what was found, mend it and hand in again.",
    "held": "Measured. Your instructor releases the results later.",
    "not_open": "You can read the rubric already.",
    "closed": "This milestone no longer takes uploads.",
    "not_started": "Read the rubric and hand in your package.",
}


def standings(
    course_milestones: Iterable[CourseMilestone],
    *,
    results: Iterable[MilestoneResult],
    evaluations: Iterable[Evaluation],
    sees_everything: bool = False,
) -> list[Standing]:
    """The standings of one student; ``evaluations`` in any order, with their submissions loaded."""
    by_milestone = {result.course_milestone_id: result for result in results}
    latest: dict[int, Evaluation] = {}
    for evaluation in evaluations:
        key = evaluation.submission.course_milestone_id
        known = latest.get(key)
        if known is None or _age(evaluation) > _age(known):
            latest[key] = evaluation
    found = []
    for course_milestone in course_milestones:
        result, newest = by_milestone.get(course_milestone.pk), latest.get(course_milestone.pk)
        sees_scores = sees_everything or not course_milestone.hold_grades
        state = state_of(course_milestone, result=result, latest=newest, sees_scores=sees_scores)
        found.append(
            Standing(
                course_milestone=course_milestone,
                rubric=rubrics.rubric_of(course_milestone),
                result=result,
                latest=newest,
                state=state,
                next_step=NEXT_STEPS.get(state, ""),
            )
        )
    return found


def _age(evaluation: Evaluation) -> tuple[int, int]:
    return evaluation.submission.attempt, evaluation.pk
