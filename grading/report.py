"""One evaluation as a report for people: what was found, what it is worth, who said so, and the figures beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from grading import exhibits, rubrics
from grading.analytics.charts import Chart
from grading.ledger import Step, ledger_of
from grading.models import BenchmarkDecision, CourseMilestone, CriterionScore, Evaluation, Override
from grading.pipeline import results
from grading.standing import word_for
from milestones.contract import Criterion, Level, Rubric

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
    def latest_mark(self) -> int:
        """The id of the mark that is in force; 0 for none. A form sends it back, so that nothing unseen is overwritten."""
        return self.overrides[-1].pk if self.overrides else 0

    @property
    def points_before(self) -> float | None:
        """What undoing the latest mark leads back to; None where there is nothing to lead back to."""
        marks = self.overrides
        return marks[-2].points if len(marks) > 1 else self.score.points if marks else None

    @property
    def level(self) -> str:
        """The level of the points that count; empty while nobody has marked it."""
        if self.points is None or not self.score.maximum:
            return ""
        return Level.of(self.points / self.score.maximum).value


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
    headline: Found | None
    figures: tuple[Chart, ...]
    ledger: tuple[Step, ...]

    @property
    def waited(self) -> float | None:
        """Seconds in the queue."""
        run = self.evaluation
        return (run.started_at - run.queued_at).total_seconds() if run.started_at and run.queued_at else None

    @property
    def mark_in_words(self) -> str:
        """The benchmark's mark, in the unit of what it reads."""
        if self.headline is None or self.headline.get("kind") in {"accuracy", "share"}:
            return f"{100 * self.mark:.4g} %"
        return f"{self.mark:.4g} {self.headline.get('unit') or ''}".strip()

    @property
    def state(self) -> str:
        """``passed``, ``needs_human``, ``partial`` or ``not_passed``, as in a list of results."""
        attempt = self.attempt
        return word_for(completed=attempt.completes, benchmark_met=attempt.benchmark_met, level=self.level)


def report_of(evaluation: Evaluation, course_milestone: CourseMilestone) -> Report:
    """The report of a scored ``evaluation``; load criteria with overrides, decisions and evidence beforehand."""
    rubric = rubrics.rubric_of(course_milestone)
    attempt = results.judge(evaluation.submission, evaluation, course_milestone)
    by_key = {found["key"]: found for found in evaluation.measurements}
    stated = {criterion.key: criterion for criterion in rubric.criteria}
    criteria = tuple(_criterion(score, stated.get(score.key), by_key) for score in evaluation.criteria.all())
    used = {found["key"] for criterion in criteria for found in criterion.measurements}
    return Report(
        evaluation=evaluation,
        rubric=rubric,
        attempt=attempt,
        level=Level.of(attempt.score / 100).value,
        mark=rubrics.mark_of(course_milestone),
        criteria=criteria,
        other_measurements=tuple(found for found in evaluation.measurements if found["key"] not in used),
        diagnoses=tuple(each for each in evaluation.diagnoses if not each.get("symptom")),
        symptoms=tuple(each for each in evaluation.diagnoses if each.get("symptom")),
        decisions=tuple(sorted(evaluation.benchmark_decisions.all(), key=lambda decision: decision.pk)),
        headline=by_key.get(rubric.benchmark.measurement),
        figures=tuple(exhibits.shown(evaluation.evidence.all())),
        ledger=ledger_of(attempt, course_milestone),
    )


def _criterion(score: CriterionScore, stated: Criterion | None, by_key: Mapping[str, Found]) -> CriterionReport:
    keys = stated.measurements if stated else ()
    return CriterionReport(
        score=score,
        description=stated.texts.get("description", "") if stated else "",
        overrides=tuple(sorted(score.overrides.all(), key=lambda mark: mark.pk)),
        measurements=tuple(by_key[key] for key in keys if key in by_key),
    )


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
