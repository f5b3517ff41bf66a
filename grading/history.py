"""The history: every change of a score, a policy, a rubric, a role or an extension, as one entry that nobody can change.

Whoever changes such a thing calls :func:`record` in the same transaction. Staff read the history of their course; students read
the entries that concern themselves and that are theirs to know.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Q, QuerySet

from grading import notifications
from grading.models import (
    AuditEvent,
    Course,
    CourseMilestone,
    CriterionScore,
    Enrollment,
    Evaluation,
    Person,
    RegradeRequest,
    Submission,
)


def record(what: str, **details: Any) -> AuditEvent:
    """Keep one :func:`entry`, and tell the student whom it concerns."""
    made = entry(what, **details)
    made.save()
    notifications.tell_of([made])
    return made


def entry(
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
    """That ``by`` (None: the platform) did ``what``, a verb of ``WORDS``, to ``target``, for example ``enrollment 17``.

    ``student`` is whom it concerns, where it concerns one alone: they read it as well. ``before`` and ``after`` are plain JSON.
    """
    return AuditEvent(
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


def record_each(
    what: str,
    changes: Mapping[int, tuple[Any, Any]],
    *,
    target: str,
    by: Person | None,
    course_milestone: CourseMilestone,
    reason: str,
) -> None:
    """:func:`record` for many students (ids) at once, each with what was before and what is after."""
    keep(
        entry(
            what,
            target=target,
            by=by,
            course=course_milestone.course_id,
            student=student,
            course_milestone=course_milestone,
            before=before,
            after=after,
            reason=reason,
        )
        for student, (before, after) in sorted(changes.items())
    )


def keep(entries: Iterable[AuditEvent]) -> None:
    """Keep many of :func:`entry` at once, for changes of a whole class, and tell those whom they concern."""
    notifications.tell_of(AuditEvent.objects.bulk_create(entries, batch_size=1000))


def concerning(submission: Submission) -> dict[str, int]:
    """Student and milestone of a submission, for :func:`record`."""
    return {"student": submission.student_id, "course_milestone": submission.course_milestone_id}


def _number(row: Course | Enrollment | CourseMilestone | int | None) -> int | None:
    return row if row is None or isinstance(row, int) else row.pk


# --- words ---


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One verb of the history: its group in the filter, its sentence, and whether the student it concerns reads it too."""

    group: str
    words: str
    open: bool = False


#: Sent when a class may see its results: the days to ask for a regrade begin anew.
RELEASED = "release_grades"
WORDS: Mapping[str, Kind] = {
    "override_score": Kind(group="scores", words="marked", open=True),
    "undo_mark": Kind(group="scores", words="undid a mark of", open=True),
    "decide_benchmark": Kind(group="scores", words="decided about the benchmark of", open=True),
    "review_evaluation": Kind(group="scores", words="looked at what was flagged in"),
    "rescore": Kind(group="scores", words="changed a score by another rubric:", open=True),
    "undo_rescore": Kind(group="scores", words="gave a score back by the rubric before:", open=True),
    "rejudge": Kind(group="scores", words="changed a score by other rules:", open=True),
    "ask_regrade": Kind(group="regrades", words="asked for another look at", open=True),
    "withdraw_regrade": Kind(group="regrades", words="withdrew the request about", open=True),
    "assign_regrade": Kind(group="regrades", words="shared out the request about"),
    "answer_regrade": Kind(group="regrades", words="answered the request about", open=True),
    "grant_extension": Kind(group="extensions", words="granted an extension for", open=True),
    "change_accommodations": Kind(group="extensions", words="changed what is granted to", open=True),
    "enrol": Kind(group="roles", words="added to the course", open=True),
    "change_enrollment": Kind(group="roles", words="changed the details of", open=True),
    "invite": Kind(group="roles", words="made an invitation:"),
    "revoke_invitation": Kind(group="roles", words="revoked an invitation:"),
    "change_role": Kind(group="roles", words="changed the role of", open=True),
    "deactivate": Kind(group="roles", words="deactivated", open=True),
    "reactivate": Kind(group="roles", words="took back into the course", open=True),
    "change_policy": Kind(group="policies", words="changed the rules of"),
    "change_grace_days": Kind(group="policies", words="changed the pool of grace days of"),
    "hold_grades": Kind(group="policies", words="held the results of"),
    RELEASED: Kind(group="policies", words="released the results of"),
    "change_rubric": Kind(group="rubrics", words="changed the rubric:"),
    "undo_rubric": Kind(group="rubrics", words="took a change of the rubric back:"),
    "rerun_evaluation": Kind(group="runs", words="had measured again", open=True),
    "cancel_evaluation": Kind(group="runs", words="cancelled a run of", open=True),
    "rerun_submissions": Kind(group="runs", words="had many submissions measured again:"),
    "rerun_counts": Kind(group="scores", words="changed a score by measuring again:", open=True),
    "settle_rerun": Kind(group="runs", words="decided about what measuring again had found:"),
    "cancel_rerun": Kind(group="runs", words="stopped measuring many again:"),
}
GROUPS: Mapping[str, str] = {
    "": "Everything",
    "scores": "Scores",
    "regrades": "Regrade requests",
    "policies": "Policies",
    "rubrics": "Rubrics",
    "roles": "Roles",
    "extensions": "Extensions and accommodations",
    "runs": "Runs",
    "other": "Other",
}
OPEN_TO_STUDENTS = tuple(what for what, kind in WORDS.items() if kind.open)


