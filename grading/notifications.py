"""What people are told, on the site and by e-mail. The rules, in full:

- A student is told when a **result** is ready or released, when a **mark** of theirs was changed, when a **regrade** request is
  answered, and when a **deadline** is near for a milestone that they have not completed.
- Nothing is told about held results: the release tells of all of them at once. No text holds a score: others may read e-mail.
- What is told is written in the same transaction as what it tells of: neither comes without the other. The history is where
  every change passes, so :func:`tell_of` reads it off there.
- The same thing is told once (``key``). Each person chooses for each kind whether it is told on the site and by e-mail.
- E-mail is sent afterwards by a task, one row at a time under its lock, and again by the next round where sending failed; after
  ``GIVEN_UP_AFTER`` it is not news any more.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from smtplib import SMTPRecipientsRefused, SMTPSenderRefused

import structlog
from django.conf import settings
from django.core.mail import EmailMessage
from django.db import transaction
from django.db.models import QuerySet
from django.urls import reverse
from django.utils import timezone

from grading import policy
from grading.models import (
    AuditEvent,
    CourseMilestone,
    CriterionScore,
    Enrollment,
    Evaluation,
    Extension,
    MilestoneResult,
    Notification,
    NotificationChoice,
    Person,
    RegradeRequest,
)

log = structlog.get_logger(__name__)

Kind = Notification.Kind
#: Kinds that somebody is told of, in the words of the form that turns them off.
CHOICES: Mapping[str, str] = {
    Kind.RESULT: "A result is ready",
    Kind.MARK: "A mark of mine was changed",
    Kind.REGRADE: "My regrade request was answered",
    Kind.DEADLINE: "A deadline is near",
}
NEAR = timedelta(hours=24)
GIVEN_UP_AFTER = timedelta(days=3)
EMAILS_AT_ONCE = 200

#: Entries of the history that are told to the student whom they concern.
_TOLD: Mapping[str, tuple[str, str]] = {
    "override_score": (Kind.MARK, "A mark was changed"),
    "undo_mark": (Kind.MARK, "A change of a mark was taken back"),
    "decide_benchmark": (Kind.MARK, "A person decided about the benchmark"),
    "rescore": (Kind.MARK, "Your score was computed by a changed rubric"),
    "undo_rescore": (Kind.MARK, "Your score is again that of the earlier rubric"),
    "answer_regrade": (Kind.REGRADE, "Your regrade request was answered"),
}
_RELEASED = "release_grades"


@dataclass(frozen=True, kw_only=True)
class Message:
    """What one person is to be told."""

    person: int
    course: int
    kind: str
    text: str
    address: str
    key: str


# --- telling ---


def tell(messages: Iterable[Message]) -> None:
    """Write down what is to be told, by everybody's choices; what was told already is not told again."""
    messages = list(messages)
    people = {message.person for message in messages}
    chosen = {
        (choice.person_id, choice.kind): choice for choice in NotificationChoice.objects.filter(person__in=people)
    }
    reachable = set(Person.objects.filter(pk__in=people, is_active=True).exclude(email="").values_list("pk", flat=True))
    rows = []
    for message in messages:
        choice = chosen.get((message.person, message.kind))
        by_email = message.person in reachable and (choice is None or choice.by_email)
        if by_email or choice is None or choice.on_site:
            rows.append(
                Notification(
                    person_id=message.person,
                    course_id=message.course,
                    kind=message.kind,
                    text=message.text[:300],
                    address=message.address,
                    key=message.key,
                    by_email=by_email,
                )
            )
    Notification.objects.bulk_create(rows, batch_size=1000, ignore_conflicts=True)


def result_ready(evaluation: Evaluation) -> None:
    """Tell its student that ``evaluation`` was published; a later one of the same file only where it gave other points."""
    submission = evaluation.submission
    milestone = submission.course_milestone
    if milestone.hold_grades:
        return
    earlier = submission.evaluations.filter(state=Evaluation.State.SCORED, pk__lt=evaluation.pk).order_by("-pk").first()
    if earlier is not None and (earlier.score, earlier.benchmark_met) == (evaluation.score, evaluation.benchmark_met):
        return
    tell(
        [
            Message(
                person=submission.student.person_id,
                course=milestone.course_id,
                kind=Kind.RESULT if earlier is None else Kind.MARK,
                text=f"Milestone {milestone.number}: the result of attempt {submission.attempt} is ready."
                if earlier is None
                else f"Milestone {milestone.number}: attempt {submission.attempt} was measured again, with another result.",
                address=reverse("submission", args=[submission.pk]),
                key=f"result {evaluation.pk}",
            )
        ]
    )


