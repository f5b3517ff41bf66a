"""The queue. The table of evaluations says what remains to do; a Celery message only says "there is work".

A claim gives a worker a **token** and a **lease**. Everything it does afterwards (renewing, showing progress,
publishing, giving back) is conditional on the token, so a worker that wakes up after its lease was lost can change
nothing.
"""

from __future__ import annotations

import math
import secrets
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import structlog
from django.conf import settings
from django.core.cache import cache
from django.db import connection, transaction
from django.db.models import F, QuerySet
from django.db.models.functions import Now
from kombu.exceptions import OperationalError as BrokerAway
from redis.exceptions import RedisError

from assessment_site.celery import app as celery_app
from grading import history
from grading.models import Evaluation, Person, Submission
from grading.pipeline import results, storable, workers

log = structlog.get_logger(__name__)
State = Evaluation.State
Value = TypeVar("Value")

#: One number for all claims of all workers: they take turns for the millisecond that a claim needs.
CLAIM_LOCK = 0x74696E79746F7263
#: The function that ``claim.sql`` defines in the database.
CLAIM = "select * from claim_evaluation(%(lock)s, %(takes_batch)s, %(slots)s, %(worker)s, %(lease)s)"
POSITIONS_SQL = (Path(__file__).parent / "positions.sql").read_text()
#: Fewer finished runs than this say nothing about the next one.
SAMPLES_FOR_ESTIMATE = 5

GIVEN_UP = "The platform failed {tries} times on this submission. A person has been asked to look; no attempt was used."


class ClaimLost(Exception):
    """The evaluation is no longer this worker's: cancelled, or its lease ran out. Stop; nothing can be published."""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One evaluation in the hands of one worker."""

    evaluation_id: int
    token: uuid.UUID


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """When the result may be there, in seconds from now: the quartiles of what recent runs of this milestone took."""

    ahead: int
    seconds_low: float
    seconds_high: float


def now() -> datetime:
    """The time by the database's clock, the only one that web servers and workers have in common."""
    with connection.cursor() as cursor:
        cursor.execute("select clock_timestamp()")
        return cursor.fetchone()[0]


# --- putting work in ---


def first_values(submission: Submission, *, batch: bool = False, seed: int | None = None) -> dict[str, Any]:
    """The fields of a new evaluation of ``submission``. The seed is secret until the result is published."""
    return {
        "submission": submission,
        "course_id": submission.course_milestone.course_id,
        "student_id": submission.student_id,
        "batch": batch,
        "seed": secrets.randbelow(2**63) if seed is None else seed,
    }


def enqueue(evaluation: Evaluation) -> None:
    """Put a received evaluation into the queue; workers are told once the surrounding transaction is committed."""
    Evaluation.objects.filter(pk=evaluation.pk, state=State.RECEIVED).update(state=State.QUEUED, queued_at=now())
    evaluation.refresh_from_db(fields=["state", "queued_at"])
    transaction.on_commit(ping)


def rerun(evaluation: Evaluation, *, by: Person | None, seed: int | None = None, batch: bool = False) -> Evaluation:
    """Run the submission of ``evaluation`` again, as a new evaluation beside the old one; marks are carried over.

    With its own seed it does exactly what it did before: the sizes that it settled on by the speed of the machine are
    replayed, so that a busier machine changes no point.
    """
    counts = evaluation.counts if seed == evaluation.seed else {}
    with transaction.atomic():
        again = Evaluation.objects.create(**first_values(evaluation.submission, batch=batch, seed=seed), counts=counts)
        history.record(
            "rerun_evaluation",
            target=f"submission {evaluation.submission_id}",
            by=by,
            course=evaluation.course_id,
            **history.concerning(evaluation.submission),
            before={"evaluation": evaluation.pk},
            after={"evaluation": again.pk},
        )
        enqueue(again)
    return again


def ping() -> None:
    """Tell one worker that there is work. A broker that is away fails nothing: the sweep pings again."""
    _send("grading.tasks.wake")


def call_for_a_sweep() -> None:
    """Have one worker :func:`sweep`."""
    _send("grading.tasks.sweep")


def _send(task: str) -> None:
    try:
        # By name: whoever takes uploads need not be able to evaluate them.
        celery_app.send_task(task, retry=False)
    except (BrokerAway, OSError) as trouble:
        log.warning("broker_away", trouble=str(trouble))


# --- taking work out ---


