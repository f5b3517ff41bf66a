"""Values that tests need and that would hide what a test says: packed packages, submissions, results of a run."""

from __future__ import annotations

import hashlib
import io
import itertools
import zipfile
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.utils import timezone

from grading.models import CourseMilestone, Enrollment, Evaluation, Submission
from grading.pipeline import dispatch
from milestones import contract, exhibits

TENSOR = {"tinytorch/core/tensor.py": "class Tensor:\n    pass\n"}
_numbers = itertools.count(1)


def packed(files: Mapping[str, str | bytes] = TENSOR) -> io.BytesIO:
    """A zip of ``files``, the same bytes whenever it is made."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)
    stream.seek(0)
    return stream


def submission(
    student: Enrollment, course_milestone: CourseMilestone, *, at: datetime | None = None, **values: Any
) -> Submission:
    """A submission as intake would leave it, without its file."""
    number = next(_numbers)
    attempt = Submission.objects.filter(student=student, course_milestone=course_milestone).count() + 1
    return Submission.objects.create(
        **{
            "course_milestone": course_milestone,
            "student": student,
            "attempt": attempt,
            "original_name": "tinytorch.zip",
            "sha256": hashlib.sha256(str(number).encode()).hexdigest(),
            "size": 1000,
            "submitted_at": at or timezone.now(),
            "upload_key": f"key-{number}",
        }
        | values
    )


def waiting(
    student: Enrollment, course_milestone: CourseMilestone, *, batch: bool = False, **values: Any
) -> Evaluation:
    """An evaluation that waits in the queue."""
    evaluation = Evaluation.objects.create(
        **dispatch.first_values(submission(student, course_milestone, **values), batch=batch)
    )
    dispatch.enqueue(evaluation)
    return evaluation


CRITERIA = (
    ("mathematical_correctness", "Mathematical Correctness", 40.0),
    ("architecture_design", "Architecture Design", 30.0),
    ("mnist_performance", "MNIST Performance", 20.0),
    ("code_quality", "Code Quality", 10.0),
)


def result(
    *,
    shares: Mapping[str, float | None] | float = 1.0,
    benchmark_met: bool | None = True,
    accuracy: float = 0.93,
    **values: Any,
) -> contract.Evaluation:
    """What ``milestones.evaluate`` answers: each criterion with its share of the points (None: a person marks it)."""
    by_key = shares if isinstance(shares, Mapping) else {key: shares for key, _, _ in CRITERIA}
    criteria = tuple(
        contract.CriterionResult(
            key=key,
            title=title,
            points=None if by_key.get(key, 1.0) is None else maximum * by_key.get(key, 1.0),
            maximum=maximum,
            level=None if by_key.get(key, 1.0) is None else contract.Level.of(by_key.get(key, 1.0)),
            explanation=f"{title} as measured.",
        )
        for key, title, maximum in CRITERIA
    )
    marked = [criterion for criterion in criteria if criterion.points is not None]
    score = 100 * sum(criterion.points for criterion in marked) / sum(criterion.maximum for criterion in marked)
    measured = contract.Measurement(
        key="mnist_accuracy",
        title="MNIST accuracy",
        kind="accuracy",
        status=contract.Status.PASSED,
        value=accuracy,
        n=2000,
        low=accuracy - 0.01,
        high=accuracy + 0.01,
    )
    plain = {
        "milestone": "basic-inference",
        "number": 1,
        "score": score,
        "maximum": 100.0,
        "level": contract.Level.of(score / 100),
        "benchmark_met": benchmark_met,
        "needs_human": (),
        "criteria": criteria,
        "measurements": (measured,),
        "diagnoses": (
            contract.Diagnosis(code="bias_gradient_not_summed", message="Sum it.", advice="Over the batch."),
        ),
        "exhibits": (
            exhibits.curve("curve", "Training", {"Loss": [(0, 2.3), (1, 1.9)]}, x_title="Images", y_title="Loss"),
        ),
        "resources": contract.Resources(wall_seconds=12.0, cpu_seconds=10.0, peak_memory_bytes=10**8, limits="cgroup"),
        "seed": 7,
        "counts": {"test_images": 2000},
        "dataset": "mnist",
        "practice_data": False,
        "evaluator_version": "1",
        "log": "trained on hidden images",
        "open_log": "trained",
    }
    return contract.Evaluation(**plain | values)
