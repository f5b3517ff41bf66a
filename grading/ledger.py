"""How a score came about, step by step, in words that a student can check with a pencil."""

from __future__ import annotations

from dataclasses import dataclass

from grading import policy
from grading.models import CourseMilestone, CriterionScore, Override
from grading.pipeline.results import Attempt
from milestones.rubric import total_of


@dataclass(frozen=True, kw_only=True)
class Step:
    """One line: what happened, and the score (of 100) after it."""

    sentence: str
    change: float
    score: float


def ledger_of(attempt: Attempt, course_milestone: CourseMilestone) -> tuple[Step, ...]:
    """The steps from the automatic score to the final one: people's marks in the order they were given, then lateness.

    Criteria that nobody has marked count neither as points nor as maximum, and the first line says so.
    """
    criteria = sorted(attempt.evaluation.criteria.all(), key=lambda criterion: criterion.position)
    points = {criterion.pk: criterion.points for criterion in criteria}
    score = _total(criteria, points)
    unmarked = [criterion.title for criterion in criteria if criterion.points is None]
    steps = [Step(sentence=f"Automatic{_without(unmarked)}", change=score, score=score)]
    marks = [(mark, criterion) for criterion in criteria for mark in criterion.overrides.all()]
    for mark, criterion in sorted(marks, key=lambda row: row[0].pk):
        sentence = _mark_in_words(mark, criterion, before=points[criterion.pk])
        points[criterion.pk] = mark.points
        after = _total(criteria, points)
        steps.append(Step(sentence=sentence, change=after - score, score=after))
        score = after
    late = _lateness(attempt, course_milestone)
    if late:
        steps.append(Step(sentence=late, change=attempt.score - score, score=attempt.score))
    steps.append(Step(sentence="Final", change=0.0, score=attempt.score))
    return tuple(steps)


def _total(criteria: list[CriterionScore], points: dict[int, float | None]) -> float:
    return total_of([(points[criterion.pk], criterion.maximum) for criterion in criteria])[0]


def _without(titles: list[str]) -> str:
    return f", without what a person marks ({', '.join(titles)})" if titles else ""


def _mark_in_words(mark: Override, criterion: CriterionScore, *, before: float | None) -> str:
    if before is None:
        done = f"marked {mark.points:g} of {criterion.maximum:g}"
    elif mark.points == before:
        done = f"confirmed at {mark.points:g}"
    else:
        done = f"{'raised' if mark.points > before else 'lowered'} from {before:g} to {mark.points:g}"
    return f"{criterion.title} {done} by {mark.by} ({mark.reason})"


def _lateness(attempt: Attempt, course_milestone: CourseMilestone) -> str:
    """Why points were lost for being late, or why none were; empty for what came in time."""
    submission = attempt.submission
    if not submission.seconds_late:
        return ""
    rules = policy.rules_for(submission, course_milestone)
    days = -(-submission.seconds_late // policy.DAY)
    parts = [f"{days} {_days(days)} late"]
    if rules.grace_days:
        parts.append(f"the first {rules.grace_days:g} {_days(rules.grace_days)} cost nothing")
    if submission.grace_days_spent:
        parts.append(f"{submission.grace_days_spent} grace {_days(submission.grace_days_spent)} used")
    charged = rules.late_days(submission.seconds_late, spent=submission.grace_days_spent)
    if charged and rules.late_penalty_per_day:
        parts.append(f"{charged} × {rules.late_penalty_per_day:g} points")
        if rules.late_penalty_cap is not None and charged * rules.late_penalty_per_day > rules.late_penalty_cap:
            parts.append(f"at most {rules.late_penalty_cap:g}")
    return ", ".join(parts)


def _days(count: float) -> str:
    return "day" if count == 1 else "days"
