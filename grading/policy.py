"""When a student may hand in, and what being late costs. One place for dates, attempts, cool-down, grace and accommodations.

The rules, in full:

- **Due and closing dates** of a student: the time from opening to due is multiplied by ``time_factor``, then the
  ``extra_days`` of the student and of their extension for this milestone are added; the closing date moves by as much as
  the due date did.
- **Attempts**: the milestone's plus the ``extra_attempts`` of the student and of the extension. An attempt that ended by our
  fault, or that was cancelled before it ran, is not used.
- **Late** counts from the student's due date. The milestone's ``grace_days`` after it cost nothing, nor do the days of the
  course's pool that the student chose to spend on this attempt; every day begun after those costs ``late_penalty_per_day``
  points of 100, at most ``late_penalty_cap``.
- **Versions**: a submission is judged by the rules of its time. Changed rules reach what was handed in before only when
  staff apply them to it.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Max, Sum
from django.utils import timezone

from grading.models import CourseMilestone, Enrollment, Extension, Person, PolicyVersion, Submission

DAY = 86_400


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What a score is judged by: the part of a milestone's policy that turns points into a result."""

    threshold: float
    late_penalty_per_day: float
    late_penalty_cap: float | None
    grace_days: float

    def late_days(self, seconds: int, *, spent: int = 0) -> int:
        """Days begun after grace, and after ``spent`` days of the pool, by a submission that is ``seconds`` late."""
        return math.ceil(max(0.0, seconds - (self.grace_days + spent) * DAY) / DAY)

    def penalty(self, seconds: int, *, spent: int = 0) -> float:
        """Points (of 100) that a submission ``seconds`` late loses."""
        most = 100.0 if self.late_penalty_cap is None else self.late_penalty_cap
        return min(most, self.late_days(seconds, spent=spent) * self.late_penalty_per_day)


RULES = tuple(field.name for field in dataclasses.fields(Rules))
#: Fields of a milestone that a version of its policy keeps beside the rules.
KEPT = (
    "weight",
    "opens",
    "due",
    "closes",
    "attempts",
    "cool_down",
    "benchmark_mark",
    "takes_pooled_days",
    "team_size",
    "regrade_days",
    "attempt_that_counts",
)


def rules_of(course_milestone: CourseMilestone) -> Rules:
    """The rules that are in force for what is handed in now."""
    return Rules(**{name: getattr(course_milestone, name) for name in RULES})


def rules_for(submission: Submission, course_milestone: CourseMilestone) -> Rules:
    """The rules that ``submission`` is judged by."""
    if submission.policy is None:
        return rules_of(course_milestone)
    return rules_in(submission.policy.content)


def rules_in(content: Mapping[str, Any]) -> Rules:
    """The rules that the content of a version states."""
    return Rules(**{name: content[name] for name in RULES})


def content_of(course_milestone: CourseMilestone) -> dict[str, Any]:
    """The whole policy of a milestone as JSON."""
    kept = {name: getattr(course_milestone, name) for name in KEPT}
    plain = {name: value.isoformat() if isinstance(value, datetime) else value for name, value in kept.items()}
    return plain | dataclasses.asdict(rules_of(course_milestone))


def version_in_force(course_milestone: CourseMilestone, *, by: Person | None = None) -> PolicyVersion:
    """The version that says what the milestone says now; made on first sight.

    Call it inside a transaction: two uploads at once are kept apart by the milestone's row.
    """
    content = content_of(course_milestone)
    newest = course_milestone.policy_versions.order_by("-version").first()
    if newest is not None and newest.content == content:
        return newest
    CourseMilestone.objects.select_for_update(no_key=True, of=("self",)).get(pk=course_milestone.pk)
    newest = course_milestone.policy_versions.order_by("-version").first()
    if newest is not None and newest.content == content:
        return newest
    last = course_milestone.policy_versions.aggregate(last=Max("version"))["last"] or 0
    return course_milestone.policy_versions.create(version=last + 1, content=content, by=by)