@dataclass(frozen=True, kw_only=True)
class Line:
    """One entry in words: ``said`` after the name, what it is about, before and after, and the submission it leads to."""

    event: AuditEvent
    said: str
    about: str
    before: str
    after: str
    submission: int | None


def narrowed(events: QuerySet[AuditEvent], *, group: str, milestone: str, search: str) -> QuerySet[AuditEvent]:
    """Those of one group of ``GROUPS``, one milestone (a slug), by or about people whose name contains ``search``."""
    if group == "other":
        events = events.exclude(what__in=WORDS)
    elif group in GROUPS and group:
        events = events.filter(what__in=[what for what, kind in WORDS.items() if kind.group == group])
    if milestone:
        events = events.filter(course_milestone__milestone=milestone.replace("\0", ""))
    search = search.replace("\0", "").strip()[:100]
    if search:
        people = Person.objects.filter(Q(full_name__icontains=search) | Q(username__icontains=search))
        events = events.filter(Q(who__in=people) | Q(student__person__in=people))
    return events


def lines_of(events: Iterable[AuditEvent]) -> list[Line]:
    """Entries in words: three queries for any number of them. Load who, student and milestone before."""
    events = list(events)
    requests = RegradeRequest.objects.in_bulk(_numbers(events, "regrade_request"))
    wanted = _numbers(events, "criterion_score") | {each.criterion_score_id for each in requests.values()}
    criteria = CriterionScore.objects.select_related("evaluation").in_bulk(wanted)
    runs = dict(Evaluation.objects.filter(pk__in=_numbers(events, "evaluation")).values_list("pk", "submission_id"))
    return [_line(event, criteria, requests, runs) for event in events]


def _numbers(events: Iterable[AuditEvent], model: str) -> set[int]:
    targets = (event.target.rpartition(" ") for event in events)
    return {int(number) for name, _, number in targets if name == model and number.isdecimal()}


def _line(
    event: AuditEvent,
    criteria: Mapping[int, CriterionScore],
    requests: Mapping[int, RegradeRequest],
    runs: Mapping[int, int],
) -> Line:
    model, _, number = event.target.rpartition(" ")
    key = int(number) if number.isdecimal() else 0
    criterion = criteria.get(
        requests[key].criterion_score_id if model == "regrade_request" and key in requests else key
    )
    about, submission = event.target.replace("_", " "), None
    if model in ("criterion_score", "regrade_request") and criterion is not None:
        about, submission = criterion.title, criterion.evaluation.submission_id
    elif model in ("evaluation", "submission"):
        submission = runs.get(key) if model == "evaluation" else key
        about = f"submission {submission}" if submission else about
    elif model == "enrollment" and event.student is not None:
        about = str(event.student.person)
    kind = WORDS.get(event.what)
    before, after = in_words(event.before), in_words(event.after)
    return Line(
        event=event,
        said=kind.words if kind else event.what.replace("_", " "),
        about=about,
        before=before,
        after=after,
        submission=submission,
    )


def in_words(value: Any) -> str:
    """Stored JSON as a short text: ``points 8``; long lists by their length alone."""
    if value is None or isinstance(value, bool):
        return {None: "", True: "yes", False: "no"}[value]
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Mapping):
        parts = (f"{str(name).replace('_', ' ')} {in_words(part) or '—'}" for name, part in value.items())
        return ", ".join(parts)
    if isinstance(value, list):
        return f"{len(value):,} entries" if len(value) > 4 else "; ".join(map(in_words, value))
    return str(value)
