"""Who needs help, why, and what the guide advises to do about it.

A warning is advice to the instructor and never changes a score. Its reasons and its evidence stand beside it, so that a
person can disagree with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from grading.analytics.queries import NeedsHelpRow, needs_help
from milestones.contract import Rubric

#: The guide's interventions, "Early Warning System", by milestone; later milestones have none of their own there.
INTERVENTIONS: Mapping[str, str] = {
    "basic-inference": "Review the fundamentals: matrix shapes, activations, how layers compose.",
    "computer-vision": "Offer convolution tutoring: kernel orientation, padding and stride, shapes by hand.",
    "full-training": "Support the training pipeline: loss, gradients, optimizer step, zero_grad, in this order.",
}
GENERAL_ADVICE = "Go through the weakest criterion together and agree on the next attempt."
#: The guide's threshold: `tito assessment struggling --threshold 70`.
DEFAULT_THRESHOLD = 70.0


@dataclass(frozen=True, kw_only=True)
class Warning:
    """One student who needs help with one milestone."""

    row: NeedsHelpRow
    name: str
    milestone: str
    reasons: tuple[str, ...]
    evidence: tuple[str, ...]
    advice: str


def warnings(
    *, course: int, rubrics: Mapping[str, Rubric], practice_data: bool, threshold: float = DEFAULT_THRESHOLD
) -> tuple[Warning, ...]:
    """The students of ``course`` (an id) who need help, earliest milestone first; one entry per student and milestone.

    ``rubrics`` are those in force, by slug.
    """
    rows = needs_help(course=course, threshold=threshold, practice_data=practice_data)
    return tuple(_warning(row, rubrics[row.slug], threshold=threshold) for row in rows)


def _warning(row: NeedsHelpRow, rubric: Rubric, *, threshold: float) -> Warning:
    reasons = []
    if not row.completed:
        reasons.append(f"Milestone {row.number} not completed")
    if row.score < threshold:
        reasons.append(f"score below {threshold:g}")
    if row.benchmark_met is False:
        reasons.append(f"benchmark not met ({rubric.benchmark.title})")
    return Warning(
        row=row,
        name=row.full_name or row.username,
        milestone=rubric.title,
        reasons=tuple(reasons),
        evidence=tuple(_evidence(row, {criterion.key: criterion for criterion in rubric.criteria})),
        advice=INTERVENTIONS.get(row.slug, GENERAL_ADVICE),
    )


def _evidence(row: NeedsHelpRow, criteria: Mapping) -> Iterable[str]:
    """What the warning rests on: what was diagnosed, the weakest criterion, the accuracy, the attempts."""
    if row.failing_diagnoses:
        named = ", ".join(code.replace("_", " ").replace("-", " ") for code in row.failing_diagnoses[:3])
        yield f"diagnosed: {named}"
    marked = {key: points for key, points in row.criterion_points.items() if points is not None and key in criteria}
    if marked:
        weakest = min(marked, key=lambda key: marked[key] / (criteria[key].percent or 1))
        yield f"weakest: {criteria[weakest].title}, {marked[weakest]:g} of {criteria[weakest].percent:g}"
    if row.accuracy is not None:
        yield f"accuracy {100 * row.accuracy:.1f} %"
    yield f"{row.attempts} attempt{'' if row.attempts == 1 else 's'}"
