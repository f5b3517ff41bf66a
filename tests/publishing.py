"""A published result without a sandbox, by the pipeline's own steps: for tests of what comes after it."""

from __future__ import annotations

from typing import Any

import numpy as np
from django.conf import settings
from django.db import transaction

from grading.models import CourseMilestone, Enrollment, Evaluation
from grading.pipeline import dispatch, scoring
from milestones import exhibits
from tests import making

EXHIBITS = (
    exhibits.curve(
        "curve",
        "Does the loss fall?",
        {"Loss on unseen images": [(0, 2.3), (640, 1.1), (1280, 0.4)]},
        x_title="Images seen in training",
        y_title="Loss (nats)",
    ),
    exhibits.confusion_matrix("confusion", "Which are confused?", np.array([[9, 1], [0, 10]]), ["0", "1"]),
    exhibits.image_grid(
        "mistakes", "Which were wrong?", np.array([[[[0, 255]]]], dtype=np.uint8), true=["0"], read_as=["1"]
    ),
)

#: One of every form, with what students could put into them.
HOSTILE = '<a href="https://evil.invalid">free</a> %{x} \u202e=1+1'
EVERY_FORM = (
    exhibits.learning_curve([(0, 2.4), (2500, 1.2), (5000, 0.5)]),
    exhibits.curve(
        "gap",
        "Does it learn what it has not seen?",
        {"Loss on training images": [(0, 2.4), (100, 1.0)], "Loss on unseen images": [(0, 2.4), (100, float("nan"))]},
        x_title="Step",
        y_title="Loss (nats)",
        reference=("guessing, ln 10", 2.3026),
    ),
    exhibits.scatter(
        "latency",
        "How does the time grow with the batch?",
        {"Yours": [(1, 0.5), (10, 4.0)], HOSTILE: [(1, 0.1), (10, 0.4), (100, 0.0)]},
        x_title="Images in a batch",
        y_title="Time (ms)",
        logarithmic=True,
    ),
    exhibits.heat_map(
        "gradient error",
        "Where is the gradient wrong?",
        np.array([[0.0, 1e-9, 0.17], [np.inf, 2e-9, 0.1]]),
        x_title="Output",
        y_title="Input",
        value_title="Relative error",
        x_labels=["a", "b", HOSTILE],
    ),
    exhibits.bars("reuse", "Where do the calls go?", {"core.layers": 120, HOSTILE: 7}, value_title="Calls"),
    exhibits.table(
        "parameters", "Which parameters are there?", ["Name", "Shape", "Numbers"],
        [["W", "784 × 64", 50176], [HOSTILE, "64", 64]],
    ),
    exhibits.text("written", "What did the model write?", {"After “The”": f"The cat {HOSTILE}</pre><script>alert(1)</script>"}),
    exhibits.image_grid(
        "colour", "Which were wrong?", np.zeros((2, 3, 4, 4), dtype=np.uint8), true=["cat", "dog"], read_as=["dog", ""]
    ),
    exhibits.confusion_matrix("taken", "Which are confused?", np.array([[9, 1], [0, 10]]), ["cat", HOSTILE]),
)  # fmt: skip


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
