"""Measuring many submissions again: what is promised, what is done, what it leaves alone."""

from __future__ import annotations

import threading

import pytest
from django.db import connection

from grading.class_lists import chosen_for_rerun
from grading.models import AuditEvent, Evaluation, Person, Rerun, Submission
from grading.pipeline import dispatch, reruns, scoring, workers
from tests import making
from tests.conftest import enrol, place
from tests.publishing import failed, published, started

pytestmark = pytest.mark.django_db
State = Evaluation.State


@pytest.fixture(autouse=True)
def _many_slots(monkeypatch):
    monkeypatch.setattr(workers, "live_slots", lambda: 100)


def again(course, by, submissions=None, **values) -> Rerun:
    plain = {"what": "every attempt", "reason": "A corrected data set.", "same_draws": True}
    chosen = Submission.objects.all() if submissions is None else submissions
    return reruns.start(chosen, course=course, by=by, **plain | values)


def numbers_of(submissions) -> list[int]:
    return sorted(submissions.values_list("pk", flat=True))


def test_the_plan_says_how_many_of_whom_and_what_is_left_out(course, milestone, alice, bob, tia):
    first = published(place(alice), milestone)
    scoring.override(first.criteria.first(), points=1, reason="Looked at it.", by=tia)
    published(place(alice), milestone)
    published(place(bob), milestone)
    making.waiting(place(bob), milestone)
    plan = reruns.plan(Submission.objects.all())
    assert (plan.submissions, plan.students, plan.under_way, plan.with_marks) == (3, 2, 1, 1)
    assert plan.seconds is None


def test_the_plan_says_how_long_it_takes_once_enough_runs_are_known(course, milestone, alice, monkeypatch):
    monkeypatch.setattr(workers, "live_slots", lambda: 2)
    for _ in range(6):
        published(place(alice), milestone)
    assert reruns.plan(Submission.objects.all()).seconds == (6 * 12 / 2, 6 * 12 / 2)


def test_the_same_draws_are_those_of_the_result_that_stands_with_its_counts(course, milestone, alice, ivy):
    earlier = published(place(alice), milestone)
    rerun = again(course, ivy)
    repeated = rerun.evaluations.get()
    assert (repeated.seed, repeated.counts) == (earlier.seed, {"test_images": 2000})
    assert (repeated.state, repeated.batch, repeated.submission) == (State.QUEUED, True, earlier.submission)


def test_new_draws_have_a_new_seed_and_settle_their_counts_anew(course, milestone, alice, ivy):
    earlier = published(place(alice), milestone)
    repeated = again(course, ivy, same_draws=False).evaluations.get()
    assert repeated.seed != earlier.seed
    assert repeated.counts == {}


def test_a_re_run_waits_behind_live_work_uses_no_attempt_and_keeps_marks(course, milestone, alice, bob, tia, ivy):
    earlier = published(place(alice), milestone, shares=0.5)
    scoring.override(earlier.criteria.get(key="code_quality"), points=10, reason="Beautiful.", by=tia)
    repeated = again(course, ivy).evaluations.get()
    live = making.waiting(place(bob), milestone)
    assert dispatch.claim("worker").evaluation_id == live.pk
    claim = dispatch.claim("worker")
    assert claim.evaluation_id == repeated.pk
    assert place(alice).results.get().score == 55
    scoring.publish(claim, making.result(shares=0.6))
    assert (place(alice).results.get().score, place(alice).results.get().attempts_used) == (64, 1)


def test_what_has_a_run_under_way_is_left_out_and_a_second_press_of_the_button_runs_nothing(
    course, milestone, alice, ivy
):
    published(place(alice), milestone)
    again(course, ivy)
    with pytest.raises(reruns.NothingToRun, match="under way"):
        again(course, ivy)
    assert Evaluation.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_two_people_who_press_the_button_at_once_start_one_re_run(course, milestone, alice, ivy, tia):
    for _ in range(20):
        published(place(alice), milestone)
    together = threading.Barrier(2)
    refused = []

    def press(by: Person) -> None:
        try:
            together.wait()
            again(course, by)
        except reruns.NothingToRun:
            refused.append(by)
        finally:
            connection.close()

    threads = [threading.Thread(target=press, args=[person]) for person in (ivy, tia)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(refused), Rerun.objects.count(), Evaluation.objects.count()) == (1, 1, 40)


