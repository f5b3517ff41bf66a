"""Another rubric for what was measured before: who rises and falls, for whom it holds, and all of it taken back."""

from __future__ import annotations

from dataclasses import replace

import pytest
from django.db import DatabaseError
from django.urls import reverse

from grading import rubrics
from grading.models import (
    AuditEvent,
    CourseMilestone,
    CriterionScore,
    Evaluation,
    MilestoneResult,
    Override,
    Rescoring,
    RubricVersion,
)
from grading.pipeline import rescoring, results, scoring
from tests.conftest import place
from tests.publishing import published
from tests.scoring_kit import measured, typed
from tests.visiting import client_of, rows_of, text_of

Reach = Rescoring.Reach

pytestmark = pytest.mark.django_db


def with_percents(milestone: CourseMilestone, **percents: float):
    """The rubric in force with other weights."""
    rubric = rubrics.rubric_of(milestone)
    criteria = tuple(replace(each, percent=percents.get(each.key, each.percent)) for each in rubric.criteria)
    return replace(rubric, criteria=criteria)


def with_mark(milestone: CourseMilestone, mark: float):
    rubric = rubrics.rubric_of(milestone)
    return replace(rubric, benchmark=replace(rubric.benchmark, mark=mark))


@pytest.fixture
def heavier(milestone):
    """Code Quality counts 30 instead of 10, mathematics 20 instead of 40."""
    return with_percents(milestone, code_quality=30, mathematical_correctness=20)


def apply(milestone, rubric, by, *, reach=Reach.ALL, seen=None) -> Rescoring:
    milestone.refresh_from_db()
    return rescoring.apply(milestone, rubric, reach=reach, reason="A test.", by=by, seen=seen)


def everything() -> dict:
    """All that a rescoring may touch, by value."""
    runs = Evaluation.objects.order_by("pk").values_list("pk", "score", "level", "benchmark_met", "needs_human")
    criteria = CriterionScore.objects.order_by("pk").values_list(
        "pk", "title", "points", "maximum", "level", "explanation"
    )
    stands = MilestoneResult.objects.order_by("pk").values_list(
        "enrollment", "score", "level", "completed", "submission", "criterion_points"
    )
    return {"runs": list(runs), "criteria": list(criteria), "results": list(stands)}


def effective(evaluation: Evaluation, key: str = "code_quality") -> float:
    return evaluation.criteria.get(key=key).effective_points


def score_of(person) -> float:
    return place(person).results.get().score


# --- what if ---


def test_the_preview_says_what_applying_then_does(milestone, alice, bob, ivy):
    measured(place(alice), milestone, share=0.5, accuracy=0.96)
    measured(place(bob), milestone, share=1.0, accuracy=0.60)
    rubric = with_percents(milestone, mnist_performance=50, mathematical_correctness=10)
    promised = rescoring.what_if(milestone, rubric).everybody
    assert (promised.rise, promised.fall, promised.levels_up, promised.levels_down) == (1, 1, 1, 1)
    before = {each.student: each.before.score for each in promised.students}
    assert before == {place(alice).pk: score_of(alice), place(bob).pk: score_of(bob)}
    apply(milestone, rubric, ivy)
    after = {each.student: each.after.score for each in promised.students}
    assert after == {place(alice).pk: score_of(alice), place(bob).pk: score_of(bob)}
    assert after[place(alice).pk] == pytest.approx(0.5 * 50 + 50)


def test_a_preview_changes_nothing(milestone, alice):
    measured(place(alice), milestone, share=0.5)
    before = everything()
    rubric = with_percents(milestone, mnist_performance=50, mathematical_correctness=10)
    assert rescoring.what_if(milestone, rubric).everybody.changed
    assert (everything(), Rescoring.objects.count(), RubricVersion.objects.count()) == (before, 0, 0)


def test_a_higher_mark_takes_a_completion_away_and_says_so_before(milestone, alice, bob, ivy):
    measured(place(alice), milestone, accuracy=0.88)
    measured(place(bob), milestone, accuracy=0.97)
    preview = rescoring.what_if(milestone, with_mark(milestone, 0.95)).everybody
    assert (preview.rise, preview.fall, preview.completed_only_before) == (0, 0, 1)
    assert [each.student for each in preview.changed] == [place(alice).pk]
    apply(milestone, with_mark(milestone, 0.95), ivy)
    assert not place(alice).results.get().completed
    assert place(bob).results.get().completed


def test_a_mark_inside_the_interval_asks_for_a_person(milestone, alice, ivy):
    evaluation = measured(place(alice), milestone, accuracy=0.948)
    apply(milestone, with_mark(milestone, 0.95), ivy)
    evaluation.refresh_from_db()
    assert (evaluation.benchmark_met, len(evaluation.needs_human)) == (None, 1)


