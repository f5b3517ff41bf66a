"""The middle step: one claimed evaluation is carried out, in this process, by ``milestones.evaluate``.

What can happen, and what becomes of it:

- The student's code is wrong, slow or crashes: that is a **result**, and is published.
- The upload cannot be evaluated at all, though intake let it pass: published as a result of 0 with the sentence.
- Our own machinery fails: the claim is **given back**, counted as one of three tries. No grade is touched.
- The claim is lost (cancelled, or the lease ran out): the run stops and publishes nothing.
- The worker is told to stop: the claim is given back uncounted.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

import structlog
from django.conf import settings
from django.db import DatabaseError, InterfaceError, OperationalError, connection

from grading import rubrics
from grading.models import Evaluation
from grading.pipeline import dispatch, scoring
from grading.pipeline.dispatch import Claim, ClaimLost
from milestones import contract
from milestones.evaluate import evaluate
from milestones.rubric import nothing_measured

log = structlog.get_logger(__name__)

#: Progress is written at most this often, in seconds.
PROGRESS_SECONDS = 1.0
#: Between two tries to publish while the database is away.
PUBLISHING_PAUSE_SECONDS = 0.5


class WorkerStops(BaseException):
    """The worker was told to stop. Like KeyboardInterrupt, no ``except Exception`` may swallow it."""


def run(claim: Claim) -> None:
    """Carry out ``claim`` from the stored file to the published result. Never raises for what the submission does.

    Call it in the main thread of a worker process: the sandbox dies with the thread that launched it. A second thread
    with its own database connection renews the lease meanwhile.
    """
    evaluation = Evaluation.objects.select_related(
        "submission__course_milestone__course", "submission__course_milestone__rubric", "submission__student__person"
    ).get(pk=claim.evaluation_id)
    asked = rubrics.in_force(evaluation.submission.course_milestone)
    logger = log.bind(evaluation=evaluation.pk, tries=evaluation.tries)
    logger.info("evaluation_started")
    heartbeat = Heartbeat(claim)
    try:
        with stopping_politely():
            with heartbeat:
                result = _carry_out(evaluation, heartbeat)
            _publish(
                claim,
                result,
                phases=heartbeat.phases(),
                benchmark_measurement=asked.rubric.benchmark.measurement,
                scored_by=asked,
            )
    except ClaimLost:
        logger.warning("claim_lost")
    except WorkerStops:
        logger.warning("evaluation_given_back")
        dispatch.release(claim, counted=False)
        raise
    except Exception as trouble:
        logger.exception("evaluation_failed_by_our_fault")
        _give_back(claim, trouble)
    else:
        logger.info("evaluation_published", score=result.score, wall_seconds=round(result.resources.wall_seconds, 2))


def _publish(claim: Claim, result: contract.Evaluation, **values: Any) -> None:
    """Publish; while the database is away, try again for as long as the lease can be ours.

    A try that broke off may have been committed: then the next one finds the claim gone, and nothing is done twice.
    """
    deadline = time.monotonic() + settings.LEASE_SECONDS
    while True:
        try:
            scoring.publish(claim, result, **values)
        except (OperationalError, InterfaceError) as trouble:
            if time.monotonic() > deadline:
                raise
            log.warning("publishing_failed", evaluation=claim.evaluation_id, trouble=str(trouble))
            connection.close()
            time.sleep(PUBLISHING_PAUSE_SECONDS)
        else:
            return


def _give_back(claim: Claim, trouble: Exception) -> None:
    # When even this fails (the database is away), the lease runs out and the sweep does it.
    with contextlib.suppress(DatabaseError, InterfaceError):
        dispatch.release(claim, counted=True, why=f"{type(trouble).__name__}: {trouble}")


def _carry_out(evaluation: Evaluation, heartbeat: Heartbeat) -> contract.Evaluation:
    submission = evaluation.submission
    started = time.monotonic()
    with _named_file(submission.path, submission.original_name) as path:
        try:
            return evaluate(
                rubrics.milestone_of(submission.course_milestone),
                path,
                seed=evaluation.seed,
                datasets=settings.DATASETS_DIR,
                on_progress=heartbeat.show,
                counts=evaluation.counts or None,
                identity=identity_of(submission.student.person_id),
                benchmark_mark=submission.course_milestone.benchmark_mark,
                time_factor=submission.student.cpu_factor,
            )
        except contract.UnusableInput as unusable:
            return unusable_result(evaluation, str(unusable), wall_seconds=time.monotonic() - started)


def identity_of(person_id: int) -> bytes:
    """What fixes a student's draws: the same for all attempts, and no one can guess it without the secret key."""
    return hmac.new(settings.SECRET_KEY.encode(), f"student:{person_id}".encode(), hashlib.sha256).digest()


