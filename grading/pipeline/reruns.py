"""Measuring many submissions again: as one batch that says how far it is, can be stopped, and overwrites nothing.

Every submission gets a new evaluation beside its old ones, behind all live work. The earlier result stays until the new one
is there; marks and decisions of people are carried over when it is published (``scoring``); no attempt is used.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Case, Count, Exists, OuterRef, Q, QuerySet, Value, When

from grading import history
from grading.models import Course, Evaluation, Override, Person, Rerun, Submission
from grading.pipeline import dispatch, storable

State = Evaluation.State
UNDER_WAY = (State.RECEIVED, State.QUEUED, State.RUNNING)


class NothingToRun(Exception):
    """Nothing can be measured again; the message is one sentence for the person who asked."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What measuring these submissions again would mean, before it is done."""

    submissions: int
    students: int
    under_way: int
    with_marks: int
    seconds: tuple[float, float] | None


@dataclass(frozen=True, kw_only=True)
class Counts:
    """How far a re-run is, by what became of its evaluations."""

    total: int
    waiting: int
    running: int
    scored: int
    failed: int
    cancelled: int

    @property
    def ended(self) -> int:
        return self.scored + self.failed + self.cancelled

    @property
    def share(self) -> float:
        """Of 1; a re-run of nothing is done."""
        return self.ended / self.total if self.total else 1.0

    @property
    def is_over(self) -> bool:
        return self.ended == self.total


def _ready(submissions: QuerySet[Submission]) -> QuerySet[Submission]:
    """Those that have had a run, and have none under way now."""
    runs = Evaluation.objects.filter(submission=OuterRef("pk"))
    return submissions.filter(Exists(runs), ~Exists(runs.filter(state__in=UNDER_WAY)))


def plan(submissions: QuerySet[Submission]) -> Plan:
    """What :func:`start` would do with ``submissions``."""
    ready = _ready(submissions).order_by()
    marks = Override.objects.filter(criterion_score__evaluation__submission=OuterRef("pk"))
    counted = ready.aggregate(
        submissions=Count("pk"), students=Count("student", distinct=True), with_marks=Count("pk", filter=Exists(marks))
    )
    by_milestone = dict(ready.values_list("course_milestone__milestone").annotate(Count("pk")))
    return Plan(
        **counted,
        under_way=submissions.count() - counted["submissions"],
        seconds=dispatch.batch_seconds(by_milestone),
    )


def start(
    submissions: QuerySet[Submission], *, course: Course, by: Person, what: str, reason: str, same_draws: bool
) -> Rerun:
    """Put a new evaluation of each of ``submissions`` into the queue, as batch work.

    ``same_draws``: with the seed and the counts of the result that stands, so that the same code gets the same points;
    otherwise with new ones. Submissions with a run under way are left out. ``reason`` is for the audit trail. Raises
    :class:`NothingToRun`.
    """
    reason = storable.text(reason).strip()
    if not reason:
        raise NothingToRun("Say why: it stays in the course's history.")
    with transaction.atomic():
        # Locked first, looked at second: who presses the button at the same time finds these under way.
        locked = submissions.order_by("pk").select_for_update(no_key=True, of=("self",))
        ready = _ready(Submission.objects.filter(pk__in=[each.pk for each in locked]))
        earlier = _runs_to_repeat(ready)
        if not earlier:
            raise NothingToRun("Nothing is left to measure again: every one of these has a run under way.")
        rerun = Rerun.objects.create(
            course=course, by=by, what=storable.text(what)[:200], reason=reason, same_draws=same_draws
        )
        queued = {"rerun": rerun, "state": State.QUEUED, "queued_at": dispatch.now()}
        again = [Evaluation(**_values(run, same_draws=same_draws), **queued) for run in earlier]
        Evaluation.objects.bulk_create(again, batch_size=500)
        history.record(
            "rerun_submissions",
            target=f"rerun {rerun.pk}",
            by=by,
            course=course,
            before={"evaluations": [run.pk for run in earlier]},
            after={"evaluations": [run.pk for run in again], "same_draws": same_draws},
            reason=reason,
        )
        transaction.on_commit(dispatch.ping)
    return rerun


def _runs_to_repeat(submissions: QuerySet[Submission]) -> list[Evaluation]:
    """One earlier run of each: the newest with a result, otherwise the newest."""
    has_result = Case(When(state=State.SCORED, then=Value(0)), default=Value(1))
    runs = Evaluation.objects.filter(submission__in=submissions).select_related("submission__course_milestone")
    return list(
        runs.order_by("submission_id", has_result, "-pk")
        .distinct("submission_id")
        .defer("log", "open_log", "measurements", "diagnoses", "progress", "notes", "phases")
    )


def _values(run: Evaluation, *, same_draws: bool) -> dict:
    values = dispatch.first_values(run.submission, batch=True, seed=run.seed if same_draws else None)
    return values | ({"counts": run.counts} if same_draws else {})


def counts_of(reruns: Iterable[Rerun]) -> dict[int, Counts]:
    """By id, how far each re-run is. One query for any number of them."""
    reruns = list(reruns)
    by_state = {
        name: Count("pk", filter=Q(state__in=states))
        for name, states in (
            ("waiting", [State.RECEIVED, State.QUEUED]),
            ("running", [State.RUNNING]),
            ("scored", [State.SCORED]),
            ("failed", [State.FAILED]),
            ("cancelled", [State.CANCELLED]),
        )
    }
    rows = (
        Evaluation.objects.filter(rerun__in=reruns).order_by().values("rerun").annotate(total=Count("pk"), **by_state)
    )
    found = {row.pop("rerun"): Counts(**row) for row in rows}
    nothing = Counts(total=0, waiting=0, running=0, scored=0, failed=0, cancelled=0)
    return {rerun.pk: found.get(rerun.pk, nothing) for rerun in reruns}


def cancel(rerun: Rerun, *, by: Person) -> int:
    """Take what waits out of the queue and stop what runs; what is published stays. Answers how many were stopped."""
    why = f"The re-run was stopped by {by}."
    with transaction.atomic():
        # Locked before it is changed, in one order: a claim of the same rows waits for us, or we see it running.
        waiting = rerun.evaluations.filter(state__in=[State.RECEIVED, State.QUEUED]).order_by("pk")
        stopped = list(waiting.select_for_update(of=("self",)).values_list("pk", flat=True))
        cancelled = {"state": State.CANCELLED, "finished_at": dispatch.now(), "failure": storable.text(why)}
        Evaluation.objects.filter(pk__in=stopped).update(**cancelled)
        history.record(
            "cancel_rerun",
            target=f"rerun {rerun.pk}",
            by=by,
            course=rerun.course_id,
            after={"evaluations": stopped},
        )
    running = rerun.evaluations.filter(state__in=UNDER_WAY).select_related("submission__student")
    return len(stopped) + sum(dispatch.cancel(run, by=by, reason=why) for run in running)
