"""The queue of one course as its staff see it: what runs, what waits, at which place and for how long still."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.db.models import Case, QuerySet, Value, When

from grading.models import Evaluation
from grading.pipeline import dispatch

State = Evaluation.State
FILTERS: Mapping[str, str] = {
    "": "Everything",
    "running": "Running",
    "queued": "Waiting",
    "live": "Uploads of students",
    "batch": "Re-runs of many",
}


@dataclass(frozen=True, kw_only=True)
class QueueLine:
    """One evaluation under way. ``position``: how many of all courses come before it; None while it runs."""

    run: Evaluation
    position: int | None
    estimate: dispatch.Estimate | None


def under_way(evaluations: QuerySet[Evaluation], show: str) -> QuerySet[Evaluation]:
    """What runs, then what waits, in the order in which this course's turn comes; ``show`` is a key of ``FILTERS``."""
    rows = evaluations.filter(state__in=[State.QUEUED, State.RUNNING])
    if show in (State.RUNNING, State.QUEUED):
        rows = rows.filter(state=show)
    elif show in ("live", "batch"):
        rows = rows.filter(batch=show == "batch")
    running_first = Case(When(state=State.RUNNING, then=Value(0)), default=Value(1))
    large = ("log", "open_log", "measurements", "diagnoses", "notes", "counts", "phases")
    return rows.order_by(running_first, "batch", "queued_at", "id").defer(*large)


def lines_of(evaluations: Iterable[Evaluation]) -> list[QueueLine]:
    """Place and estimate of each: the same few queries for any number of them."""
    runs = list(evaluations)
    positions = dispatch.queue_positions(runs)
    expected = dispatch.estimates(runs, positions)
    return [QueueLine(run=run, position=positions.get(run.pk), estimate=expected[run.pk]) for run in runs]