def claim(worker: str, takes_batch: bool = True) -> Claim | None:
    """Claim the fairest waiting evaluation for ``worker``, or None when there is none for it.

    One way to the database and back, as ``claim.sql`` explains. Batch work is left alone while it would take the last free
    slot of all live workers: an upload that arrives now must not wait for a class batch.
    """
    asked = {
        "lock": CLAIM_LOCK,
        "takes_batch": takes_batch,
        "slots": workers.live_slots(),
        "worker": worker[:120],
        "lease": settings.LEASE_SECONDS,
    }
    with connection.cursor() as cursor:
        cursor.execute(CLAIM, asked)
        row = cursor.fetchone()
    return None if row is None else Claim(evaluation_id=row[0], token=row[1])


def work_waits() -> bool:
    """Whether any evaluation is queued."""
    return Evaluation.objects.filter(state=State.QUEUED).exists()


def held(claim: Claim) -> QuerySet[Evaluation]:
    """The evaluation of ``claim`` as a queryset: empty when the claim was lost."""
    return Evaluation.objects.filter(pk=claim.evaluation_id, state=State.RUNNING, claim=claim.token)


def renew(claim: Claim, progress: Any = None) -> bool:
    """Lengthen the lease and, when given, show ``progress`` (a ``contract.Progress`` or JSON).

    False: the claim is lost.
    """
    with connection.cursor() as cursor:
        # The database's clock everywhere: leases are compared between machines.
        cursor.execute(
            "update grading_evaluation set lease_until = clock_timestamp() + make_interval(secs => %s),"
            " progress = coalesce(%s::jsonb, progress) where id = %s and state = 'running' and claim = %s",
            [
                settings.LEASE_SECONDS,
                None if progress is None else storable.json_text(progress),
                claim.evaluation_id,
                claim.token,
            ],
        )
        return cursor.rowcount == 1


def release(claim: Claim, *, counted: bool, why: str = "") -> bool:
    """Give a claim back unfinished. False: it was lost already.

    ``counted`` says that the run failed by our fault: it uses one of the three tries, and the last one ends the
    evaluation as failed. A worker that is told to stop gives back uncounted. No grade is touched either way.
    """
    with transaction.atomic():
        evaluation = held(claim).select_for_update(of=("self",)).first()
        if evaluation is None:
            return False
        _give_back(evaluation, counted=counted, why=why)
    return True


def _give_back(evaluation: Evaluation, *, counted: bool, why: str) -> None:
    """Return a locked, running evaluation to the queue, or end it as failed when its tries are used."""
    evaluation.tries += int(counted)
    evaluation.claim = evaluation.lease_until = evaluation.progress = None
    evaluation.log = storable.text(why) or evaluation.log
    if evaluation.tries < settings.MAXIMUM_TRIES:
        evaluation.state = State.QUEUED
        transaction.on_commit(ping)
    else:
        evaluation.state = State.FAILED
        evaluation.finished_at = now()
        evaluation.failure = GIVEN_UP.format(tries=evaluation.tries)
        evaluation.needs_human = ["platform_failure"]
        log.error("evaluation_failed", evaluation=evaluation.pk, why=why)
    evaluation.save()
    if evaluation.state == State.FAILED:
        _return_attempt(evaluation.submission)


def _return_attempt(submission: Submission) -> None:
    """A fault of ours, or a cancelled wait, uses no attempt: unless another run of the submission gave a result."""
    if not submission.evaluations.filter(state__in=[State.SCORED, State.QUEUED, State.RUNNING]).exists():
        Submission.objects.filter(pk=submission.pk).update(counted_as_attempt=False)
    results.recompute(submission.student, submission.course_milestone)


def cancel(evaluation: Evaluation, *, by: Person | None, reason: str = "") -> bool:
    """Stop an evaluation that waits or runs; a running worker notices at its next step. False: it had ended already."""
    with transaction.atomic():
        found = Evaluation.objects.select_for_update(of=("self",)).get(pk=evaluation.pk)
        if found.is_final:
            return False
        before = found.state
        found.state = State.CANCELLED
        found.claim = found.lease_until = found.progress = None
        found.finished_at = now()
        found.failure = storable.text(reason) or "Cancelled."
        found.save()
        history.record(
            "cancel_evaluation",
            target=f"evaluation {found.pk}",
            by=by,
            course=found.course_id,
            **history.concerning(found.submission),
            before={"state": before},
            after={"state": found.state},
            reason=found.failure,
        )
        # A student who watches checks arrive and cancels has measured, and used the attempt. A wait is free, and so is
        # whatever somebody else decided to cancel.
        if before != State.RUNNING or by is None or by.pk != found.submission.student.person_id:
            _return_attempt(found.submission)
    return True


# --- healing ---


