"""A re-run that is looked at first: nothing counts before somebody says so, and people's marks stay in every case."""

from __future__ import annotations

import pytest
from django.urls import reverse

from grading import rubrics
from grading.models import AuditEvent, Evaluation, MilestoneResult, Override, Submission
from grading.pipeline import dispatch, reruns, scoring
from milestones import rubric
from tests import making
from tests.conftest import place
from tests.scoring_kit import measured
from tests.visiting import client_of, text_of

pytestmark = pytest.mark.django_db
State = Evaluation.State


def score_of(person) -> float:
    return MilestoneResult.objects.get(enrollment__person=person).score


def measured_again(course, by, better: dict[str, float], **options):
    """A re-run of everything, carried out: code quality is found to be what ``better`` says, by user name."""
    values = {"what": "all", "reason": "A mended check.", "same_draws": True, "preview_first": True} | options
    begun = reruns.start(Submission.objects.all(), course=course, by=by, **values)
    while claim := dispatch.claim("test"):
        run = Evaluation.objects.select_related("submission__course_milestone__rubric", "student__person").get(
            pk=claim.evaluation_id
        )
        asked = rubrics.in_force(run.submission.course_milestone)
        earlier = run.submission.evaluations.filter(state=State.SCORED).latest("pk")
        share = better.get(run.student.person.username, 1.0)
        found = [
            making.contract.Measurement(
                key=each["key"], title=each["title"], kind=each["kind"], status=making.contract.Status.PASSED,
                value=share if each["key"].startswith("code_") else each["value"], n=each["n"], high=each["high"],
                low=each["low"],
            )
            for each in earlier.measurements
        ]  # fmt: skip
        scored = rubric.score(asked.rubric, found)
        result = making.result(
            measurements=tuple(found), criteria=scored.criteria, score=scored.score, level=scored.level,
            benchmark_met=scored.benchmark_met,
        )  # fmt: skip
        scoring.publish(claim, result, scored_by=asked)
    return begun


@pytest.fixture
def class_of_two(milestone, alice, bob):
    measured(place(alice), milestone, share=0.7)
    measured(place(bob), milestone, share=0.7)
    return {"alice": 1.0, "bob": 0.0}


def test_nothing_counts_before_it_is_applied_and_the_preview_says_what_then_happens(
    class_of_two, course, milestone, alice, bob, ivy
):
    before = score_of(alice), score_of(bob)
    rerun = measured_again(course, ivy, class_of_two)
    assert (score_of(alice), score_of(bob)) == before
    ((_, answer),) = reruns.what_if(rerun)
    assert (answer.everybody.rise, answer.everybody.fall, answer.helped.fall) == (1, 1, 0)
    promised = {each.student: each.after.score for each in answer.everybody.students}
    assert reruns.settle(rerun, reruns.ALL, by=ivy) == 2
    assert {place(person).pk: score_of(person) for person in (alice, bob)} == promised
    assert AuditEvent.objects.filter(what="rerun_counts").count() == 2
    with pytest.raises(reruns.NothingToRun, match="decided already"):
        reruns.settle(rerun, reruns.DISCARDED, by=ivy)


def test_only_where_it_helps_nobody_falls(class_of_two, course, alice, bob, ivy):
    before = score_of(alice), score_of(bob)
    rerun = measured_again(course, ivy, class_of_two)
    assert reruns.settle(rerun, reruns.HELPED, by=ivy) == 1
    assert score_of(alice) > before[0]
    assert score_of(bob) == before[1]


def test_discarding_changes_nothing(class_of_two, course, alice, bob, ivy):
    before = score_of(alice), score_of(bob)
    rerun = measured_again(course, ivy, class_of_two)
    assert reruns.settle(rerun, reruns.DISCARDED, by=ivy) == 0
    assert (score_of(alice), score_of(bob)) == before
    assert Evaluation.objects.filter(state=State.HELD_BACK).count() == 2


def test_the_marks_of_people_survive_and_a_run_that_does_not_count_takes_none(class_of_two, course, alice, tia, ivy):
    evaluation = Evaluation.objects.get(student=place(alice))
    scoring.override(evaluation.criteria.get(key="code_quality"), points=9, reason="Good names.", by=tia)
    rerun = measured_again(course, ivy, class_of_two)
    held = rerun.evaluations.get(student=place(alice))
    with pytest.raises(scoring.InvalidMark, match="does not count"):
        scoring.override(held.criteria.get(key="code_quality"), points=1, reason="Wrong run.", by=tia)
    reruns.settle(rerun, reruns.ALL, by=ivy)
    assert held.criteria.get(key="code_quality").effective_points == 9
    assert set(Override.objects.values_list("points", flat=True)) == {9}


def test_it_is_decided_when_all_has_ended(class_of_two, course, ivy):
    rerun = reruns.start(
        Submission.objects.all(),
        course=course,
        by=ivy,
        what="all",
        reason="A test.",
        same_draws=True,
        preview_first=True,
    )
    with pytest.raises(reruns.NothingToRun, match="under way"):
        reruns.settle(rerun, reruns.ALL, by=ivy)


def test_its_author_sees_nothing_of_a_run_that_is_held_back(class_of_two, course, alice, tia, ivy):
    rerun = measured_again(course, ivy, class_of_two)
    held = rerun.evaluations.get(student=place(alice))
    address = reverse("submission", args=[held.submission_id])
    page = text_of(client_of(alice).get(address, {"run": held.pk}))
    assert "Not counted" not in page
    assert f"{score_of(alice):.1f}".removesuffix(".0") in page
    assert "it does not count, and the student does not see it" in text_of(
        client_of(tia).get(address, {"run": held.pk})
    )


def test_the_page_shows_who_changes_and_an_instructor_decides(class_of_two, course, alice, tia, ivy):
    rerun = measured_again(course, ivy, class_of_two)
    address = reverse("rerun_of_many", args=[course.slug, rerun.pk])
    assert "An instructor decides." in text_of(client_of(tia).get(address))
    page = text_of(client_of(ivy).get(address))
    assert "Who changes (2)" in page
    client_of(ivy).post(reverse("settle_rerun", args=[course.slug, rerun.pk]), {"decision": "helped"})
    assert "they count where they help" in text_of(client_of(ivy).get(address))
