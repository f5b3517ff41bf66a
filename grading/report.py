"""One evaluation as a report for people: what was found, what it is worth, who said so, and the figures beside it."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from grading.analytics import charts
from grading.models import BenchmarkDecision, CourseMilestone, CriterionScore, Evaluation, EvaluationEvidence, Override
from grading.pipeline import results
from grading.standing import word_for
from milestones import registry
from milestones.contract import Criterion, Level, Rubric

#: A loss that is not a number is stored as this or more; a chart shows a gap there instead of a mountain.
NOT_FINITE = 1e8

Found = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class CriterionReport:
    """One criterion: automatic points, every mark that people gave, and the measurements they rest on."""

    score: CriterionScore
    description: str
    overrides: tuple[Override, ...]
    measurements: tuple[Found, ...]

    @property
    def points(self) -> float | None:
        """What counts: a person's latest mark, else the automatic points."""
        return self.overrides[-1].points if self.overrides else self.score.points

    @property
    def level(self) -> str:
        """The level of the points that count; empty while nobody has marked it."""
        if self.points is None or not self.score.maximum:
            return ""
        return Level.of(self.points / self.score.maximum).value


@dataclass(frozen=True, kw_only=True)
class Image:
    """One misread image, as a data address that a page can show."""

    address: str
    is_class: str
    read_as: str


@dataclass(frozen=True, kw_only=True)
class Report:
    """All that a page says about one scored evaluation."""

    evaluation: Evaluation
    rubric: Rubric
    attempt: results.Attempt
    level: str
    mark: float
    criteria: tuple[CriterionReport, ...]
    other_measurements: tuple[Found, ...]
    diagnoses: tuple[Found, ...]
    symptoms: tuple[Found, ...]
    decisions: tuple[BenchmarkDecision, ...]
    charts: tuple[charts.Chart, ...]
    images_title: str
    images: tuple[Image, ...]

    @property
    def waited(self) -> float | None:
        """Seconds in the queue."""
        run = self.evaluation
        return (run.started_at - run.queued_at).total_seconds() if run.started_at and run.queued_at else None

    @property
    def state(self) -> str:
        """``passed``, ``needs_human``, ``partial`` or ``not_passed``, as in a list of results."""
        attempt = self.attempt
        return word_for(completed=attempt.completes, benchmark_met=attempt.benchmark_met, level=self.level)


def report_of(evaluation: Evaluation, course_milestone: CourseMilestone) -> Report:
    """The report of a scored ``evaluation``; load criteria with overrides, decisions and evidence beforehand."""
    rubric = registry.get(course_milestone.milestone).rubric
    attempt = results.judge(evaluation.submission, evaluation, course_milestone)
    by_key = {found["key"]: found for found in evaluation.measurements}
    stated = {criterion.key: criterion for criterion in rubric.criteria}
    criteria = tuple(_criterion(score, stated.get(score.key), by_key) for score in evaluation.criteria.all())
    used = {found["key"] for criterion in criteria for found in criterion.measurements}
    evidence = list(evaluation.evidence.all())
    grid = next((each for each in evidence if each.kind == "image_grid"), None)
    mark = rubric.benchmark.mark if course_milestone.benchmark_mark is None else course_milestone.benchmark_mark
    return Report(
        evaluation=evaluation,
        rubric=rubric,
        attempt=attempt,
        level=Level.of(attempt.score / 100).value,
        mark=mark,
        criteria=criteria,
        other_measurements=tuple(found for found in evaluation.measurements if found["key"] not in used),
        diagnoses=tuple(each for each in evaluation.diagnoses if not each.get("symptom")),
        symptoms=tuple(each for each in evaluation.diagnoses if each.get("symptom")),
        decisions=tuple(sorted(evaluation.benchmark_decisions.all(), key=lambda decision: decision.pk)),
        charts=tuple(chart for each in evidence for chart in charts_of(each)),
        images_title=grid.title if grid else "",
        images=tuple(images_of(grid.data)) if grid else (),
    )