def tell_of(events: Collection[AuditEvent]) -> None:
    """Tell students of the entries of the history that concern them; entries of what is held are told to nobody."""
    told = [event for event in events if event.what in _TOLD and event.student_id and event.course_milestone_id]
    released = [event for event in events if event.what == _RELEASED and event.course_milestone_id]
    if not told and not released:
        return
    numbers = {event.course_milestone_id for event in (*told, *released)}
    milestones = CourseMilestone.objects.select_related("course").in_bulk(numbers)
    students = Enrollment.objects.in_bulk({event.student_id for event in told})
    submissions = _submissions(told)
    messages = []
    for event in told:
        milestone = milestones[event.course_milestone_id]
        if milestone.hold_grades:
            continue
        kind, words = _TOLD[event.what]
        submission = submissions.get(event.target)
        messages.append(
            Message(
                person=students[event.student_id].person_id,
                course=milestone.course_id,
                kind=kind,
                text=f"Milestone {milestone.number}: {words[0].lower()}{words[1:]}.",
                address=reverse("submission", args=[submission]) if submission else _page_of(milestone),
                key=f"event {event.pk}",
            )
        )
    for event in released:
        messages += _of_released(milestones[event.course_milestone_id], event)
    tell(messages)


def _of_released(milestone: CourseMilestone, event: AuditEvent) -> list[Message]:
    results = MilestoneResult.objects.filter(
        course_milestone=milestone, score__isnull=False, enrollment__active=True, enrollment__test=False
    )
    return [
        Message(
            person=person,
            course=milestone.course_id,
            kind=Kind.RESULT,
            text=f"Milestone {milestone.number}: your result is released.",
            address=_page_of(milestone),
            key=f"event {event.pk}",
        )
        for person in results.values_list("enrollment__person_id", flat=True)
    ]


def _submissions(events: Iterable[AuditEvent]) -> dict[str, int]:
    """The submission behind the target of each entry, where it is about one."""
    found: dict[str, int] = {}
    numbers: dict[str, set[int]] = {}
    for event in events:
        model, _, number = event.target.rpartition(" ")
        numbers.setdefault(model, set()).add(int(number) if number.isdecimal() else 0)
    for model, rows, path in (
        ("criterion_score", CriterionScore.objects, "evaluation__submission_id"),
        ("evaluation", Evaluation.objects, "submission_id"),
        ("regrade_request", RegradeRequest.objects, "criterion_score__evaluation__submission_id"),
    ):
        if model in numbers:
            pairs = rows.filter(pk__in=numbers[model]).order_by().values_list("pk", path)
            found |= {f"{model} {number}": submission for number, submission in pairs}
    return found


def _page_of(milestone: CourseMilestone) -> str:
    return reverse("milestone", args=[milestone.course.slug, milestone.milestone])


def tell_of_deadlines(now: datetime | None = None) -> None:
    """Tell students whose due date is less than ``NEAR`` away and who have not completed the milestone."""
    now = now or timezone.now()
    milestones = CourseMilestone.objects.filter(due__isnull=False, due__lte=now + NEAR).select_related("course")
    for milestone in milestones:
        tell(_near(milestone, now))