def unusable_result(evaluation: Evaluation, sentence: str, *, wall_seconds: float) -> contract.Evaluation:
    """The result of an upload in which nothing can be evaluated: 0 everywhere, and the sentence that says why."""
    rubric = rubrics.rubric_of(evaluation.submission.course_milestone)
    return contract.Evaluation(
        milestone=rubric.slug,
        number=rubric.number,
        score=0.0,
        maximum=100.0,
        level=contract.Level.INSUFFICIENT,
        benchmark_met=False,
        needs_human=(),
        criteria=nothing_measured(rubric, sentence),
        measurements=(),
        diagnoses=(),
        exhibits=(),
        resources=contract.Resources(wall_seconds=wall_seconds),
        seed=evaluation.seed,
        counts={},
        dataset="",
        practice_data=False,
        evaluator_version="",
        log="",
        notes=(sentence,),
    )


@contextlib.contextmanager
def _named_file(stored: Path, name: str) -> Iterator[Path]:
    """The stored file under the name that it was uploaded with: a single ``.py`` file goes by its name."""
    if not stored.is_file():
        raise contract.OurTrouble(f"The stored upload {stored.name} is missing.")
    with tempfile.TemporaryDirectory(prefix="evaluation-") as folder:
        path = Path(folder) / name
        path.symlink_to(stored)
        yield path


@contextlib.contextmanager
def stopping_politely() -> Iterator[None]:
    """While this process evaluates, a signal to stop raises :class:`WorkerStops` in it, once.

    When the soft-shutdown time is over, Celery signals the evaluating process: SIGQUIT, since ``REMAP_SIGTERM`` holds for
    billiard's own signals too, and SIGTERM without it. It comes twice in a row (for the request and for its result), and
    the second one must not interrupt the giving back; billiard's own handlers, set when a pool process starts, would let
    it kill. They are back after the block.
    """
    signals = (signal.SIGTERM, signal.SIGQUIT)

    def stop(number: int, frame: FrameType | None) -> None:
        for each in signals:
            signal.signal(each, signal.SIG_IGN)
        raise WorkerStops

    before = {each: signal.signal(each, stop) for each in signals}
    stopped = False
    try:
        yield
    except WorkerStops:
        stopped = True  # ignoring goes on: this process gives back and ends
        raise
    finally:
        if not stopped:
            for each, handler in before.items():
                signal.signal(each, handler)


class Heartbeat:
    """Renews a claim every ``RENEWAL_SECONDS`` and shows progress at most once a second, beside the running evaluation.

    The main thread only leaves its latest progress here, so a slow database never slows an evaluation; and it learns
    here, at its next step, that the claim was lost.
    """

    def __init__(self, claim: Claim) -> None:
        self.claim = claim
        self.lost = False
        self._progress: contract.Progress | None = None
        self._stop = threading.Event()
        self._news = threading.Event()
        self._thread = threading.Thread(target=self._beat, name=f"heartbeat-{claim.evaluation_id}", daemon=True)
        self._phases: dict[str, float] = {}
        self._phase: tuple[str, float] | None = None

    def show(self, progress: contract.Progress) -> None:
        """The ``on_progress`` callback of the evaluation. Raises :class:`ClaimLost` once the claim is lost."""
        self._change_phase(progress.phase)
        self._progress = progress
        self._news.set()
        if self.lost:
            raise ClaimLost(f"evaluation {self.claim.evaluation_id} is not ours any more")

    def phases(self) -> list[tuple[str, float]]:
        """(phase, seconds) in the order they were first entered; a phase that was entered twice is added up."""
        return [(name, round(seconds, 3)) for name, seconds in self._phases.items()]

    def _change_phase(self, name: str | None) -> None:
        now = time.monotonic()
        if self._phase is not None:
            before, since = self._phase
            self._phases[before] = self._phases.get(before, 0.0) + now - since
        self._phase = None if name is None else (name, now)

    def __enter__(self) -> Heartbeat:
        self._change_phase("Preparing")
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._change_phase(None)
        self._stop.set()
        self._news.set()
        self._thread.join()

    def _beat(self) -> None:
        try:
            # Signals belong to the main thread: an evaluation must be interrupted there, or its sandbox would stay.
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT, signal.SIGQUIT})
            renewed = time.monotonic()
            while not self._stop.is_set() and not self.lost:
                self._news.wait(timeout=max(0.0, renewed + settings.RENEWAL_SECONDS - time.monotonic()))
                if self._stop.is_set():
                    return
                self._news.clear()
                progress, self._progress = self._progress, None
                if progress is not None or time.monotonic() >= renewed + settings.RENEWAL_SECONDS:
                    self._renew(progress)
                    renewed = time.monotonic()
                self._stop.wait(timeout=PROGRESS_SECONDS)
        finally:
            connection.close()  # this thread's own

    def _renew(self, progress: contract.Progress | None) -> None:
        try:
            self.lost = not dispatch.renew(self.claim, progress)
        except (DatabaseError, InterfaceError):
            # The lease is still ours for most of a minute; the next beat tries again on a new connection.
            log.warning("renewal_failed", evaluation=self.claim.evaluation_id, exc_info=True)
            connection.close()
