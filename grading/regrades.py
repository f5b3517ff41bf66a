"""Requests to look again at one criterion. The rules, in full:

- A student **asks** about their own work, while its results are shown, with a text; once at a time for each criterion of a
  submission, about the run that counts, and within the milestone's ``regrade_days`` after the result: after the run ended, the
  criterion was last marked, or the results were released, whichever came last.
- They may **withdraw** it while it is open.
- Staff see who takes care of it and until when it is meant to be answered (``ANSWER_DAYS`` unless they choose otherwise).
- An **answer** has a text that the student reads. Either the points **change**, which is a mark like any other with the answer
  as its reason, or they are **left as they were**. Both are final; the student may ask again.

Every step is an entry of the history.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.db.models import Case, F, Max, QuerySet, Value, When
from django.utils import timezone

from grading import history
from grading.models import (
    AuditEvent,
    CriterionScore,
    Enrollment,
    Evaluation,
    Person,
    RegradeRequest,
    Submission,
)
from grading.pipeline import scoring, storable

State = RegradeRequest.State
ANSWER_DAYS = 7
MAX_TEXT = 4_000
STATES: Mapping[str, str] = {"": "Any state", "late": "Open, answer overdue"} | dict(State.choices)


class RegradeRefused(Exception):
    """What cannot be done with a request; the message is one sentence for who tried."""


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What a page says about one criterion: every request so far, and whether its student may ask now."""

    requests: tuple[RegradeRequest, ...] = ()
    may_ask: bool = False
    until: datetime | None = None

    @property
    def open(self) -> RegradeRequest | None:
        return next((each for each in self.requests if each.state == State.OPEN), None)


# --- reading ---


def standings(
    submission: Submission, criteria: Iterable[CriterionScore], requests: QuerySet[RegradeRequest], *, now: datetime
) -> dict[str, Standing]:
    """By key of the criterion, for the run that counts; two queries for any number of criteria (load their marks before)."""
    found: dict[str, list[RegradeRequest]] = {}
    about = requests.filter(criterion_score__evaluation__submission=submission).order_by("pk")
    for each in about.select_related("criterion_score", "override", "assignee", "answered_by"):
        found.setdefault(each.criterion_score.key, []).append(each)
    released = _released_at(submission)
    standing = {}
    for criterion in criteria:
        so_far = Standing(
            requests=tuple(found.get(criterion.key, ())), until=_deadline(submission, criterion, released)
        )
        in_time = so_far.until is None or now < so_far.until
        standing[criterion.key] = replace(so_far, may_ask=in_time and so_far.open is None)
    return standing


def narrowed(
    requests: QuerySet[RegradeRequest], *, state: str, assignee: str, section: str, me: Person, now: datetime
) -> QuerySet[RegradeRequest]:
    """Those of ``requests`` in a state of ``STATES``, of an assignee of ``desk.ASSIGNEES``; unknown ones ask for all."""
    if state == "late":
        requests = requests.filter(state=State.OPEN, answer_due__lt=now)
    elif state in State.values:
        requests = requests.filter(state=state)
    if assignee == "mine":
        requests = requests.filter(assignee=me)
    elif assignee == "nobody":
        requests = requests.filter(assignee=None)
    if section:
        requests = requests.filter(student__section=section.replace("\0", ""))
    # What is open comes first, and of it what is to be answered next; then what was answered last.
    is_open = Case(When(state=State.OPEN, then=Value(0)), default=Value(1))
    due = Case(When(state=State.OPEN, then=F("answer_due")))
    return requests.order_by(is_open, due.asc(nulls_last=True), F("answered_at").desc(nulls_last=True), "-pk")


def _deadline(submission: Submission, criterion: CriterionScore, released: datetime | None) -> datetime | None:
    """Until when its student may ask; None: without limit. Load the criterion's evaluation and marks before."""
    days = submission.course_milestone.regrade_days
    if days is None:
        return None
    marks = [mark.at for mark in criterion.overrides.all()]
    known = [when for when in (criterion.evaluation.finished_at, released, *marks) if when is not None]
    return max(known) + timedelta(days=days)


def _released_at(submission: Submission) -> datetime | None:
    """When the results of this milestone were last released to the class, if they ever were held."""
    releases = AuditEvent.objects.filter(
        course=submission.course_milestone.course_id,
        course_milestone=submission.course_milestone_id,
        what=history.RELEASED,
    )
    return releases.aggregate(last=Max("at"))["last"]


# --- what the student does ---


def ask(
    criterion_score: CriterionScore, *, student: Enrollment, text: str, now: datetime | None = None
) -> RegradeRequest:
    """Ask for ``criterion_score`` to be looked at again. That it is the student's own, and that results are shown, is decided
    by ``access.get_criterion_score_to_ask_about`` before. Raises :class:`RegradeRefused`."""
    text = storable.text(text).strip()
    now = now or timezone.now()
    if not text:
        raise RegradeRefused("Say what should be looked at again, and why. Nothing was sent.")
    if len(text) > MAX_TEXT:
        raise RegradeRefused(f"A request has at most {MAX_TEXT:,} characters. Nothing was sent.")
    submission = criterion_score.evaluation.submission
    try:
        with transaction.atomic():
            # The same lock as for marks: nobody marks, measures anew or asks twice meanwhile.
            Enrollment.objects.select_for_update(no_key=True, of=("self",)).get(pk=student.pk)
            _check(criterion_score, submission, now)
            request = RegradeRequest.objects.create(
                criterion_score=criterion_score,
                student=student,
                course_id=student.course_id,
                text=text,
                answer_due=now + timedelta(days=ANSWER_DAYS),
                assignee=_who_takes_care(submission),
            )
            _record("ask_regrade", request, by=student.person, after={"state": State.OPEN}, reason=text)
    except IntegrityError:
        raise RegradeRefused("A request for this criterion is open already.") from None
    return request


