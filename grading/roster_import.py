"""A class list into a course: first what would change, then, once somebody confirmed just that, the change.

The rules, in full:

- People are known by their e-mail address, in any case of letters. Who has no account gets one without a password; they come
  in by an invitation.
- The name of an account is changed only while nobody has signed in with it and no other course uses it: it is its owner's.
- Staff are never changed and never taken out by a file, and neither is the test student.
- Who is not in the file is taken out only where that was asked for, and never while lines of the file cannot be read.
- Taking out deactivates. Nothing is deleted, and who stands in a later file comes back with everything.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from django.contrib.auth.hashers import make_password
from django.core import signing
from django.db import IntegrityError, transaction
from django.db.models import Count
from django.db.models.functions import Lower

from grading import history, roster
from grading.models import Course, Enrollment, Person
from grading.roster_files import Complaint, Line, Table, read_lines

Role = Enrollment.Role


class RosterChanged(Exception):
    """The course is no longer as it was when the change was looked at; nothing was applied."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """What a file changes about one student: field in words -> (now, then)."""

    line: Line
    enrollment: Enrollment
    fields: Mapping[str, tuple[str, str]]

    @property
    def comes_back(self) -> bool:
        return not self.enrollment.active


@dataclass(frozen=True, kw_only=True)
class Addition:
    """Somebody who is not in the course yet, with the account that they have already, if they have one."""

    line: Line
    person: Person | None


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a file would do. ``fingerprint`` stands for all of it and for the course as it is now."""

    additions: list[Addition]
    changes: list[Change]
    left: list[Enrollment]
    missing: list[Enrollment]
    unchanged: int
    complaints: list[Complaint]
    fingerprint: str

    @property
    def may_drop(self) -> bool:
        """A student whose line cannot be read must not be taken for one who left."""
        return all(each.harmless for each in self.complaints)

    @property
    def changes_something(self) -> bool:
        return bool(self.additions or self.changes or self.left or (self.missing and self.may_drop))


@dataclass(frozen=True, kw_only=True)
class Applied:
    """How many were added, changed (among them those who came back) and taken out."""

    added: int
    changed: int
    dropped: int


def pack(table: Table, columns: Mapping[int, str], *, course: Course) -> str:
    """The file as a page carries it from the preview to the confirmation: signed, for this course alone."""
    content = {"header": table.header, "rows": table.rows, "columns": list(columns.items())}
    return signing.dumps(content, salt=f"roster of course {course.pk}", compress=True)


def unpack(packed: str, *, course: Course) -> tuple[Table, dict[int, str]]:
    """What :func:`pack` made within the last day. Raises :class:`RosterChanged` for anything else."""
    try:
        content = signing.loads(packed, salt=f"roster of course {course.pk}", max_age=24 * 3600)
    except signing.BadSignature as error:
        raise RosterChanged("This preview is too old or was changed on the way. Choose the file again.") from error
    rows = tuple((number, tuple(cells)) for number, cells in content["rows"])
    return Table(header=tuple(content["header"]), rows=rows), dict(content["columns"])


def plan(course: Course, table: Table, columns: Mapping[int, str]) -> Plan:
    """What the lines of ``table`` would change in ``course``. The number of queries does not grow with the file."""
    lines, complaints = read_lines(table, columns)
    places = list(Enrollment.objects.filter(course=course).select_related("person").order_by("person__full_name", "pk"))
    by_email = {place.person.email.lower(): place for place in places if place.person.email}
    by_number = {place.student_number: place for place in places if place.student_number}
    accounts = {
        person.email.lower(): person
        for person in Person.objects.annotate(address=Lower("email")).filter(address__in=[line.email for line in lines])
    }
    renamable = _renamable(places)
    additions: list[Addition] = []
    changes: list[Change] = []
    left: list[Enrollment] = []
    named: set[int] = {place.pk for place in places if place.role != Role.STUDENT or place.test}
    unchanged = 0
    for line in lines:
        place, owner = by_email.get(line.email), by_number.get(line.student_number)
        if owner is not None and owner is not place:
            complaints.append(_taken(line, owner))
            named |= {each.pk for each in (owner, place) if each is not None}
        elif place is None:
            if line.enrolled:
                additions.append(Addition(line=line, person=accounts.get(line.email)))
        elif place.role != Role.STUDENT or place.test:
            complaints.append(_is_staff(line, place))
        else:
            named.add(place.pk)
            fields = _fields_that_change(line, place, renamable)
            if not line.enrolled:
                left += [place] if place.active else []
            elif fields:
                changes.append(Change(line=line, enrollment=place, fields=fields))
            else:
                unchanged += 1
    missing = [place for place in places if place.active and place.pk not in named]
    return Plan(
        additions=additions,
        changes=changes,
        left=left,
        missing=missing,
        unchanged=unchanged,
        complaints=sorted(complaints, key=lambda each: each.number),
        fingerprint=_fingerprint(places, additions, changes, left),
    )


def _renamable(places: list[Enrollment]) -> set[int]:
    """The accounts whose name is still the school's: never signed in with, and in no other course."""
    people = Person.objects.filter(pk__in=[place.person_id for place in places], last_login=None)
    return set(people.annotate(courses=Count("enrollments")).filter(courses=1).values_list("pk", flat=True))


def _taken(line: Line, owner: Enrollment) -> Complaint:
    sentence = (
        f"Student number {line.student_number} belongs to {owner.person} ({owner.person.email or owner.person.username}) "
        "in this course. If the address has changed, change it with that account first."
    )
    return Complaint(number=line.number, sentence=sentence)