def _near(milestone: CourseMilestone, now: datetime) -> Iterable[Message]:
    students = Enrollment.objects.filter(
        course=milestone.course_id, active=True, role=Enrollment.Role.STUDENT, test=False, person__is_active=True
    ).exclude(results__in=MilestoneResult.objects.filter(course_milestone=milestone, completed=True))
    extensions = {each.student_id: each for each in Extension.objects.filter(course_milestone=milestone).order_by("pk")}
    for student in students:
        due = policy.dates_for(student, milestone, extensions.get(student.pk)).due
        if now < due <= now + NEAR and not (milestone.opens and now < milestone.opens):
            local = due.astimezone(milestone.course.zone)
            yield Message(
                person=student.person_id,
                course=milestone.course_id,
                kind=Kind.DEADLINE,
                text=f"Milestone {milestone.number} is due on {local:%A %-d %B at %H:%M %Z}.",
                address=_page_of(milestone),
                key=f"deadline {milestone.pk} {due:%Y-%m-%dT%H:%M}",
            )


# --- on the site ---


def shown_to(person: Person) -> QuerySet[Notification]:
    """What ``person`` reads on the site, the newest first: all kinds that they did not turn off there."""
    off = NotificationChoice.objects.filter(person=person.pk, on_site=False).values("kind")
    rows = Notification.objects.filter(person=person.pk).exclude(kind__in=off)
    return rows.select_related("course").order_by("-pk")


def unread(person: Person) -> int:
    """How many of :func:`shown_to` wait to be read."""
    return shown_to(person).filter(read_at=None).count()


def mark_read(person: Person, number: int | None = None) -> None:
    """Mark one notification of ``person`` as read, or all of them. A number that is not theirs changes nothing."""
    rows = Notification.objects.filter(person=person.pk, read_at=None)
    (rows if number is None else rows.filter(pk=number)).update(read_at=timezone.now())


def choices_of(person: Person) -> dict[str, tuple[bool, bool]]:
    """Kind -> whether ``person`` is told on the site, and by e-mail."""
    stated = {each.kind: (each.on_site, each.by_email) for each in person.notification_choices.all()}
    return {kind: stated.get(kind, (True, True)) for kind in CHOICES}


def choose(person: Person, wanted: Mapping[str, tuple[bool, bool]]) -> None:
    """Keep the choices of ``person``. E-mail that waits to be sent follows them."""
    rows = [
        NotificationChoice(person=person, kind=kind, on_site=on_site, by_email=by_email)
        for kind, (on_site, by_email) in wanted.items()
    ]
    silent = [kind for kind, (_, by_email) in wanted.items() if not by_email]
    with transaction.atomic():
        NotificationChoice.objects.bulk_create(
            rows, update_conflicts=True, unique_fields=["person", "kind"], update_fields=["on_site", "by_email"]
        )
        waiting = Notification.objects.filter(person=person, kind__in=silent, emailed_at=None)
        waiting.update(by_email=False)


# --- by e-mail ---


def send_waiting(now: datetime | None = None) -> int:
    """Send what waits, at most ``EMAILS_AT_ONCE``; answers how many went out. Raises what the mail server's trouble raises.

    Each row is locked while it is sent and marked in the same transaction, so two workers never send it both; only a process
    that dies between the server's "accepted" and the commit leaves it to be sent again.
    """
    sent = 0
    while sent < EMAILS_AT_ONCE and _send_next(now or timezone.now()):
        sent += 1
    return sent


def _send_next(now: datetime) -> bool:
    with transaction.atomic():
        waiting = Notification.objects.filter(by_email=True, emailed_at=None, at__gte=now - GIVEN_UP_AFTER)
        row = (
            waiting.select_for_update(skip_locked=True, of=("self",))
            .select_related("person", "course")
            .order_by("pk")
            .first()
        )
        if row is None:
            return False
        try:
            _message(row).send()
            row.emailed_at = now
        except (SMTPRecipientsRefused, SMTPSenderRefused) as refused:
            # Nobody at that address: trying again would hold up everybody behind it.
            log.warning("email_refused", notification=row.pk, why=str(refused))
            row.by_email = False
        row.save(update_fields=["emailed_at", "by_email"])
        return True


def _message(row: Notification) -> EmailMessage:
    course = f"[{row.course.title}] " if row.course else ""
    choices = reverse("notifications")
    body = (
        f"{row.text}\n\n{settings.SITE_ADDRESS}{row.address}\n\n"
        f"You can turn this off: {settings.SITE_ADDRESS}{choices}#choices\n"
    )
    return EmailMessage(subject=" ".join(f"{course}{row.text}".split()), body=body, to=[row.person.email])
