"""The queue on the real database: who is next, who may publish, and what is healed."""

from __future__ import annotations

import threading
import time
import uuid
from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest
from celery import Celery
from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from grading.models import AuditEvent, Course, CourseMilestone, Enrollment, Evaluation, Person, Submission
from grading.pipeline import dispatch, scoring, workers
from grading.pipeline.dispatch import Claim, ClaimLost
from tests import making
from tests.conftest import enrol, place

State = Evaluation.State


@pytest.fixture(autouse=True)
def _many_slots(db, monkeypatch):
    """Enough slots that the batch rule decides nothing, except where a test says how many there are."""
    monkeypatch.setattr(workers, "live_slots", lambda: 100)


def slots(monkeypatch, number: int) -> None:
    monkeypatch.setattr(workers, "live_slots", lambda: number)


def students(course: Course, count: int) -> list[Enrollment]:
    people = Person.objects.bulk_create(
        [Person(username=f"{course.slug}-{n}", email=f"{course.slug}-{n}@example.edu") for n in range(count)]
    )
    return [enrol(person, course) for person in people]


def claimed(count: int = 1) -> list[int | None]:
    found = [dispatch.claim("worker") for _ in range(count)]
    return [claim and claim.evaluation_id for claim in found]


def let_the_lease_run_out(evaluation: Evaluation) -> None:
    Evaluation.objects.filter(pk=evaluation.pk).update(lease_until=timezone.now() - timedelta(seconds=1))


# --- who is next ---


def test_the_oldest_waiting_evaluation_is_claimed_first(milestone, alice, bob):
    first = making.waiting(place(alice), milestone)
    second = making.waiting(place(bob), milestone)
    assert claimed(3) == [first.pk, second.pk, None]


def test_courses_take_turns_whatever_the_length_of_their_queues(milestone, other_milestone, charlie):
    crowd = [making.waiting(student, milestone) for student in students(milestone.course, 4)]
    late = making.waiting(place(charlie), other_milestone)
    assert claimed(3) == [crowd[0].pk, late.pk, crowd[1].pk]


def test_live_work_comes_before_batch_work(milestone, alice, bob):
    batch = making.waiting(place(alice), milestone, batch=True)
    live = making.waiting(place(bob), milestone)
    assert claimed(2) == [live.pk, batch.pk]


def test_a_student_runs_one_evaluation_at_a_time(milestone, alice, bob):
    first = making.waiting(place(alice), milestone)
    making.waiting(place(alice), milestone)
    other = making.waiting(place(bob), milestone)
    assert claimed(3) == [first.pk, other.pk, None]


def test_the_database_refuses_two_running_evaluations_of_a_student(milestone, alice):
    making.waiting(place(alice), milestone)
    second = making.waiting(place(alice), milestone)
    dispatch.claim("worker")
    with pytest.raises(IntegrityError, match="one_running_evaluation_per_student"), transaction.atomic():
        Evaluation.objects.filter(pk=second.pk).update(
            state=State.RUNNING, claim=uuid.uuid4(), started_at=timezone.now(), lease_until=timezone.now()
        )


def test_batch_work_never_takes_the_last_free_slot(milestone, monkeypatch):
    slots(monkeypatch, 2)
    batch = [making.waiting(student, milestone, batch=True) for student in students(milestone.course, 2)]
    assert claimed(2) == [batch[0].pk, None]


def test_a_single_slot_still_does_batch_work(milestone, alice, monkeypatch):
    slots(monkeypatch, 1)
    batch = making.waiting(place(alice), milestone, batch=True)
    assert claimed() == [batch.pk]