# --- for whom ---


def test_only_where_it_helps_nobody_falls(milestone, alice, bob, ivy):
    measured(place(alice), milestone, share=0.5, accuracy=0.96)
    measured(place(bob), milestone, share=1.0, accuracy=0.60)
    before = score_of(alice), score_of(bob)
    step = apply(milestone, with_percents(milestone, mnist_performance=50, mathematical_correctness=10), ivy,
                 reach=Reach.HELPED)  # fmt: skip
    assert score_of(alice) > before[0]
    assert score_of(bob) == before[1]
    assert step.evaluations.count() == 1


def test_for_new_submissions_only_leaves_the_old_ones(milestone, alice, bob, heavier, ivy):
    measured(place(alice), milestone, share=0.5)
    before = everything()
    apply(milestone, heavier, ivy, reach=Reach.NONE)
    assert everything() == before
    milestone.refresh_from_db()
    assert measured(place(bob), milestone, share=0.5).criteria.get(key="code_quality").maximum == 30


# --- what people marked ---


def test_a_mark_survives_as_the_same_share_and_says_so(milestone, alice, tia, ivy, heavier):
    evaluation = measured(place(alice), milestone, share=0.5)
    scoring.override(evaluation.criteria.get(key="code_quality"), points=9, reason="Good names.", by=tia)
    apply(milestone, heavier, ivy)
    mark = evaluation.criteria.get(key="code_quality").latest_override
    assert (mark.points, mark.by) == (27, tia)
    assert mark.reason == "Good names. (was 9 of 10, scaled by rubric 2)"
    # What was not given another maximum is not touched.
    assert not Override.objects.exclude(criterion_score__key="code_quality").exists()


def test_a_result_of_0_for_an_unusable_upload_stays_0(milestone, alice, ivy, heavier):
    evaluation = published(place(alice), milestone, shares=0.0, benchmark_met=False, measurements=(), notes=("Empty.",))
    apply(milestone, heavier, ivy)
    assert [(each.points, each.explanation) for each in evaluation.criteria.all()] == [(0, "Empty.")] * 4
    assert score_of(alice) == 0


def test_a_run_with_other_criteria_is_left_as_it_is_and_counted(milestone, alice, ivy, heavier):
    evaluation = measured(place(alice), milestone)
    evaluation.criteria.filter(key="code_quality").update(key="style")
    before = everything()
    assert rescoring.what_if(milestone, heavier).left_out == 1
    apply(milestone, heavier, ivy)
    assert everything() == before


# --- taking back ---


def test_undo_puts_everything_back_in_one_step(milestone, alice, bob, tia, ivy, heavier):
    first = measured(place(alice), milestone, share=0.5)
    measured(place(bob), milestone, share=0.7, accuracy=0.7)
    scoring.override(first.criteria.get(key="code_quality"), points=7, reason="Good names.", by=tia)
    before = everything()
    step = apply(milestone, with_percents(milestone, code_quality=9, mathematical_correctness=41), ivy)
    assert everything() != before
    rescoring.undo(step, by=ivy)
    assert everything() == before
    assert effective(first) == 7
    milestone.refresh_from_db()
    assert milestone.rubric is None
    assert [event.what for event in AuditEvent.objects.order_by("pk")] == [
        "override_score",
        "rescore",
        "change_rubric",
        "undo_rescore",
        "undo_rubric",
    ]
    # Bob did as well in everything that weighs differently: his score is what it was, and his history says nothing.
    assert AuditEvent.objects.get(what="rescore").student == place(alice)


def test_undo_keeps_what_people_marked_meanwhile(milestone, alice, tia, ivy, heavier):
    evaluation = measured(place(alice), milestone, share=0.5)
    step = apply(milestone, heavier, ivy)
    scoring.override(evaluation.criteria.get(key="code_quality"), points=24, reason="Good names.", by=tia)
    rescoring.undo(step, by=ivy)
    assert (effective(evaluation), evaluation.criteria.get(key="code_quality").maximum) == (8, 10)


def test_undo_scores_what_came_meanwhile_by_the_rubric_that_is_back(milestone, alice, bob, ivy, heavier):
    measured(place(alice), milestone)
    step = apply(milestone, heavier, ivy)
    milestone.refresh_from_db()
    later = measured(place(bob), milestone, share=0.5)
    later.rubric_version = step.after
    later.save()
    rescoring.undo(step, by=ivy)
    assert later.criteria.get(key="code_quality").maximum == 10


