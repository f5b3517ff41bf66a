"""Attempts with measurements that a rubric can score, and the form of a rubric as a browser would send it."""

from __future__ import annotations

from typing import Any

from grading import rubrics
from grading.forms import RubricForm
from grading.models import CourseMilestone, Enrollment, Evaluation
from milestones import rubric
from milestones.contract import Measurement, Status
from tests.publishing import published

#: What a person types into every field of the rubric's form that is not the benchmark's own.
Typed = dict[str, Any]


def measured(
    student: Enrollment, milestone: CourseMilestone, *, share: float = 1.0, accuracy: float = 0.9, **attempt: Any
) -> Evaluation:
    """A published attempt whose checks found ``share`` each and whose network reaches ``accuracy``, scored by the rubric."""
    asked = rubrics.in_force(milestone)
    keys = {key for criterion in asked.rubric.criteria for key in criterion.measurements} - {"mnist_accuracy"}
    common = {"status": Status.PASSED, "message": "As measured."}
    found = [Measurement(key=key, title=key, kind="share", value=share, **common) for key in sorted(keys)]
    interval = {"n": 10_000, "low": accuracy - 0.005, "high": accuracy + 0.005}
    found.append(
        Measurement(key="mnist_accuracy", title="MNIST", kind="accuracy", value=accuracy, **interval, **common)
    )
    scored = rubric.score(asked.rubric, found, mark=asked.mark)
    return published(
        student,
        milestone,
        attempt=attempt,
        measurements=tuple(found),
        criteria=scored.criteria,
        score=scored.score,
        level=scored.level,
        benchmark_met=scored.benchmark_met,
        needs_human=tuple(rubric.open_questions(scored)),
    )


def typed(milestone: CourseMilestone, **changes: Any) -> Typed:
    """The form of the rubric in force with some fields changed, as a browser sends it."""
    form = RubricForm(rubric=rubrics.rubric_of(milestone), titles={})
    data: Typed = {field.name: field.value() for field in form}
    for section in form.sections:
        data[f"value-{section.criterion.key}"] = [value for value, _ in section.anchors]
        data[f"share-{section.criterion.key}"] = [share for _, share in section.anchors]
    return data | {name.replace("__", "-"): value for name, value in changes.items()}
