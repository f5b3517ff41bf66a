"""Regrade requests: who may ask, about what and until when; how they are answered; what stays in the history."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from grading import history, regrades
from grading.models import AuditEvent, CriterionScore, Evaluation, MilestoneResult, RegradeRequest
from grading.pipeline import dispatch, scoring
from tests import making
from tests.conftest import place
from tests.publishing import published

pytestmark = pytest.mark.django_db
State = RegradeRequest.State


def code_quality(evaluation: Evaluation) -> CriterionScore:
    return CriterionScore.objects.get(evaluation=evaluation, key="code_quality")


@pytest.fixture
def evaluation(alice, milestone) -> Evaluation:
    return published(place(alice), milestone, shares=0.5)


@pytest.fixture
def asked(evaluation, alice) -> RegradeRequest:
    return regrades.ask(code_quality(evaluation), student=place(alice), text="It is documented.")


def test_a_request_is_kept_with_its_text_and_a_day_for_the_answer(asked, alice):
    assert (asked.state, asked.text, asked.assignee) == (State.OPEN, "It is documented.", None)
    assert timedelta(days=6) < asked.answer_due - timezone.now() <= timedelta(days=7)
    event = AuditEvent.objects.get(what="ask_regrade")
    assert (event.who, event.student, event.reason) == (alice, place(alice), "It is documented.")


def test_one_request_for_a_criterion_at_a_time(asked, evaluation, alice):
    with pytest.raises(regrades.RegradeRefused, match="open already"):
        regrades.ask(code_quality(evaluation), student=place(alice), text="Again.")
    regrades.ask(evaluation.criteria.first(), student=place(alice), text="This one too.")
    assert RegradeRequest.objects.count() == 2


def test_an_open_request_stays_the_one_after_the_file_was_measured_again(asked, evaluation, alice, tia):
    again = dispatch.rerun(evaluation, by=tia)
    scoring.publish(dispatch.claim("worker"), making.result(shares=0.6))
    for criterion, why in ((code_quality(again), "open already"), (code_quality(evaluation), "open already")):
        with pytest.raises(regrades.RegradeRefused, match=why):
            regrades.ask(criterion, student=place(alice), text="Again.")
    with pytest.raises(regrades.RegradeRefused, match="measured again"):
        regrades.ask(evaluation.criteria.first(), student=place(alice), text="The old run.")
    answered = regrades.answer(asked, text="Right.", points=9, by=tia)
    assert answered.override.criterion_score == code_quality(again)
    assert MilestoneResult.objects.get().score == pytest.approx(63)


def test_the_days_to_ask_begin_with_the_result_a_later_mark_or_the_release(evaluation, alice, tia, milestone):
    milestone.regrade_days = 3
    milestone.save()
    criterion = code_quality(Evaluation.objects.get(pk=evaluation.pk))
    later = timezone.now() + timedelta(days=4)
    with pytest.raises(regrades.RegradeRefused, match="is over"):
        regrades.ask(criterion, student=place(alice), text="Late.", now=later)
    assert not RegradeRequest.objects.exists()
    Evaluation.objects.update(finished_at=timezone.now() - timedelta(days=9))
    with pytest.raises(regrades.RegradeRefused, match="is over"):
        regrades.ask(code_quality(evaluation), student=place(alice), text="Late.")
    scoring.override(code_quality(evaluation), points=3, reason="Tangled.", by=tia)
    assert regrades.ask(code_quality(evaluation), student=place(alice), text="Just marked.").state == State.OPEN
    other = evaluation.criteria.first().pk
    with pytest.raises(regrades.RegradeRefused, match="is over"):
        regrades.ask(CriterionScore.objects.get(pk=other), student=place(alice), text="Not this one.")
    history.record(
        history.RELEASED, target=f"course_milestone {milestone.pk}", by=tia, course=milestone.course,
        course_milestone=milestone,
    )  # fmt: skip
    assert regrades.ask(CriterionScore.objects.get(pk=other), student=place(alice), text="Released today.")


@pytest.mark.parametrize("text", ["", "  \n", "x" * 4001])
def test_a_request_says_why_in_a_length_that_somebody_reads(evaluation, alice, text):
    with pytest.raises(regrades.RegradeRefused, match="Nothing was sent"):
        regrades.ask(code_quality(evaluation), student=place(alice), text=text)


def test_a_withdrawn_request_is_not_answered_and_another_can_follow(asked, evaluation, alice, tia):
    regrades.withdraw(asked, by=alice)
    with pytest.raises(regrades.RegradeRefused, match="withdrawn"):
        regrades.answer(asked, text="Right.", points=9, by=tia)
    assert code_quality(evaluation).effective_points == 5
    regrades.ask(code_quality(evaluation), student=place(alice), text="After all.")


def test_an_answer_that_changes_is_a_mark_with_the_answer_as_its_reason(asked, evaluation, alice, tia):
    answered = regrades.answer(asked, text="You are right.", points=9, by=tia, seen=0)
    mark = code_quality(evaluation).latest_override
    assert (answered.state, answered.override, answered.answered_by) == (State.CHANGED, mark, tia)
    assert (mark.points, mark.reason) == (9, "You are right.")
    assert MilestoneResult.objects.get().score == 54
    said = AuditEvent.objects.get(what="answer_regrade")
    assert (said.before["points"], said.after) == (5, {"state": "changed", "points": 9})


def test_an_answer_can_leave_the_points(asked, evaluation, tia):
    answered = regrades.answer(asked, text="Three functions have no docstring.", by=tia)
    assert (answered.state, answered.override) == (State.UNCHANGED, None)
    assert code_quality(evaluation).latest_override is None


def test_changing_to_the_same_points_is_no_change_and_is_refused(asked, tia):
    with pytest.raises(regrades.RegradeRefused, match="already"):
        regrades.answer(asked, text="Here.", points=5, by=tia)
    asked.refresh_from_db()
    assert asked.state == State.OPEN


def test_points_that_cannot_be_given_leave_the_request_open(asked, evaluation, tia):
    with pytest.raises(scoring.InvalidMark, match="0 to 10"):
        regrades.answer(asked, text="More.", points=11, by=tia)
    asked.refresh_from_db()
    assert (asked.state, asked.answer) == (State.OPEN, "")


def test_the_second_to_answer_is_told_who_was_first(asked, tia, ivy):
    regrades.answer(asked, text="No.", by=tia)
    with pytest.raises(regrades.RegradeRefused, match="Tia Torres has answered"):
        regrades.answer(asked, text="Yes.", points=9, by=ivy)


def test_an_answer_does_not_overwrite_a_mark_that_its_author_has_not_seen(asked, evaluation, tia, ivy):
    scoring.override(code_quality(evaluation), points=7, reason="Better than that.", by=ivy)
    with pytest.raises(scoring.MarkChanged, match="Ivy Ito marked this meanwhile"):
        regrades.answer(asked, text="Right.", points=9, by=tia, seen=0)
    asked.refresh_from_db()
    assert (asked.state, code_quality(evaluation).effective_points) == (State.OPEN, 7)


def test_who_takes_care_and_until_when_is_in_the_history_only_when_it_changes(asked, tia):
    due = timezone.now() + timedelta(days=2)
    for _ in range(2):
        regrades.assign(asked, assignee=tia, answer_due=due, by=tia)
    assert AuditEvent.objects.get(what="assign_regrade").after["assignee"] == "tia"
