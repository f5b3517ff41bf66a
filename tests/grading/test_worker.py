"""A real Celery worker in processes of its own: uploads become results, and a worker that dies costs only time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from grading.models import CourseMilestone, CriterionScore, Evaluation, MilestoneResult, Person, Submission
from grading.pipeline import dispatch, intake, reruns, workers
from milestones import registry
from milestones.catalog import samples
from tests.conftest import CHECKOUT, Worker, place, wait_until, worker_environment
from tests.making import packed, waiting

pytestmark = pytest.mark.sandbox

State = Evaluation.State
#: Each call of a layer burns CPU time: slow enough that a test can come in between, quick enough to wait for.
SLOW = """    def forward(self, x):
        import time
        end = time.process_time() + 0.08
        while time.process_time() < end:
            pass
"""


def sample_files(name: str) -> dict[str, bytes]:
    folder = registry.get("basic-inference").folder
    return samples.files_of(folder / "samples" / name)


def slow_package() -> dict[str, bytes]:
    """Our complete sample with a dense layer that burns CPU time first."""
    files = sample_files("forward_only")
    (name,) = [name for name in files if name.endswith("core/layers.py")]
    text = files[name].decode()
    assert text.count("    def forward(self, x):\n") >= 1
    return files | {name: text.replace("    def forward(self, x):\n", SLOW).encode()}


def hand_in(person: Person, milestone: CourseMilestone, files: dict[str, bytes]) -> Evaluation:
    submission = intake.receive(
        student=place(person), course_milestone=milestone, file=packed(files), original_name="work.zip"
    )
    return submission.evaluations.get()


def state_of(evaluation: Evaluation) -> str:
    evaluation.refresh_from_db()
    return evaluation.state


def until_scored(evaluation: Evaluation, *, seconds: float = 60) -> None:
    wait_until(lambda: state_of(evaluation) in Evaluation.FINAL, seconds=seconds, what="the result")
    assert state_of(evaluation) == State.SCORED, (evaluation.failure, evaluation.log)


def until_under_way(evaluation: Evaluation) -> None:
    """The evaluation runs and has shown progress, so its sandbox is at work."""
    wait_until(
        lambda: state_of(evaluation) == State.RUNNING and evaluation.progress, seconds=30, what="the run's beginning"
    )


def test_an_upload_becomes_a_published_result(worker: Worker, milestone, alice):
    evaluation = hand_in(alice, milestone, sample_files("forward_only"))
    until_scored(evaluation)
    assert evaluation.criteria.count() == 4
    assert evaluation.benchmark_met
    assert evaluation.accuracy is not None
    assert place(alice).results.get().score == pytest.approx(evaluation.score)
    assert evaluation.phases[0][0] == "Preparing"


def test_a_package_that_crashes_at_import_is_a_result_and_not_our_fault(worker: Worker, milestone, alice):
    evaluation = hand_in(alice, milestone, sample_files("crashes_at_import"))
    until_scored(evaluation)
    assert evaluation.tries == 0
    assert place(alice).results.get().completed is False


def test_the_same_upload_with_the_same_seed_gets_the_same_score(worker: Worker, milestone, alice, ivy):
    first = hand_in(alice, milestone, sample_files("weak_weights"))
    until_scored(first)
    second = dispatch.rerun(first, by=ivy, seed=first.seed)
    until_scored(second)
    assert (second.score, second.accuracy) == (first.score, first.accuracy)


def test_a_class_that_is_measured_again_with_the_same_draws_keeps_every_point(
    worker: Worker, course, milestone, alice, bob, ivy
):
    for person, sample in ((alice, "weak_weights"), (bob, "crashes_at_import")):
        until_scored(hand_in(person, milestone, sample_files(sample)))
    before = points_of(Evaluation.objects.all())
    rerun = reruns.start(
        Submission.objects.all(), course=course, by=ivy, what="all", reason="To see whether it holds.", same_draws=True
    )
    for evaluation in rerun.evaluations.all():
        until_scored(evaluation)
    assert points_of(rerun.evaluations.all()) == before
    assert reruns.counts_of([rerun])[rerun.pk].scored == 2


def points_of(evaluations) -> list[tuple]:
    fields = ("evaluation__student", "evaluation__accuracy", "key", "points")
    return sorted(CriterionScore.objects.filter(evaluation__in=evaluations).values_list(*fields), key=str)


def test_everybody_of_a_crowd_is_evaluated_once(worker: Worker, milestone, alice, bob):
    files = sample_files("crashes_at_import")
    crowd = [hand_in(person, milestone, files) for person in (alice, bob, alice, bob)]
    for evaluation in crowd:
        until_scored(evaluation)
    assert Evaluation.objects.count() == 4


def test_progress_is_shown_while_it_runs_and_cancelling_stops_it(worker: Worker, milestone, alice, bob, ivy):
    evaluation = hand_in(alice, milestone, slow_package())
    until_under_way(evaluation)
    assert {"phase", "message", "checks", "done"} <= set(evaluation.progress)
    assert dispatch.cancel(evaluation, by=ivy, reason="Wrong file.")
    following = hand_in(bob, milestone, sample_files("crashes_at_import"))
    until_scored(following, seconds=20)
    assert state_of(evaluation) == State.CANCELLED
    assert not MilestoneResult.objects.filter(enrollment=place(alice)).exclude(score=None).exists()


def lose_the_lease(evaluation: Evaluation) -> None:
    """What a minute of silence does."""
    Evaluation.objects.filter(pk=evaluation.pk).update(lease_until=timezone.now() - timedelta(seconds=1))


def test_killing_the_process_that_evaluates_costs_nothing_but_time(worker: Worker, milestone, alice):
    evaluation = hand_in(alice, milestone, slow_package())
    until_under_way(evaluation)
    for process in worker.evaluating_processes():
        os.kill(process, signal.SIGKILL)
    lose_the_lease(evaluation)
    until_scored(evaluation, seconds=120)
    assert evaluation.tries == 1
    assert (Submission.objects.get().counted_as_attempt, evaluation.criteria.count()) == (True, 4)


def test_killing_the_whole_worker_costs_nothing_but_time(worker: Worker, milestone, alice):
    evaluation = hand_in(alice, milestone, slow_package())
    until_under_way(evaluation)
    worker.kill()
    assert state_of(evaluation) == State.RUNNING
    lose_the_lease(evaluation)
    worker.start()
    until_scored(evaluation, seconds=120)
    assert evaluation.tries == 1
    assert place(alice).results.get().attempts_used == 1


def test_a_worker_that_is_stopped_by_a_deploy_gives_its_evaluation_back_uncounted(worker: Worker, milestone, alice):
    evaluation = hand_in(alice, milestone, slow_package())
    until_under_way(evaluation)
    worker.stop()
    assert (state_of(evaluation), evaluation.tries, evaluation.claim) == (State.QUEUED, 0, None)
    worker.start()
    until_scored(evaluation, seconds=120)
    assert evaluation.tries == 0


def test_a_live_worker_says_how_many_slots_it_has(worker: Worker):
    wait_until(lambda: workers.live(), seconds=10, what="the announcement")
    assert workers.live() == {f"slot-{worker.slot.number}@test": 1}


def test_a_stored_file_that_is_gone_is_our_fault_and_ends_with_a_person(worker: Worker, milestone, alice):
    with transaction.atomic():  # nobody sees the evaluation before its file is gone
        evaluation = hand_in(alice, milestone, {"tinytorch/core/tensor.py": b"class Tensor: pass"})
        evaluation.submission.path.unlink()
    wait_until(lambda: state_of(evaluation) in Evaluation.FINAL, seconds=30, what="the end")
    assert (evaluation.state, evaluation.tries, evaluation.needs_human) == (State.FAILED, 3, ["platform_failure"])
    assert not Submission.objects.get().counted_as_attempt


def test_a_worker_whose_sandbox_does_not_hold_takes_no_work_and_says_why(slot, db):
    command = [sys.executable, "-m", "celery", "-A", "assessment_site", "worker", "--concurrency", "1"]
    ended = subprocess.run(
        command,
        cwd=CHECKOUT,
        env=worker_environment(slot) | {"TINYTORCH_STATE_DIR": "/dev/null/nowhere"},  # no place for a sandbox
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode != 0
    assert "This worker takes no work" in ended.stderr
    assert " ready." not in ended.stdout + ended.stderr


def test_a_worker_calls_for_sweeps_without_beat(worker: Worker, milestone, alice):
    """Beat goes by the wall clock: when that is set back, it is silent for as long."""
    worker.beat.kill()
    worker.beat.wait()
    try:
        evaluation = waiting(place(alice), milestone)
        Evaluation.objects.filter(pk=evaluation.pk).update(
            state=State.RUNNING, claim=uuid.uuid4(), lease_until=timezone.now(), started_at=timezone.now()
        )
        wait_until(lambda: state_of(evaluation) != State.RUNNING, seconds=30, what="the sweep")
        assert evaluation.tries >= 1
    finally:
        worker.start_beat()