@pytest.mark.django_db(transaction=True)
def test_eight_claimers_at_once_claim_everything_once(course, other_course):
    milestones = [
        CourseMilestone.objects.create(course=each, milestone="basic-inference", number=1)
        for each in (course, other_course)
    ]
    crowd = [(student, each) for each in milestones for student in students(each.course, 60)]
    waiting = {making.waiting(student, each).pk for student, each in crowd}
    found: list[int] = []
    barrier = threading.Barrier(8)

    def claim_all(name: str) -> None:
        try:
            barrier.wait()
            while (claim := dispatch.claim(name)) is not None:
                found.append(claim.evaluation_id)
        finally:
            connection.close()

    threads = [threading.Thread(target=claim_all, args=(f"worker {n}",)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(found) == Counter(waiting)


# --- tokens and leases ---


def test_a_claim_has_a_token_and_a_lease_of_a_minute(milestone, alice):
    evaluation = making.waiting(place(alice), milestone)
    claim = dispatch.claim("worker 1")
    evaluation.refresh_from_db()
    assert (evaluation.state, evaluation.claim, evaluation.worker) == (State.RUNNING, claim.token, "worker 1")
    assert timedelta(seconds=58) < evaluation.lease_until - timezone.now() <= timedelta(seconds=60)


def test_renewing_lengthens_the_lease_and_shows_progress(milestone, alice):
    evaluation = making.waiting(place(alice), milestone)
    claim = dispatch.claim("worker")
    Evaluation.objects.update(lease_until=timezone.now() + timedelta(seconds=5))
    assert dispatch.renew(claim, {"phase": "training", "done": 0.5})
    evaluation.refresh_from_db()
    assert evaluation.progress == {"phase": "training", "done": 0.5}
    assert evaluation.lease_until - timezone.now() > timedelta(seconds=58)
    assert dispatch.renew(claim)
    evaluation.refresh_from_db()
    assert evaluation.progress == {"phase": "training", "done": 0.5}


def test_a_lost_lease_returns_the_same_evaluation_to_the_queue(milestone, alice):
    evaluation = making.waiting(place(alice), milestone)
    before = evaluation.queued_at
    dispatch.claim("worker")
    let_the_lease_run_out(evaluation)
    assert dispatch.sweep() == 1
    evaluation.refresh_from_db()
    assert (evaluation.state, evaluation.tries, evaluation.claim) == (State.QUEUED, 1, None)
    assert evaluation.queued_at == before
    assert evaluation.submission.counted_as_attempt


def test_a_lease_that_holds_is_left_alone(milestone, alice):
    evaluation = making.waiting(place(alice), milestone)
    dispatch.claim("worker")
    assert dispatch.sweep() == 0
    evaluation.refresh_from_db()
    assert evaluation.state == State.RUNNING


def test_after_three_lost_leases_a_person_is_asked_and_no_attempt_is_used(milestone, alice):
    evaluation = making.waiting(place(alice), milestone)
    for _ in range(3):
        dispatch.claim("worker")
        let_the_lease_run_out(evaluation)
        dispatch.sweep()
    evaluation.refresh_from_db()
    assert (evaluation.state, evaluation.tries) == (State.FAILED, 3)
    assert evaluation.needs_human == ["platform_failure"]
    assert not Submission.objects.get().counted_as_attempt
    assert dispatch.claim("worker") is None


def test_a_failure_of_ours_never_overwrites_a_grade(milestone, alice):
    evaluation = making.waiting(place(alice), milestone)
    scoring.publish(dispatch.claim("worker"), making.result(shares=0.8))
    again = dispatch.rerun(evaluation, by=None)
    for _ in range(3):
        dispatch.release(dispatch.claim("worker"), counted=True, why="the disk is full")
    again.refresh_from_db()
    assert again.state == State.FAILED
    assert place(alice).results.get().score == 80
    assert Submission.objects.get().counted_as_attempt


def test_a_worker_that_wakes_up_late_publishes_nothing(milestone, alice):
    evaluation = making.waiting(place(alice), milestone)
    late = dispatch.claim("sleeper")
    let_the_lease_run_out(evaluation)
    dispatch.sweep()
    second = dispatch.claim("successor")
    assert not dispatch.renew(late, {"phase": "old"})
    assert not dispatch.release(late, counted=True)
    with pytest.raises(ClaimLost):
        scoring.publish(late, making.result(shares=0.0))
    scoring.publish(second, making.result(shares=1.0))
    evaluation.refresh_from_db()
    assert (evaluation.state, evaluation.score) == (State.SCORED, 100)
    assert evaluation.criteria.count() == 4


def test_a_worker_that_is_told_to_stop_gives_back_uncounted(milestone, alice):
    evaluation = making.waiting(place(alice), milestone)
    assert dispatch.release(dispatch.claim("worker"), counted=False)
    evaluation.refresh_from_db()
    assert (evaluation.state, evaluation.tries) == (State.QUEUED, 0)
    assert claimed() == [evaluation.pk]


# --- cancelling and running again ---


def test_cancelling_a_wait_gives_the_attempt_back(milestone, alice):
    evaluation = making.waiting(place(alice), milestone)
    assert dispatch.cancel(evaluation, by=alice)
    evaluation.refresh_from_db()
    assert evaluation.state == State.CANCELLED
    assert not Submission.objects.get().counted_as_attempt
    assert claimed() == [None]
    assert AuditEvent.objects.get().what == "cancel_evaluation"


def test_a_student_who_cancels_a_run_that_they_watched_has_used_the_attempt(milestone, alice):
    evaluation = making.waiting(place(alice), milestone)
    claim = dispatch.claim("worker")
    assert dispatch.cancel(evaluation, by=alice)
    assert not dispatch.renew(claim)
    assert Submission.objects.get().counted_as_attempt


def test_a_run_that_staff_cancels_costs_the_student_nothing(milestone, alice, ivy):
    evaluation = making.waiting(place(alice), milestone)
    dispatch.claim("worker")
    assert dispatch.cancel(evaluation, by=ivy, reason="The data set was wrong.")
    assert not Submission.objects.get().counted_as_attempt


def test_what_has_ended_cannot_be_cancelled(milestone, alice):
    evaluation = making.waiting(place(alice), milestone)
    scoring.publish(dispatch.claim("worker"), making.result())
    assert not dispatch.cancel(evaluation, by=alice)
    evaluation.refresh_from_db()
    assert evaluation.state == State.SCORED


def test_running_again_adds_an_evaluation_and_keeps_the_old_one(milestone, alice, ivy):
    first = making.waiting(place(alice), milestone)
    scoring.publish(dispatch.claim("worker"), making.result(shares=0.5))
    second = dispatch.rerun(first, by=ivy, seed=42)
    scoring.publish(dispatch.claim("worker"), making.result(shares=0.9))
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.score, second.score, second.seed) == (50, 90, 42)
    assert place(alice).results.get().score == 90


def test_running_again_with_its_own_seed_replays_what_the_speed_of_the_machine_had_settled(milestone, alice, ivy):
    first = making.waiting(place(alice), milestone)
    first.counts = {"test_images": 2_000}
    first.save()
    assert dispatch.rerun(first, by=ivy, seed=first.seed).counts == {"test_images": 2_000}
    assert dispatch.rerun(first, by=ivy, seed=first.seed + 1).counts == {}
    assert dispatch.rerun(first, by=ivy).counts == {}


# --- messages ---


@pytest.mark.django_db(transaction=True)
def test_workers_are_told_after_the_commit_and_not_before(milestone, alice, monkeypatch):
    told = []
    monkeypatch.setattr(dispatch, "ping", lambda: told.append(Evaluation.objects.filter(state=State.QUEUED).count()))
    with transaction.atomic():
        making.waiting(place(alice), milestone)
        assert told == []
    assert told == [1]


@pytest.mark.django_db(transaction=True)
def test_a_broker_that_is_away_fails_no_upload_and_holds_it_up_for_no_second(milestone, alice, tmp_path, monkeypatch):
    away = Celery("away", broker=f"redis+socket://{tmp_path}/nobody.sock?virtual_host=0")
    away.conf.broker_transport_options = settings.CELERY_BROKER_TRANSPORT_OPTIONS
    monkeypatch.setattr(dispatch, "celery_app", away)
    began = time.monotonic()
    evaluation = making.waiting(place(alice), milestone)
    assert time.monotonic() - began < 1
    evaluation.refresh_from_db()
    assert evaluation.state == State.QUEUED


# --- position and estimate ---


def test_the_position_counts_the_turns_of_other_courses(milestone, other_milestone, charlie):
    crowd = [making.waiting(student, milestone) for student in students(milestone.course, 3)]
    other = making.waiting(place(charlie), other_milestone)
    assert [dispatch.queue_position(each) for each in crowd] == [0, 2, 3]
    assert dispatch.queue_position(other) == 1


def test_there_is_no_estimate_before_anything_was_measured(milestone, alice):
    assert dispatch.estimate(making.waiting(place(alice), milestone)) is None


def test_the_estimate_is_a_range_from_what_recent_runs_took(milestone, alice, bob, monkeypatch):
    slots(monkeypatch, 1)
    for seconds in (10.0, 10.0, 20.0, 30.0, 30.0):
        making.waiting(place(bob), milestone)
        scoring.publish(
            dispatch.claim("worker"),
            making.result(resources=making.contract.Resources(wall_seconds=seconds, cpu_seconds=seconds)),
        )
    making.waiting(place(bob), milestone)
    last = making.waiting(place(alice), milestone)
    estimate = dispatch.estimate(last)
    assert (estimate.ahead, estimate.seconds_low, estimate.seconds_high) == (1, 20.0, 60.0)


def test_a_claim_that_never_existed_holds_nothing():
    nobody = Claim(evaluation_id=1, token=uuid.uuid4())
    assert not dispatch.renew(nobody)


def test_the_database_has_the_claim_that_is_written_down(db):
    """A changed ``claim.sql`` without a migration would be read by people and run by nobody."""
    written = (Path(dispatch.__file__).parent / "claim.sql").read_text()
    with connection.cursor() as cursor:
        cursor.execute("select prosrc from pg_proc where proname = 'claim_evaluation'")
        ((stored,),) = cursor.fetchall()
    assert stored == written.partition("$$")[2].rpartition("$$")[0]