def _check(criterion: CriterionScore, submission: Submission, now: datetime) -> None:
    about = RegradeRequest.objects.filter(
        criterion_score__evaluation__submission=submission, criterion_score__key=criterion.key, state=State.OPEN
    )
    if about.exists():
        raise RegradeRefused("A request for this criterion is open already.")
    if criterion.evaluation_id != _speaking_run(submission):
        raise RegradeRefused("This file was measured again; ask about its newest result.")
    until = _deadline(submission, criterion, _released_at(submission))
    if until is not None and now >= until:
        raise RegradeRefused("The time to ask for another look at this criterion is over.")


def _who_takes_care(submission: Submission) -> Person | None:
    assignment = getattr(submission, "desk_assignment", None)
    return assignment.assignee if assignment else None


def _speaking_run(submission: Submission) -> int | None:
    scored = submission.evaluations.filter(state=Evaluation.State.SCORED).order_by("-pk")
    return scored.values_list("pk", flat=True).first()


def withdraw(request: RegradeRequest, *, by: Person) -> RegradeRequest:
    """Take an open request back. Raises :class:`RegradeRefused` when it was answered or withdrawn meanwhile."""
    with transaction.atomic():
        request = _locked(request)
        request.state = State.WITHDRAWN
        request.save(update_fields=["state"])
        _record("withdraw_regrade", request, by=by, before={"state": State.OPEN}, after={"state": State.WITHDRAWN})
    return request


# --- what the staff do ---


def assign(
    request: RegradeRequest, *, assignee: Person | None, answer_due: datetime | None, by: Person
) -> RegradeRequest:
    """Say who takes care of an open request and until when it is meant to be answered. Raises :class:`RegradeRefused`."""
    with transaction.atomic():
        request = _locked(request)
        before = _care(request)
        request.assignee, request.answer_due = assignee, answer_due
        request.save(update_fields=["assignee", "answer_due"])
        if _care(request) != before:
            _record("assign_regrade", request, by=by, before=before, after=_care(request))
    return request


def _care(request: RegradeRequest) -> dict[str, str | None]:
    due = request.answer_due
    return {
        "assignee": request.assignee.username if request.assignee else None,
        "answer_due": due.isoformat(timespec="minutes") if due else None,
    }


def answer(
    request: RegradeRequest, *, text: str, by: Person, points: float | None = None, seen: int | None = None
) -> RegradeRequest:
    """Answer an open request. With ``points`` the criterion is marked anew, the text being the reason; without, it is left.

    ``seen`` is as in ``scoring.override``. Raises :class:`RegradeRefused`, and ``scoring.InvalidMark`` for points that cannot
    be given; then nothing has changed.
    """
    text = storable.text(text).strip()
    if not text:
        raise RegradeRefused("Write an answer: the student reads it. Nothing was changed.")
    with transaction.atomic():
        request = _locked(request)
        criterion = current_criterion(request)
        before = criterion.effective_points
        request.state = State.UNCHANGED
        if points is not None:
            if points == before:
                raise RegradeRefused(f"It has {points:g} points already: choose other points, or leave it as it was.")
            request.override = scoring.override(criterion, points=points, reason=text, by=by, seen=seen)
            request.state = State.CHANGED
        request.answer, request.answered_by, request.answered_at = text, by, timezone.now()
        request.save()
        after = before if points is None else points
        _record(
            "answer_regrade",
            request,
            by=by,
            before={"state": State.OPEN, "points": before},
            after={"state": request.state, "points": after},
            reason=text,
        )
    return request


def current_criterion(request: RegradeRequest) -> CriterionScore:
    """The criterion as it stands in the run that counts now: the file may have been measured again since it was asked about."""
    submission = request.criterion_score.evaluation.submission
    current = CriterionScore.objects.filter(
        evaluation=_speaking_run(submission), key=request.criterion_score.key
    ).select_related("evaluation__submission__course_milestone__course", "evaluation__submission__student__person")
    return current.prefetch_related("overrides__by").first() or request.criterion_score


def _locked(request: RegradeRequest) -> RegradeRequest:
    """The request as it is now, nobody else changing it; call inside a transaction. Refuses one that is not open."""
    # In the order of every other change: first the student, then what belongs to them.
    Enrollment.objects.select_for_update(no_key=True, of=("self",)).get(pk=request.student_id)
    rows = RegradeRequest.objects.select_for_update(of=("self",)).select_related(
        "criterion_score__evaluation__submission__course_milestone__course",
        "assignee",
        "answered_by",
        "student__person",
    )
    found = rows.get(pk=request.pk)
    if found.state == State.WITHDRAWN:
        raise RegradeRefused("The student has withdrawn this request. Nothing was changed.")
    if found.state != State.OPEN:
        raise RegradeRefused(f"{found.answered_by} has answered this request already. Nothing was changed.")
    return found


def _record(what: str, request: RegradeRequest, *, by: Person, reason: str = "", before=None, after=None) -> None:
    submission = request.criterion_score.evaluation.submission
    history.record(
        what,
        target=f"regrade_request {request.pk}",
        by=by,
        course=request.course_id,
        **history.concerning(submission),
        before=before,
        after=after,
        reason=reason,
    )
