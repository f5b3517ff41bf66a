"""A published result without a sandbox, by the pipeline's own steps: for tests of what comes after it."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import transaction

from grading.models import CourseMilestone, Enrollment, Evaluation
from grading.pipeline import dispatch, scoring
from tests import making

CURVE = {"x": [0, 640, 1280], "y": [2.3, 1.1, 0.4], "x_unit": "images", "y_unit": "nats"}


def started(student: Enrollment, milestone: CourseMilestone, **values: Any) -> tuple[dispatch.Claim, Evaluation]:
    """An evaluation that a worker has claimed. Nothing else may wait: claims are fair and would take the other one.

    One transaction, here and below: a real worker of the same session never sees it waiting.
    """
    with transaction.atomic():
        evaluation = making.waiting(student, milestone, **values)
        claim = dispatch.claim("test")
    assert claim is not None
    assert claim.evaluation_id == evaluation.pk
    evaluation.refresh_from_db()
    return claim, evaluation


def published(
    student: Enrollment, milestone: CourseMilestone, *, attempt: dict[str, Any] | None = None, **values: Any
) -> Evaluation:
    """A scored evaluation; ``values`` are those of ``making.result``, ``attempt`` those of the submission."""
    claim, _ = started(student, milestone, **attempt or {})
    return scoring.publish(claim, making.result(**values), benchmark_measurement="mnist_accuracy")


def failed(student: Enrollment, milestone: CourseMilestone) -> Evaluation:
    """An evaluation that our own trouble ended: three tries, no attempt used."""
    with transaction.atomic():
        claim, evaluation = started(student, milestone)
        for _ in range(settings.MAXIMUM_TRIES):
            assert dispatch.release(claim, counted=True, why="The sandbox did not start.")
            claim = dispatch.claim("test")
    evaluation.refresh_from_db()
    assert evaluation.state == Evaluation.State.FAILED
    return evaluation