def test_only_the_newest_change_can_be_undone(milestone, alice, ivy, heavier):
    measured(place(alice), milestone)
    first = apply(milestone, heavier, ivy)
    second = apply(milestone, with_mark(milestone, 0.8), ivy, seen=first.after_id)
    with pytest.raises(rescoring.NotApplied, match="newest"):
        rescoring.undo(first, by=ivy)
    rescoring.undo(second, by=ivy)
    rescoring.undo(first, by=ivy)
    with pytest.raises(rescoring.NotApplied, match="only once"):
        rescoring.undo(first, by=ivy)


# --- nothing half-applied ---


def test_an_error_half_way_leaves_everything_as_it_was(milestone, alice, ivy, heavier, monkeypatch):
    measured(place(alice), milestone)
    before = everything()

    def breaks(*_):
        raise DatabaseError("the disk is full")

    monkeypatch.setattr(results, "recompute_many", breaks)
    with pytest.raises(DatabaseError):
        apply(milestone, heavier, ivy)
    milestone.refresh_from_db()
    assert (everything(), milestone.rubric, Rescoring.objects.count()) == (before, None, 0)


def test_who_started_from_an_older_rubric_is_told(milestone, alice, ivy, heavier):
    apply(milestone, heavier, ivy)
    with pytest.raises(rescoring.NotApplied, match="Somebody else"):
        apply(milestone, with_mark(milestone, 0.9), ivy, seen=None)


# --- the page ---


def address(milestone, name="preview_rubric") -> str:
    return reverse(name, args=[milestone.course.slug, milestone.milestone])


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"percent__code_quality": "20"}, "The criteria add up to 110 percent, not to 100."),
        ({"percent__code_quality": "0"}, "Criterion Code Quality: a weight is a number above 0, at most 100."),
        ({"percent__code_quality": "ten"}, "Weight (%): Enter a number."),
        ({"mark": "nan"}, "Benchmark mark: Enter a number."),
        ({"mark": ""}, "Benchmark mark: This field is required."),
        ({"value__mnist_performance": ["0.5", "0.4"], "share__mnist_performance": ["0", "100"]}, "rising anchors"),
        ({"value__mnist_performance": ["0.5", "x"], "share__mnist_performance": ["0", "100"]}, "an anchor is two numbers"),
    ],
)  # fmt: skip
def test_what_cannot_be_a_rubric_gets_one_sentence_and_changes_nothing(milestone, alice, ivy, changes, sentence):
    measured(place(alice), milestone)
    before = everything()
    data = typed(milestone, **changes, reach="all", reason="A test.", seen="0")
    for name in ("preview_rubric", "apply_rubric"):
        answer = client_of(ivy).post(address(milestone, name), data)
        assert answer.status_code == 200
        assert sentence in text_of(answer)
        assert "Nothing was changed." in text_of(answer)
    assert (everything(), Rescoring.objects.count()) == (before, 0)


def test_the_form_as_it_comes_changes_nothing(milestone, ivy):
    answer = client_of(ivy).post(address(milestone), typed(milestone))
    assert "This is the rubric that is in force." in text_of(answer)
    data = typed(milestone, reach="all", reason="A test.", seen="0")
    assert "nothing was changed" in text_of(client_of(ivy).post(address(milestone, "apply_rubric"), data))


def test_who_changes_can_be_had_as_a_file(milestone, alice, bob, ivy):
    measured(place(alice), milestone, share=0.5, accuracy=0.96)
    measured(place(bob), milestone)
    data = typed(milestone, percent__mnist_performance="50", percent__mathematical_correctness="10", csv="students")
    rows = rows_of(client_of(ivy).post(address(milestone), data))
    assert [row[:2] for row in rows[1:]] == [["Bob Brandt", "bob"], ["Alice Ames", "alice"]]
    scores = rows_of(client_of(ivy).post(address(milestone), data | {"csv": "scores"}))
    assert scores[0] == ["Score", "Students now", "Students afterwards"]
    assert sum(int(row[2]) for row in scores[1:]) == 2


def test_the_milestone_page_states_the_rubric_that_is_in_force(milestone, alice, ivy):
    data = typed(
        milestone, percent__code_quality="5", percent__mathematical_correctness="45", title__code_quality="Style",
        reach="none", reason="Names matter less.", seen="0",
    )  # fmt: skip
    answer = client_of(ivy).post(address(milestone, "apply_rubric"), data)
    assert answer.status_code == 302
    page = text_of(client_of(alice).get(reverse("milestone", args=[milestone.course.slug, milestone.milestone])))
    assert "Style 5 %" in page
    assert "Code Quality" not in page
    versions = {"one": "1", "other": "2"}
    compared = text_of(client_of(ivy).get(address(milestone, "compare_rubrics"), versions))
    assert "Code Quality: title Code Quality Style" in compared
    assert "as shipped" in text_of(client_of(ivy).get(address(milestone, "rubric")))
