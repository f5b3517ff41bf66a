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
from grading.models import Course, CourseMilestone, Evaluation, Override, Person, Rerun, Submission
from grading.pipeline import dispatch, scoring, storable, whatif
from grading.pipeline.rescoring import WhatIf, recompute
from grading.pipeline.rescoring import locked as lock_milestone
from grading.pipeline.whatif import Stand

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
    submissions: QuerySet[Submission],
    *,
    course: Course,
    by: Person,
    what: str,
    reason: str,
    same_draws: bool,
    preview_first: bool = False,
) -> Rerun:
    """Put a new evaluation of each of ``submissions`` into the queue, as batch work.

    ``same_draws``: with the seed and the counts of the result that stands, so that the same code gets the same points;
    otherwise with new ones. ``preview_first``: the results are held back until :func:`settle`. Submissions with a run under
    way are left out. ``reason`` is for the audit trail. Raises
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
            course=course,
            by=by,
            what=storable.text(what)[:200],
            reason=reason,
            same_draws=same_draws,
            preview_first=preview_first,
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
            ("scored", [State.SCORED, State.HELD_BACK]),
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


# --- looked at first ---

ALL, HELPED, DISCARDED = "all", "helped", "discarded"
#: What becomes of results that were held back, in words.
DECISIONS = {ALL: "Let them count for everybody", HELPED: "Only where they help", DISCARDED: "Discard them"}


def what_if(rerun: Rerun) -> list[tuple[CourseMilestone, WhatIf]]:
    """By milestone, whose results would change if what ``rerun`` holds back counted."""
    return [(milestone, _what_if(milestone, *_stands(rerun, milestone))) for milestone in _milestones(rerun)]


def _what_if(milestone: CourseMilestone, before: list[Stand], after: list[Stand]) -> WhatIf:
    rule = milestone.attempt_that_counts
    return WhatIf(
        everybody=whatif.preview(before, after, rule=rule),
        helped=whatif.preview(before, whatif.where_it_helps(before, after), rule=rule),
        left_out=0,
    )


def _milestones(rerun: Rerun) -> list[CourseMilestone]:
    held = rerun.evaluations.filter(state=State.HELD_BACK)
    found = CourseMilestone.objects.filter(pk__in=held.values("submission__course_milestone"))
    return list(found.select_related("course", "rubric").order_by("number"))


def _stands(rerun: Rerun, milestone: CourseMilestone) -> tuple[list[Stand], list[Stand]]:
    """All attempts of the students concerned as they are, and with the runs that are held back in their places."""
    held = rerun.evaluations.filter(state=State.HELD_BACK, submission__course_milestone=milestone)
    before = whatif.stands_of(milestone, students=set(held.values_list("student", flat=True)))
    found = whatif.stands_of_runs(list(held.values_list(*whatif.COLUMNS)), milestone)
    new = {stand.submission: stand for stand in found}
    return before, [whatif.in_place_of(old, new[old.submission]) if old.submission in new else old for old in before]


def settle(rerun: Rerun, decision: str, *, by: Person) -> int:
    """Decide once about what ``rerun`` held back. Answers how many runs count now. Raises :class:`NothingToRun`.

    Marks and decisions of people go with their submissions; what is discarded stays for staff to read and counts nowhere.
    """
    if decision not in DECISIONS:
        raise NothingToRun("Choose what should become of the results. Nothing was changed.")
    with transaction.atomic():
        locked = Rerun.objects.select_for_update(no_key=True, of=("self",)).get(pk=rerun.pk)
        if not locked.preview_first or locked.settled:
            raise NothingToRun("This was decided already; nothing was changed.")
        if not counts_of([locked])[locked.pk].is_over:
            raise NothingToRun("It is still under way: decide when it has ended. Nothing was changed.")
        counted = 0
        for milestone in _milestones(locked) if decision != DISCARDED else ():
            lock_milestone(milestone)
            before, after = _stands(locked, milestone)
            chosen = {
                new.evaluation
                for old, new in zip(before, after, strict=True)
                if new.evaluation != old.evaluation and (decision == ALL or whatif.helps(old, new))
            }
            if decision == ALL:  # what had no result at all has one now
                held = locked.evaluations.filter(state=State.HELD_BACK, submission__course_milestone=milestone)
                first = held.exclude(submission__in={stand.submission for stand in before})
                chosen |= set(first.values_list("pk", flat=True))
            students = set()
            for run in Evaluation.objects.filter(pk__in=chosen).select_related("submission").order_by("pk"):
                scoring.count(run)
                students.add(run.student_id)
                counted += 1
            about = {"target": f"rerun {locked.pk}", "by": by, "reason": locked.reason}
            recompute(students, milestone, "rerun_counts", **about)
        locked.settled, locked.settled_by, locked.settled_at = decision, by, dispatch.now()
        locked.save(update_fields=["settled", "settled_by", "settled_at"])
        history.record(
            "settle_rerun",
            target=f"rerun {locked.pk}",
            by=by,
            course=locked.course_id,
            after={"decision": decision, "runs": counted},
            reason=locked.reason,
        )
    return counted