@dataclass(frozen=True, kw_only=True)
class Dates:
    """The dates of one milestone for one student, accommodations counted in. None means "no such limit"."""

    opens: datetime | None
    due: datetime | None
    closes: datetime | None


@dataclass(frozen=True, kw_only=True)
class GracePool:
    """What of the course's grace days a student could spend on an attempt handed in now, and what that would save.

    ``useful`` is how many days would count (0 where none is needed, left or allowed); ``penalty`` is what would be lost after
    spending them.
    """

    left: int
    useful: int
    penalty: float


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
    pool: GracePool

    @property
    def attempts_left(self) -> int | None:
        """None means without limit."""
        return None if self.attempts_allowed is None else max(0, self.attempts_allowed - self.attempts_used)


def extension_for(student: Enrollment, course_milestone: CourseMilestone) -> Extension | None:
    """The extension that is in force, or None."""
    return Extension.objects.filter(student=student, course_milestone=course_milestone).order_by("-pk").first()


def dates_for(student: Enrollment, course_milestone: CourseMilestone, extension: Extension | None = None) -> Dates:
    """The dates of ``course_milestone`` as they are for ``student`` with ``extension``."""
    opens, due, closes = course_milestone.opens, course_milestone.due, course_milestone.closes
    granted = timedelta(days=student.extra_days + (extension.extra_days if extension else 0))
    if opens is not None and due is not None:
        granted += (due - opens) * (student.time_factor - 1)
    return Dates(
        opens=opens, due=None if due is None else due + granted, closes=None if closes is None else closes + granted
    )


def seconds_late(dates: Dates, at: datetime) -> int:
    """Whole seconds that ``at`` lies after the due date; 0 when it does not."""
    return 0 if dates.due is None else max(0, math.ceil((at - dates.due).total_seconds()))


def grace_days_left(student: Enrollment) -> int:
    """Days of the course's pool that ``student`` has not spent. A day spent on an attempt that was given back is back."""
    spent = Submission.objects.filter(student=student, counted_as_attempt=True).aggregate(days=Sum("grace_days_spent"))
    return max(0, student.course.grace_days - (spent["days"] or 0))


def grace_pool(student: Enrollment, course_milestone: CourseMilestone, late: int) -> GracePool:
    """The pool as it is for an attempt that is ``late`` seconds late."""
    rules = rules_of(course_milestone)
    left = grace_days_left(student) if student.course.grace_days and course_milestone.takes_pooled_days else 0
    useful = min(left, rules.late_days(late)) if rules.late_penalty_per_day else 0
    while useful and rules.penalty(late, spent=useful - 1) == rules.penalty(late, spent=useful):
        useful -= 1  # below the cap, a day may save nothing
    return GracePool(left=left, useful=useful, penalty=rules.penalty(late, spent=useful))


def submission_window(
    student: Enrollment, course_milestone: CourseMilestone, *, now: datetime | None = None
) -> SubmissionWindow:
    """Whether ``student`` may hand in for ``course_milestone`` at ``now``, and everything a page says about it.

    Reads the student's attempts. To decide under concurrency, hold the lock of ``pipeline.intake`` while calling it.
    """
    now = now or timezone.now()
    extension = extension_for(student, course_milestone)
    dates = dates_for(student, course_milestone, extension)
    handed_in = Submission.objects.filter(student=student, course_milestone=course_milestone, counted_as_attempt=True)
    times = list(handed_in.order_by("-submitted_at").values_list("submitted_at", flat=True))
    granted = student.extra_attempts + (extension.extra_attempts if extension else 0)
    allowed = None if course_milestone.attempts is None else course_milestone.attempts + granted
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
        penalty=rules_of(course_milestone).penalty(late),
        pool=grace_pool(student, course_milestone, late),
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
