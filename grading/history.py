"""The history: every change of a score, a policy, a rubric, a role or an extension, as one entry that nobody can change.

Whoever changes such a thing calls :func:`record` in the same transaction. Staff read the history of their course; students read
the entries that concern themselves and that are theirs to know.
"""

from __future__ import annotations

from typing import Any

from grading.models import AuditEvent, Course, CourseMilestone, Enrollment, Person, Submission


def record(
    what: str,
    *,
    target: str,
    by: Person | None,
    course: Course | int,
    student: Enrollment | int | None = None,
    course_milestone: CourseMilestone | int | None = None,
    before: Any = None,
    after: Any = None,
    reason: str = "",
) -> AuditEvent:
    """Keep that ``by`` (None: the platform) did ``what``, a verb of ``WORDS``, to ``target``, for example ``enrollment 17``.

    ``student`` is whom it concerns, where it concerns one alone: they read it as well. ``before`` and ``after`` are plain JSON.
    """
    return AuditEvent.objects.create(
        who=by,
        course_id=_number(course),
        student_id=_number(student),
        course_milestone_id=_number(course_milestone),
        what=what,
        target=target,
        before=before,
        after=after,
        reason=reason,
    )


def concerning(submission: Submission) -> dict[str, int]:
    """Student and milestone of a submission, for :func:`record`."""
    return {"student": submission.student_id, "course_milestone": submission.course_milestone_id}


def _number(row: Course | Enrollment | CourseMilestone | int | None) -> int | None:
    return row if row is None or isinstance(row, int) else row.pk