def test_a_re_run_without_a_reason_is_refused(course, milestone, alice, ivy):
    published(place(alice), milestone)
    with pytest.raises(reruns.NothingToRun, match="Say why"):
        again(course, ivy, reason="  ")
    assert Evaluation.objects.count() == 1


def test_what_a_re_run_was_is_kept_in_the_courses_history(course, milestone, alice, ivy):
    earlier = published(place(alice), milestone)
    rerun = again(course, ivy)
    event = AuditEvent.objects.get(what="rerun_submissions")
    assert (event.who, event.course, event.target) == (ivy, course, f"rerun {rerun.pk}")
    assert event.before == {"evaluations": [earlier.pk]}
    assert event.after == {"evaluations": [rerun.evaluations.get().pk], "same_draws": True}
    assert event.reason == "A corrected data set."


def test_a_re_run_that_is_stopped_leaves_what_is_published_and_costs_nobody(course, milestone, alice, bob, ivy, tia):
    dora = enrol(Person.objects.create_user("dora", email="dora@example.edu"), course)
    for student in (place(alice), place(bob), dora):
        published(student, milestone, shares=0.5)
    rerun = again(course, ivy)
    scoring.publish(dispatch.claim("worker"), making.result(shares=0.9))
    running = dispatch.claim("worker")
    assert reruns.cancel(rerun, by=tia) == 2
    assert not dispatch.renew(running)
    counts = reruns.counts_of([rerun])[rerun.pk]
    assert (counts.total, counts.scored, counts.cancelled, counts.is_over, counts.share) == (3, 1, 2, True, 1.0)
    assert sorted(student.results.get().score for student in (place(alice), place(bob), dora)) == [50, 50, 90]
    assert all(Submission.objects.values_list("counted_as_attempt", flat=True))
    assert dispatch.claim("worker") is None
    assert AuditEvent.objects.filter(what="cancel_rerun", who=tia).count() == 1


def test_submissions_are_chosen_by_what_became_of_them(course, milestone, alice, bob):
    worse = published(place(alice), milestone, shares=0.5)
    better = published(place(alice), milestone, shares=0.9)
    ours = failed(place(bob), milestone)

    def chosen(**asked) -> list[int]:
        plain = {"numbers": (), "milestone": "basic-inference", "which": ""}
        return numbers_of(chosen_for_rerun(Submission.objects.all(), **plain | asked)[0])

    everything = sorted(each.submission_id for each in (worse, better, ours))
    assert chosen(which="all") == everything
    assert chosen(which="counted") == [better.submission_id]
    assert chosen(which="failed") == [ours.submission_id]
    assert chosen(which="all", milestone="language-generation") == []
    assert chosen(which="nonsense") == []
    assert chosen(numbers=[str(worse.submission_id), "x", "²", "9" * 40]) == [worse.submission_id]


def test_a_run_that_failed_by_our_fault_runs_again_and_leaves_the_list_of_failures(course, milestone, alice, ivy):
    ours = failed(place(alice), milestone)
    again(course, ivy)
    scoring.publish(dispatch.claim("worker"), making.result())
    assert not chosen_for_rerun(Submission.objects.all(), numbers=(), milestone="", which="failed")[0].exists()
    assert place(alice).results.get().submission == ours.submission


def test_only_a_run_under_way_is_stopped(course, milestone, alice, bob, ivy):
    published(place(alice), milestone)
    started(place(bob), milestone)
    rerun = again(course, ivy, Submission.objects.filter(student=place(alice)))
    assert reruns.cancel(rerun, by=ivy) == 1
    assert reruns.cancel(rerun, by=ivy) == 0
    assert Evaluation.objects.get(student=place(bob)).state == State.RUNNING