def _criterion(score: CriterionScore, stated: Criterion | None, by_key: Mapping[str, Found]) -> CriterionReport:
    keys = stated.measurements if stated else ()
    return CriterionReport(
        score=score,
        description=stated.texts.get("description", "") if stated else "",
        overrides=tuple(sorted(score.overrides.all(), key=lambda mark: mark.pk)),
        measurements=tuple(by_key[key] for key in keys if key in by_key),
    )


# --- exhibits ---


def charts_of(evidence: EvaluationEvidence) -> Iterable[charts.Chart]:
    """The figures of one exhibit, by its kind (see ``milestones.exhibits``); a kind that has no figure gives none."""
    key, data = f"exhibit-{evidence.key}", evidence.data
    if evidence.kind == "curve":
        for points in data["series"].values():
            yield loss_curve(points, key=key, title=evidence.title, x_title=data["x_title"], y_title=data["y_title"])
    elif evidence.kind == "confusion_matrix":
        matrix, labels = data["matrix"], data["labels"]
        yield charts.confusion_matrix(matrix, key=key, title=evidence.title, labels=labels)
        shares = [row[true] / sum(row) if sum(row) else None for true, row in enumerate(matrix)]
        yield charts.per_class_accuracy(shares, key=f"{key}-classes", title="Which classes are hard?", labels=labels)


def loss_curve(
    points: Sequence[Sequence[float]],
    *,
    key: str = "live-curve",
    title: str = "Does the loss on unseen images fall?",
    x_title: str = "Images seen in training",
    y_title: str = "Loss (nats)",
) -> charts.Chart:
    """The grader's own curve, live or afterwards; a loss that is not finite ends as a gap."""
    finite = [(x, y) for x, y in points if y is not None and y < NOT_FINITE]
    return charts.learning_curve(finite, key=key, title=title, x_title=x_title, y_title=y_title)


def images_of(grid: Mapping[str, Any]) -> Iterable[Image]:
    """The images of a grid exhibit, grey or in colour."""
    height, width, channels = grid["shape"]
    for each in grid["images"]:
        yield Image(
            address="data:image/png;base64,"
            + base64.b64encode(png(base64.b64decode(each["pixels"]), width, height, channels)).decode(),
            is_class=each["is"],
            read_as=each["read_as"] or "nothing (not finite)",
        )


def png(pixels: bytes, width: int, height: int, channels: int) -> bytes:
    """An 8-bit PNG (ISO/IEC 15948) of ``pixels`` (height, width, channels): grey with one channel, RGB with three."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    colour_type = {1: 0, 3: 2}[channels]
    header = struct.pack(">IIBBBBB", width, height, 8, colour_type, 0, 0, 0)
    row = width * channels
    lines = b"".join(b"\0" + pixels[start : start + row] for start in range(0, height * row, row))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")


# --- as JSON ---


def as_json(evaluation: Evaluation) -> dict[str, Any]:
    """The result as ``python -m milestones evaluate --json`` writes it, with people's marks beside the automatic points."""
    milestone = evaluation.submission.course_milestone
    return {
        "milestone": milestone.milestone,
        "submission": evaluation.submission_id,
        "evaluation": evaluation.pk,
        "score": evaluation.score,
        "maximum": evaluation.maximum,
        "level": evaluation.level,
        "benchmark_met": evaluation.benchmark_met,
        "criteria": [
            {
                "key": criterion.key,
                "title": criterion.title,
                "points": criterion.points,
                "maximum": criterion.maximum,
                "level": criterion.level or None,
                "explanation": criterion.explanation,
                "marks": [
                    {"points": mark.points, "reason": mark.reason, "by": str(mark.by), "at": mark.at}
                    for mark in criterion.overrides.all()
                ],
            }
            for criterion in evaluation.criteria.all()
        ],
        "measurements": evaluation.measurements,
        "diagnoses": evaluation.diagnoses,
        "resources": {
            "wall_seconds": evaluation.wall_seconds,
            "cpu_seconds": evaluation.cpu_seconds,
            "peak_memory_bytes": evaluation.peak_memory_bytes,
        },
        # A string: JavaScript and spreadsheets round integers above 2^53.
        "seed": str(evaluation.seed),
        "counts": evaluation.counts,
        "dataset": evaluation.dataset,
        "practice_data": evaluation.practice_data,
        "evaluator_version": evaluation.evaluator_version,
        "notes": evaluation.notes,
    }
