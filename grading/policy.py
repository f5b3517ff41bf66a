"""When a student may hand in, and what being late costs. One place for dates, attempts, cool-down and accommodations.

The rules, in full:

- **Due and closing dates** of a student: the time from opening to due is multiplied by ``time_factor``, then
  ``extra_days`` are added; the closing date moves by as much as the due date did.
- **Attempts**: the milestone's plus the student's ``extra_attempts``. An attempt that ended by our fault, or that was
  cancelled before it ran, is not used.
- **Late** counts from the student's due date. ``grace_days`` after it cost nothing; every day begun after those costs
  ``late_penalty_per_day`` points of 100, down to 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone

from grading.models import CourseMilestone, Enrollment, Submission

DAY = 86_400


@dataclass(frozen=True, kw_only=True)
class Dates:
    """The dates of one milestone for one student, accommodations counted in. None means "no such limit"."""

    opens: datetime | None
    due: datetime | None
    closes: datetime | None


@dataclass(frozen=True, kw_only=True)
class SubmissionWindow:
    """Whether a student may hand in now. ``reason`` is one sentence when not, else empty."""

    open: bool
    reason: str
    dates: Dates
    attempts_allowed: int | None
    attempts_used: int
    next_attempt_at: datetime | None
    seconds_late: int
    penalty: float

    @property
    def attempts_left(self) -> int | None:
        """None means without limit."""
        return None if self.attempts_allowed is None else max(0, self.attempts_allowed - self.attempts_used)


def dates_for(student: Enrollment, course_milestone: CourseMilestone) -> Dates:
    """The dates of ``course_milestone`` as they are for ``student``."""
    opens, due, closes = course_milestone.opens, course_milestone.due, course_milestone.closes
    granted = timedelta(days=student.extra_days)
    if opens is not None and due is not None:
        granted += (due - opens) * (student.time_factor - 1)
    return Dates(
        opens=opens, due=None if due is None else due + granted, closes=None if closes is None else closes + granted
    )


def seconds_late(dates: Dates, at: datetime) -> int:
    """Whole seconds that ``at`` lies after the due date; 0 when it does not."""
    return 0 if dates.due is None else max(0, math.ceil((at - dates.due).total_seconds()))


def late_penalty(course_milestone: CourseMilestone, seconds: int) -> float:
    """Points (of 100) that a submission ``seconds`` late loses."""
    days = math.ceil(max(0.0, seconds - course_milestone.grace_days * DAY) / DAY)
    return min(100.0, days * course_milestone.late_penalty_per_day)


def submission_window(
    student: Enrollment, course_milestone: CourseMilestone, *, now: datetime | None = None
) -> SubmissionWindow:
    """Whether ``student`` may hand in for ``course_milestone`` at ``now``, and everything a page says about it.

    Reads the student's attempts. To decide under concurrency, hold the lock of ``pipeline.intake`` while calling it.
    """
    now = now or timezone.now()
    dates = dates_for(student, course_milestone)
    handed_in = Submission.objects.filter(student=student, course_milestone=course_milestone, counted_as_attempt=True)
    times = list(handed_in.order_by("-submitted_at").values_list("submitted_at", flat=True))
    allowed = None if course_milestone.attempts is None else course_milestone.attempts + student.extra_attempts
    next_attempt_at = None
    if times and course_milestone.cool_down:
        next_attempt_at = times[0] + timedelta(seconds=course_milestone.cool_down)
    late = seconds_late(dates, now)
    reason = _why_not(student, dates=dates, now=now, allowed=allowed, used=len(times), next_attempt_at=next_attempt_at)
    return SubmissionWindow(
        open=not reason,
        reason=reason,
        dates=dates,
        attempts_allowed=allowed,
        attempts_used=len(times),
        next_attempt_at=next_attempt_at,
        seconds_late=late,
        penalty=late_penalty(course_milestone, late),
    )


def _why_not(
    student: Enrollment,
    *,
    dates: Dates,
    now: datetime,
    allowed: int | None,
    used: int,
    next_attempt_at: datetime | None,
) -> str:
    if not student.active or student.role != Enrollment.Role.STUDENT:
        return "Only students who are enrolled in this course can hand in."
    if dates.opens is not None and now < dates.opens:
        return f"This milestone opens on {_shown(student, dates.opens)}."
    if dates.closes is not None and now >= dates.closes:
        return f"This milestone closed on {_shown(student, dates.closes)}; your instructor can grant an extension."
    if allowed is not None and used >= allowed:
        return f"All {allowed} attempts are used." if allowed > 1 else "The one attempt is used."
    if next_attempt_at is not None and now < next_attempt_at:
        return f"The next attempt is possible from {_shown(student, next_attempt_at)}."
    return ""


def _shown(student: Enrollment, moment: datetime) -> str:
    """A moment in the course's own timezone, which it names."""
    return f"{moment.astimezone(student.course.zone):%A %-d %B %Y at %H:%M:%S %Z}".replace(":00 ", " ")