def _is_staff(line: Line, place: Enrollment) -> Complaint:
    kind = "the test student" if place.test else place.get_role_display().lower()
    sentence = f"{line.email} is {kind} here and stays so: a file changes students alone."
    return Complaint(number=line.number, sentence=sentence, harmless=True)


def _fields_that_change(line: Line, place: Enrollment, renamable: set[int]) -> dict[str, tuple[str, str]]:
    """An empty cell changes nothing: many lists leave out what they do not know."""
    fields = {}
    if line.name and line.name != place.person.full_name and place.person_id in renamable:
        fields["name"] = (place.person.full_name, line.name)
    for field in ("section", "student_number"):
        now, then = getattr(place, field), getattr(line, field)
        if then and now != then:
            fields[field] = (now, then)
    if not place.active:
        fields["active"] = ("no", "yes")
    return fields


def _fingerprint(
    places: list[Enrollment], additions: list[Addition], changes: list[Change], left: list[Enrollment]
) -> str:
    now = sorted(
        (each.pk, each.person.email, each.person.full_name, each.role, each.section, each.student_number, each.active)
        for each in places
    )
    then = (
        [(asdict(each.line), each.person and each.person.pk) for each in additions],
        [(each.enrollment.pk, sorted(each.fields.items())) for each in changes],
        [each.pk for each in left],
    )
    return hashlib.sha256(repr((now, then)).encode()).hexdigest()


def apply(
    course: Course, table: Table, columns: Mapping[int, str], *, fingerprint: str, drop: bool, by: Person
) -> Applied:
    """Do what :func:`plan` said when it had this ``fingerprint``; with ``drop`` also take out who is not in the file.

    All in one transaction, or nothing and :class:`RosterChanged`.
    """
    try:
        with transaction.atomic():
            Course.objects.select_for_update().get(pk=course.pk)
            # Whoever changes one of these places meanwhile waits for us, or we for them.
            list(Enrollment.objects.select_for_update().filter(course=course).values_list("pk"))
            now = plan(course, table, columns)
            if now.fingerprint != fingerprint:
                raise RosterChanged(
                    "The course was changed since this preview. Look at the new one; nothing was applied."
                )
            gone = now.left + (now.missing if drop and now.may_drop else [])
            roster.deactivate(course, gone)
            _change(now.changes)
            added = _add(course, now.additions)
            _record(course, now, added=added, gone=gone, by=by)
    except IntegrityError as error:
        raise RosterChanged("The course was changed just now. Choose the file again; nothing was applied.") from error
    return Applied(added=len(added), changed=len(now.changes), dropped=len(gone))


def _change(changes: list[Change]) -> None:
    people = []
    for change in changes:
        place, then = change.enrollment, {field: values[1] for field, values in change.fields.items()}
        place.section = then.get("section", place.section)
        place.student_number = then.get("student_number", place.student_number)
        place.active = True
        if "name" in then:
            place.person.full_name = then["name"]
            people.append(place.person)
    Enrollment.objects.bulk_update(
        [change.enrollment for change in changes], ["section", "student_number", "active"], batch_size=500
    )
    Person.objects.bulk_update(people, ["full_name"], batch_size=500)


def _add(course: Course, additions: list[Addition]) -> list[Enrollment]:
    fresh = [each for each in additions if each.person is None]
    names = unused_usernames([each.line.email for each in fresh])
    # One refusal for all: the marker says only that no password fits.
    people = Person.objects.bulk_create(
        [
            Person(
                username=names[each.line.email],
                email=each.line.email,
                full_name=each.line.name,
                password=make_password(None),
            )
            for each in fresh
        ]
    )
    made = {person.email: person for person in people}
    return Enrollment.objects.bulk_create(
        [
            Enrollment(
                course=course,
                person=each.person or made[each.line.email],
                section=each.line.section,
                student_number=each.line.student_number,
            )
            for each in additions
        ]
    )


def unused_usernames(emails: list[str]) -> dict[str, str]:
    """A user name for each address: the address itself, with a number behind it where somebody has that name."""
    taken = set(Person.objects.annotate(name=Lower("username")).filter(name__in=emails).values_list("name", flat=True))
    names: dict[str, str] = {}
    for email in emails:
        name, number = email, 1
        while name in taken:
            number += 1
            name = f"{email[:140]}-{number}"
            if Person.objects.filter(username__iexact=name).exists():
                taken.add(name)
        names[email] = name
        taken.add(name)
    return names


def _record(course: Course, plan: Plan, *, added: list[Enrollment], gone: list[Enrollment], by: Person) -> None:
    entries = [
        history.entry(
            "enrol", target=f"enrollment {place.pk}", by=by, course=course, student=place,
            after={"role": place.role, "section": place.section, "active": True}, reason="From a class list.",
        )
        for place in added
    ]  # fmt: skip
    for change in plan.changes:
        before = {field: now for field, (now, _) in change.fields.items()}
        after = {field: then for field, (_, then) in change.fields.items()}
        entries.append(
            history.entry(
                "change_enrollment", target=f"enrollment {change.enrollment.pk}", by=by, course=course,
                student=change.enrollment, before=before, after=after, reason="From a class list.",
            )
        )  # fmt: skip
    for place in gone:
        entries.append(
            history.entry(
                "deactivate", target=f"enrollment {place.pk}", by=by, course=course, student=place,
                before={"active": True}, after={"active": False}, reason="Not in the class list, or said there to have left.",
            )
        )  # fmt: skip
    history.keep(entries)
