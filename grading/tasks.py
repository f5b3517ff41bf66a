"""The doors through which Celery comes in. A message carries nothing: the database says what there is to do."""

from __future__ import annotations

import socket
from typing import Any

import structlog
from billiard import current_process
from celery import shared_task
from celery.signals import heartbeat_sent, worker_init, worker_ready, worker_shutdown
from django.conf import settings

from grading import notifications
from grading.pipeline import dispatch, evaluation, workers

log = structlog.get_logger(__name__)


@shared_task(name="grading.tasks.wake")
def wake() -> None:
    """Claim the fairest waiting evaluation and carry it out; then pass the word on while more is waiting."""
    claim = dispatch.claim(worker=f"{socket.gethostname()} {current_process().name}")
    if claim is None:
        return
    try:
        evaluation.run(claim)
    finally:
        if dispatch.work_waits():
            dispatch.ping()


@shared_task(name="grading.tasks.sweep")
def sweep() -> None:
    """Heal what a lost worker or a lost message left behind."""
    dispatch.sweep()


@shared_task(name="grading.tasks.send_emails")
def send_emails() -> None:
    """Send the e-mail that waits. Where the mail server is in trouble, the next round tries again."""
    try:
        notifications.send_waiting()
    except OSError as trouble:  # smtplib's exceptions are OSErrors as well
        log.warning("emails_wait", why=str(trouble))


@shared_task(name="grading.tasks.tell_of_deadlines")
def tell_of_deadlines() -> None:
    """Tell students of due dates that have come near."""
    notifications.tell_of_deadlines()


# --- a worker's life ---


@worker_init.connect
def _prove_the_sandbox(sender: Any, **_: Any) -> None:
    """Fail closed: a worker whose sandbox does not hold takes no work, and says why.

    SystemExit, because Celery only logs an Exception of a signal's receiver and goes on.
    """
    try:
        from milestones.sandbox.probe import probe

        broken = [result for result in probe() if not result.passed]
    except Exception as trouble:
        log.exception("sandbox_probe_failed")
        raise SystemExit(f"This worker takes no work: its sandbox could not be tried ({trouble}).") from trouble
    if broken:
        reasons = "; ".join(f"{result.name}: {result.detail}" for result in broken)
        raise SystemExit(f"This worker takes no work, because its sandbox does not hold: {reasons}.")
    log.info("sandbox_holds")


@worker_ready.connect
@heartbeat_sent.connect
def _say_that_it_lives(sender: Any, **_: Any) -> None:
    """Announce this worker, and see to it that somebody sweeps.

    Beat calls for sweeps as well, but goes by the wall clock: set that back by an hour, and it is silent for an hour. Its
    messages expire by the worker's clock, too. A heartbeat comes by the monotonic clock, and this message never expires.
    """
    workers.announce(_name_of(sender), settings.WORKER_SLOTS)
    if workers.may_call_for_a_sweep():
        dispatch.call_for_a_sweep()


@worker_shutdown.connect
def _say_that_it_stops(sender: Any, **_: Any) -> None:
    workers.withdraw(_name_of(sender))


def _name_of(sender: Any) -> str:
    """Consumer, heart and worker all know the worker's name, each under its own attribute."""
    return getattr(sender, "hostname", None) or sender.eventer.hostname
