"""How long the submissions of a course wait before their first run, from ``HourlyActivity`` alone."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

from grading.analytics import charts, queries
from grading.models import Course

#: Periods by days: how they are chosen, and how a sentence says them.
PERIODS: Mapping[str, tuple[str, str]] = {
    "1": ("Last 24 hours", "in the last 24 hours"),
    "7": ("Last 7 days", "in the last 7 days"),
    "30": ("Last 30 days", "in the last 30 days"),
    "all": ("All time", "so far"),
}
DEFAULT_PERIOD = "7"


@dataclass(frozen=True, kw_only=True)
class WaitingTimes:
    """Upper bounds of the median and the 95th percentile in words, how many submissions they stand on, the figures."""

    submissions: int
    median: str
    nearly_all: str
    charts: tuple[charts.Chart, ...]


def waiting_times(course: Course, *, milestone: str, days: str, now: dt.datetime) -> WaitingTimes:
    """The waiting times of ``course``; ``days`` is a key of ``PERIODS``, ``milestone`` a slug or empty for all."""
    since = dt.datetime.min.replace(tzinfo=dt.UTC) if days == "all" else now - dt.timedelta(days=int(days))
    rows = queries.waiting(course=course.pk, milestone=milestone, since=since)
    period = PERIODS[days][1]
    return WaitingTimes(
        submissions=sum(row.submissions for row in rows),
        median=charts.duration(charts.waited_at_most(rows, 0.5)),
        nearly_all=charts.duration(charts.waited_at_most(rows, 0.95)),
        charts=(
            charts.waiting_times(rows, period=period),
            charts.waiting_by_hour(rows, period=period, zone=course.zone),
        ),
    )