def sweep() -> int:
    """Return evaluations whose lease ran out, and tell the workers while work waits. Answers how many were returned."""
    returned = 0
    with transaction.atomic():
        lost = Evaluation.objects.filter(state=State.RUNNING, lease_until__lt=Now())
        for evaluation in lost.select_for_update(skip_locked=True, of=("self",)).order_by("id"):
            log.warning("lease_lost", evaluation=evaluation.pk, worker=evaluation.worker, tries=evaluation.tries + 1)
            _give_back(evaluation, counted=True, why=f"The worker {evaluation.worker} stopped answering.")
            returned += 1
    running = Evaluation.objects.filter(state=State.RUNNING).count()
    waiting = Evaluation.objects.filter(state=State.QUEUED)[: workers.live_slots()].count()
    for _ in range(min(waiting, max(1, workers.live_slots() - running))):
        ping()
    return returned


# --- telling how long ---


def queue_positions(evaluations: Sequence[Evaluation]) -> dict[int, int]:
    """By id, how many waiting evaluations come before each that waits; 0 means next. One query."""
    waiting = [each.pk for each in evaluations if each.state == State.QUEUED]
    if not waiting:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(POSITIONS_SQL, {"ids": waiting})
        return dict(cursor.fetchall())


def queue_position(evaluation: Evaluation) -> int:
    """How many waiting evaluations come before this one; 0 means next, or that it does not wait. Cached for a second."""
    return _for_a_second(f"position:{evaluation.pk}", lambda: queue_positions([evaluation]).get(evaluation.pk, 0))


def estimate(evaluation: Evaluation) -> Estimate | None:
    """When the result of an evaluation under way may be there, or None while too few runs are known to say."""
    ahead = queue_position(evaluation) if evaluation.state == State.QUEUED else 0
    return estimates([evaluation], {evaluation.pk: ahead})[evaluation.pk]


def estimates(evaluations: Sequence[Evaluation], positions: Mapping[int, int]) -> dict[int, Estimate | None]:
    """By id, when each result may be there; ``positions`` as :func:`queue_positions` gives them.

    With ``ahead`` evaluations before it on ``slots`` slots, one starts after about ``ahead / slots`` of their
    durations and then takes one of its own. Durations: the quartiles of the last 50 results of the same milestone.
    """
    slots = max(1, workers.live_slots())
    moment = now()
    running = Evaluation.objects.filter(state=State.RUNNING).count()
    found: dict[int, Estimate | None] = {}
    for each in evaluations:
        quartiles = _wall_quartiles(each.submission.course_milestone.milestone)
        others = running - (each.state == State.RUNNING)
        ahead = positions.get(each.pk, 0)
        # All slots busy: one of them must end first. On average half of its run is over; at worst it has just begun.
        low, high = ahead // slots, math.ceil(ahead / slots) + (1 if others >= slots else 0)
        spent = (moment - each.started_at).total_seconds() if each.state == State.RUNNING else 0.0
        found[each.pk] = quartiles and Estimate(
            ahead=ahead,
            seconds_low=max(0.0, (low + 1) * quartiles[0] - spent),
            seconds_high=max(1.0, (high + 1) * quartiles[1] - spent),
        )
    return found


def batch_seconds(runs: Mapping[str, int]) -> tuple[float, float] | None:
    """How long so many runs by milestone take on the slots of now, as a range; None while too few are known to say."""
    known = {milestone: _wall_quartiles(milestone) for milestone in runs}
    if not runs or None in known.values():
        return None
    slots = max(1, workers.live_slots())
    low, high = (sum(count * known[milestone][end] for milestone, count in runs.items()) / slots for end in (0, 1))
    return low, high


def _wall_quartiles(milestone: str) -> tuple[float, float] | None:
    def read() -> tuple[float, ...]:
        recent = Evaluation.objects.filter(
            state=State.SCORED, submission__course_milestone__milestone=milestone, wall_seconds__isnull=False
        )
        seconds = sorted(recent.order_by(F("finished_at").desc()).values_list("wall_seconds", flat=True)[:50])
        if len(seconds) < SAMPLES_FOR_ESTIMATE:
            return ()
        return (seconds[len(seconds) // 4], seconds[min(len(seconds) - 1, math.ceil(len(seconds) * 3 / 4))])

    return _for_a_second(f"wall-quartiles:{milestone}", read) or None


def _for_a_second(key: str, read: Callable[[], Value]) -> Value:
    """What ``read`` answers, kept for a second, because many open pages ask the same. Works without Redis, uncached."""
    try:
        kept = cache.get(key)
        if kept is None:
            kept = read()
            cache.set(key, kept, timeout=1)
    except RedisError:
        return read()
    return kept
