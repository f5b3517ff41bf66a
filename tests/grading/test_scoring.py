"""From a run's result to what the student has reached, and what people change about it."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import DatabaseError, IntegrityError, transaction
from django.utils import timezone

from grading import rubrics
from grading.models import (
    AuditEvent,
    CourseMilestone,
    CriterionScore,
    Evaluation,
    EvaluationEvidence,
    HourlyActivity,
    MilestoneResult,
    Override,
    RubricVersion,
)
from grading.pipeline import dispatch, results, scoring, workers
from milestones import contract
from milestones.rubric import INSIDE_THE_INTERVAL
from tests import making
from tests.conftest import place

COUNTED = CourseMilestone.AttemptThatCounts


@pytest.fixture(autouse=True)
def _many_slots(monkeypatch):
    monkeypatch.setattr(workers, "live_slots", lambda: 100)


def scored(student, course_milestone, *, at=None, late=0, **result) -> Evaluation:
    """A submission that was handed in and evaluated, with ``result`` as its outcome."""
    making.waiting(student, course_milestone, at=at, seconds_late=late)
    return scoring.publish(
        dispatch.claim("worker"), making.result(**result), scored_by=rubrics.in_force(course_milestone)
    )


def criterion(evaluation: Evaluation, key: str = "code_quality") -> CriterionScore:
    return evaluation.criteria.get(key=key)


def result_of(person) -> MilestoneResult:
    return place(person).results.get()


# --- publishing ---


def test_publishing_stores_everything_of_a_run(milestone, alice):
    making.waiting(place(alice), milestone)
    evaluation = scoring.publish(
        dispatch.claim("worker"),
        making.result(shares=0.9),
        phases=[("Preparing", 0.1), ("MNIST", 11.9)],
        benchmark_measurement="mnist_accuracy",
        scored_by=rubrics.in_force(milestone),
    )
    evaluation.refresh_from_db()
    assert (evaluation.state, evaluation.score, evaluation.level) == ("scored", 90, "exemplary")
    assert (evaluation.accuracy, evaluation.accuracy_n) == (0.93, 2000)
    assert evaluation.phases == [["Preparing", 0.1], ["MNIST", 11.9]]
    assert evaluation.diagnoses[0]["code"] == "bias_gradient_not_summed"
    assert [(each.key, each.points) for each in evaluation.criteria.all()] == [
        ("mathematical_correctness", 36),
        ("architecture_design", 27),
        ("mnist_performance", 18),
        ("code_quality", 9),
    ]
    assert EvaluationEvidence.objects.get().data["series"] == [["Loss", [[0, 2.3], [1, 1.9]]]]
    result = result_of(alice)
    assert (result.score, result.completed, result.attempts, result.attempts_used) == (90, True, 1, 1)
    assert result.failing_diagnoses == ["bias_gradient_not_summed"]
    assert HourlyActivity.objects.get().submissions == 1


def test_publishing_that_fails_half_way_leaves_nothing(milestone, alice, monkeypatch):
    evaluation = making.waiting(place(alice), milestone)
    claim = dispatch.claim("worker")

    def breaks(*_):
        raise DatabaseError("the disk is full")

    monkeypatch.setattr(results, "recompute", breaks)
    with pytest.raises(DatabaseError):
        scoring.publish(claim, making.result())
    evaluation.refresh_from_db()
    assert (evaluation.state, evaluation.score) == ("running", None)
    for model in (CriterionScore, EvaluationEvidence, HourlyActivity, MilestoneResult, RubricVersion):
        assert not model.objects.exists()


def test_what_postgresql_refuses_does_not_lose_a_result(milestone, alice):
    hostile = contract.Measurement(
        key="a",
        title="\0\ud800",
        kind="quantity",
        status=contract.Status.WRONG,
        value=math.nan,
        evidence={"worst": math.inf, "text": "nul \0"},
    )
    evaluation = scored(place(alice), milestone, log="\0 and \udcff", measurements=(hostile,))
    evaluation.refresh_from_db()
    assert evaluation.log == "� and ?"
    assert evaluation.measurements[0]["title"] == "�?"
    assert evaluation.measurements[0]["value"] is None
    assert evaluation.measurements[0]["evidence"] == {"worst": None, "text": "nul �"}


def test_a_rubric_text_is_kept_once_per_version(milestone, alice):
    shipped = rubrics.shipped_text("basic-inference")
    scored(place(alice), milestone)
    scored(place(alice), milestone)
    milestone.rubric = rubrics.version_of(milestone, shipped + "# changed")
    milestone.save()
    scored(place(alice), milestone)
    assert list(RubricVersion.objects.values_list("version", "toml")) == [(1, shipped), (2, shipped + "# changed")]
    assert list(Evaluation.objects.order_by("pk").values_list("rubric_version__version", flat=True)) == [1, 1, 2]


def test_a_run_that_ends_after_the_rubric_changed_is_scored_by_the_new_one(milestone, alice):
    """Between the scoring in the worker and the publishing somebody applied another rubric."""
    making.waiting(place(alice), milestone)
    claim, asked = dispatch.claim("worker"), rubrics.in_force(milestone)
    harder = replace(asked.rubric, benchmark=replace(asked.rubric.benchmark, mark=0.98))
    milestone.rubric = rubrics.version_of(milestone, rubrics.text_of(milestone, harder))
    milestone.save()
    result = making.result(accuracy=0.93, needs_human=("a flag", INSIDE_THE_INTERVAL), shares={"code_quality": None})
    evaluation = scoring.publish(claim, result, scored_by=asked)
    assert (evaluation.benchmark_met, evaluation.needs_human) == (False, ["a flag"])
    assert evaluation.rubric_version == milestone.rubric
    # 20 of 100 for the accuracy along the anchors; nothing else was measured.
    assert evaluation.criteria.get(key="mnist_performance").points == pytest.approx(20 * 0.96)
    assert evaluation.score == pytest.approx(20 * 0.96)


# --- which attempt counts ---


def test_the_best_attempt_counts(milestone, alice):
    for share in (0.6, 0.9, 0.7):
        scored(place(alice), milestone, shares=share)
    assert (result_of(alice).score, result_of(alice).submission.attempt) == (90, 2)


def test_the_latest_attempt_counts_where_the_course_chose_that(milestone, alice):
    milestone.attempt_that_counts = COUNTED.LATEST
    milestone.save()
    for share in (0.9, 0.6):
        scored(place(alice), milestone, shares=share)
    result = result_of(alice)
    assert (result.score, result.submission.attempt, result.completed) == (60, 2, False)


def test_of_two_attempts_the_one_that_completes_counts(milestone, alice):
    scored(place(alice), milestone, shares=0.95, benchmark_met=False)
    scored(place(alice), milestone, shares=0.8)
    assert (result_of(alice).score, result_of(alice).completed) == (80, True)


def test_of_two_equal_attempts_the_earlier_counts(milestone, alice):
    scored(place(alice), milestone, shares=0.8)
    scored(place(alice), milestone, shares=0.8)
    assert result_of(alice).submission.attempt == 1


@pytest.mark.parametrize(
    ("share", "benchmark_met", "completed"),
    [(0.70, True, True), (0.69, True, False), (1.0, False, False), (1.0, None, False)],
)
def test_completing_takes_the_threshold_and_the_benchmark(milestone, alice, share, benchmark_met, completed):
    scored(place(alice), milestone, shares=share, benchmark_met=benchmark_met)
    assert result_of(alice).completed is completed


def test_a_milestone_can_have_its_own_threshold(milestone, alice):
    milestone.completion_threshold = 50
    milestone.save()
    scored(place(alice), milestone, shares=0.5)
    assert result_of(alice).completed


def test_a_criterion_nobody_has_marked_neither_counts_nor_blocks(milestone, alice):
    scored(place(alice), milestone, shares={"mathematical_correctness": 0.5, "code_quality": None})
    result = result_of(alice)
    assert result.score == round(100 * (20 + 30 + 20) / 90, 2)
    assert result.completed
    assert (result.unmarked, result.needs_human) == (1, True)
    assert result.criterion_points["code_quality"] is None


def test_being_late_costs_points_but_not_the_measurement(milestone, alice):
    milestone.late_penalty_per_day = 10
    milestone.save()
    scored(place(alice), milestone, shares=0.95, late=90_000)
    result = result_of(alice)
    assert (result.score_before_penalty, result.late_penalty, result.score) == (95, 20, 75)


def test_time_and_attempts_to_pass_are_those_of_the_first_completing_attempt(milestone, alice):
    start = timezone.now() - timedelta(days=3)
    scored(place(alice), milestone, shares=0.4, at=start)
    scored(place(alice), milestone, shares=0.8, at=start + timedelta(hours=30))
    scored(place(alice), milestone, shares=0.9, at=start + timedelta(hours=50))
    result = result_of(alice)
    assert (result.attempts, result.attempts_to_pass, result.hours_to_pass, result.score) == (3, 2, 30.0, 90)
    assert result.completed_at == start + timedelta(hours=30)


# --- marks of people ---


def test_an_override_counts_and_both_values_stay(milestone, alice, tia):
    evaluation = scored(place(alice), milestone, shares={"code_quality": 0.2})
    scoring.override(criterion(evaluation), points=8, reason="Readable in spite of Ruff.", by=tia)
    marked = criterion(evaluation)
    assert (marked.points, marked.effective_points) == (2, 8)
    assert (marked.latest_override.by, marked.latest_override.reason) == (tia, "Readable in spite of Ruff.")
    assert result_of(alice).score == 98
    event = AuditEvent.objects.get()
    assert (event.what, event.who, event.before, event.after) == (
        "override_score",
        tia,
        {"points": 2.0},
        {"points": 8},
    )


def test_a_second_override_replaces_the_first_and_hides_nothing(milestone, alice, tia, ivy):
    evaluation = scored(place(alice), milestone)
    scoring.override(criterion(evaluation), points=8, reason="Long functions.", by=tia)
    scoring.override(criterion(evaluation), points=9, reason="Only one of them.", by=ivy)
    assert criterion(evaluation).effective_points == 9
    assert [override.points for override in criterion(evaluation).overrides.all()] == [8, 9]
    assert AuditEvent.objects.order_by("id").last().before == {"points": 8.0}


def test_marking_an_unmarked_criterion_makes_it_count(milestone, alice, tia):
    evaluation = scored(place(alice), milestone, shares={"code_quality": None})
    scoring.override(criterion(evaluation), points=0, reason="Copied from the web.", by=tia)
    assert (result_of(alice).score, result_of(alice).unmarked) == (90, 0)


@pytest.mark.parametrize("reason", ["", "   ", "\n"])
def test_an_override_needs_a_reason(milestone, alice, tia, reason):
    evaluation = scored(place(alice), milestone)
    with pytest.raises(scoring.InvalidMark, match="reason"):
        scoring.override(criterion(evaluation), points=5, reason=reason, by=tia)
    assert not Override.objects.exists()


@pytest.mark.parametrize("points", [-0.5, 10.5, math.nan, math.inf])
def test_an_override_stays_between_zero_and_the_maximum(milestone, alice, tia, points):
    evaluation = scored(place(alice), milestone)
    with pytest.raises(scoring.InvalidMark, match="from 0 to 10"):
        scoring.override(criterion(evaluation), points=points, reason="Because.", by=tia)


def test_the_database_itself_refuses_an_override_without_a_reason(milestone, alice, tia):
    evaluation = scored(place(alice), milestone)
    with pytest.raises(IntegrityError, match="an_override_has_a_reason"), transaction.atomic():
        Override.objects.create(criterion_score=criterion(evaluation), points=1, reason=" ", by=tia)


@pytest.mark.parametrize("change", ["update", "delete"])
@pytest.mark.parametrize("model", [Override, AuditEvent])
def test_marks_and_the_audit_trail_can_only_be_added_to(milestone, alice, tia, model, change):
    evaluation = scored(place(alice), milestone)
    scoring.override(criterion(evaluation), points=8, reason="Long functions.", by=tia)
    rows = model.objects.all()
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        rows.update(reason="nothing happened") if change == "update" else rows.delete()
    assert model.objects.get().reason == "Long functions."


def test_running_again_carries_marks_over(milestone, alice, tia, ivy):
    first = scored(place(alice), milestone, shares=0.5, benchmark_met=None)
    scoring.override(criterion(first), points=10, reason="Beautiful.", by=tia)
    scoring.decide_benchmark(first, met=True, reason="Within the interval.", by=ivy)
    second = dispatch.rerun(first, by=ivy)
    scoring.publish(dispatch.claim("worker"), making.result(shares=0.6, benchmark_met=None))
    carried = criterion(second)
    assert (carried.points, carried.effective_points) == (6, 10)
    assert carried.latest_override.reason == f"Beautiful. (carried over from evaluation {first.pk})"
    assert (result_of(alice).score, result_of(alice).benchmark_met) == (64, True)


def test_a_person_decides_a_borderline_benchmark(milestone, alice, tia):
    evaluation = scored(place(alice), milestone, benchmark_met=None)
    assert (result_of(alice).completed, result_of(alice).needs_human) == (False, True)
    scoring.decide_benchmark(evaluation, met=True, reason="84.6 % on 10,000 images.", by=tia)
    assert (result_of(alice).completed, result_of(alice).needs_human) == (True, False)


# --- from scratch ---


def test_rebuilding_gives_what_was_computed_step_by_step(milestone, other_milestone, alice, bob, charlie, tia):
    milestone.late_penalty_per_day = 10
    milestone.save()
    start = timezone.now() - timedelta(days=2)
    for hours, person, share in ((0, alice, 0.4), (1, bob, 0.7), (1, alice, 0.9), (5, bob, 0.6), (30, alice, 0.2)):
        scored(place(person), milestone, shares=share, at=start + timedelta(hours=hours), late=hours * 3600)
    last = scored(place(charlie), other_milestone, shares={"code_quality": None}, benchmark_met=None)
    scoring.override(criterion(last), points=7, reason="Fine.", by=tia)
    dispatch.rerun(Evaluation.objects.earliest("id"), by=tia)
    scoring.publish(dispatch.claim("worker"), making.result(shares=0.5))
    dispatch.cancel(making.waiting(place(bob), milestone), by=bob)

    def rows(model, *hidden):
        return sorted(
            (
                {name: value for name, value in row.items() if name not in ("id", "updated_at", *hidden)}
                for row in model.objects.values()
            ),
            key=str,
        )

    before = rows(MilestoneResult), rows(HourlyActivity)
    assert len(before[0]) == 3
    assert sum(row["submissions"] for row in before[1]) == 6
    assert results.rebuild() == (3, len(before[1]))
    assert (rows(MilestoneResult), rows(HourlyActivity)) == before
