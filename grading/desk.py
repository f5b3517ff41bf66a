"""The assistants' desk: what waits for a person, one submission after the other, shared out among the staff.

The line is that of :mod:`grading.needs_human` and the open regrade requests together; whoever handed in first comes first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Q, QuerySet

from grading import class_lists, needs_human
from grading.models import DeskAssignment, Evaluation, Person, RegradeRequest, Submission

REGRADE = "regrade"
REASONS: Mapping[str, str] = needs_human.REASONS | {REGRADE: "Regrade requests"}
ASSIGNEES: Mapping[str, str] = {"": "Anybody's", "mine": "Mine", "nobody": "Nobody's yet"}
RUN_REASONS = tuple(reason for reason in needs_human.REASONS if reason)


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What somebody wants to see of the line; empty fields ask for everything."""

    reason: str = ""
    milestone: str = ""
    section: str = ""
    assignee: str = ""
    search: str = ""


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where one submission stands in the line: its place (from 1; None when it waits for nobody) and its neighbours."""

    position: int | None
    waiting: int
    previous: int | None
    next: int | None


def reasons_of(runs: QuerySet[Evaluation], requests: QuerySet[RegradeRequest]) -> dict[int, tuple[str, ...]]:
    """Submission -> why it waits for a person, as keys of ``REASONS``. Two queries, without large columns."""
    found: dict[int, list[str]] = {}
    items = needs_human.open_items(runs).order_by()
    for submission, *flags in items.values_list("submission", *RUN_REASONS):
        found.setdefault(submission, []).extend(reason for reason, flag in zip(RUN_REASONS, flags, strict=True) if flag)
    open_requests = requests.filter(state=RegradeRequest.State.OPEN).order_by()
    for submission in open_requests.values_list("criterion_score__evaluation__submission", flat=True).distinct():
        found.setdefault(submission, []).append(REGRADE)
    return {submission: tuple(reasons) for submission, reasons in found.items()}


def line_of(
    submissions: QuerySet[Submission], reasons: Mapping[int, Sequence[str]], wanted: Wanted, *, me: Person
) -> QuerySet[Submission]:
    """Those of ``submissions`` that wait for a reason of ``reasons`` and that are ``wanted``, the oldest first."""
    of_reason = wanted.reason if wanted.reason in REASONS else ""
    chosen = [number for number, why in reasons.items() if not of_reason or of_reason in why]
    rows = submissions.filter(pk__in=chosen)
    if wanted.milestone:
        rows = rows.filter(course_milestone__milestone=wanted.milestone.replace("\0", ""))
    if wanted.section:
        rows = rows.filter(student__section=wanted.section.replace("\0", ""))
    asked_of_me = RegradeRequest.objects.filter(state=RegradeRequest.State.OPEN, assignee=me)
    mine = Q(desk_assignment__assignee=me) | Q(pk__in=asked_of_me.values("criterion_score__evaluation__submission"))
    if wanted.assignee == "mine":
        rows = rows.filter(mine)
    elif wanted.assignee == "nobody":
        rows = rows.filter(desk_assignment=None)
    return class_lists.matching_submissions(rows, wanted.search).order_by("submitted_at", "pk")


def place_of(submission: Submission, line: QuerySet[Submission]) -> Place:
    """The neighbours of ``submission`` in ``line``, also when it waits for nobody any more."""
    here = (submission.submitted_at, submission.pk)
    rows = list(line.values_list("submitted_at", "pk"))
    before = [row[1] for row in rows if row < here]
    after = [row[1] for row in rows if row > here]
    return Place(
        position=len(before) + 1 if here in rows else None,
        waiting=len(rows),
        previous=before[-1] if before else None,
        next=after[0] if after else None,
    )


# --- who takes care of what ---


def assign(submission: Submission, assignee: Person | None, *, by: Person) -> None:
    """Let ``assignee`` take care of ``submission``; None gives it back to everybody."""
    if assignee is None:
        DeskAssignment.objects.filter(submission=submission).delete()
    else:
        DeskAssignment.objects.update_or_create(submission=submission, defaults={"assignee": assignee, "by": by})


def share_out(line: QuerySet[Submission], among: Sequence[Person], *, by: Person) -> int:
    """Give what is nobody's yet in ``line`` to whoever of ``among`` has the least of it so far, and nobody their own work.

    Answers how many were given.
    """
    given = []
    with transaction.atomic():
        taken = line.filter(desk_assignment__assignee__in=among).order_by()
        load = Counter(taken.values_list("desk_assignment__assignee", flat=True))
        for submission, author in line.filter(desk_assignment=None).values_list("pk", "student__person"):
            able = [person for person in among if person.pk != author]
            if able:
                person = min(able, key=lambda each: load[each.pk])
                load[person.pk] += 1
                given.append(DeskAssignment(submission_id=submission, assignee=person, by=by))
        DeskAssignment.objects.bulk_create(given, batch_size=500, ignore_conflicts=True)
    return len(given)
