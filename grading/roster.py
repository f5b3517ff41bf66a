"""Who comes into a course, and how."""

from __future__ import annotations

from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from grading import history
from grading.models import Course, Enrollment, Person


class CannotJoin(Exception):
    """The message is one clear sentence for the person who tried."""


def join_course(person: Person, code: str) -> Enrollment:
    """Enrol ``person`` as a student in the course with this join code. Joining twice changes nothing.

    Raises :class:`CannotJoin` for an unknown code, and for somebody who was taken out of the course: a code that is
    read out in a lecture hall must not undo what an instructor decided.
    """
    course = Course.objects.filter(join_code=code).first()
    if course is None:
        raise CannotJoin("No course has this code. Check it with your instructor; codes have eight letters and digits.")
    enrollment, _ = Enrollment.objects.get_or_create(course=course, person=person)
    if not enrollment.active:
        raise CannotJoin("You were taken out of this course. Ask your instructor to add you again.")
    return enrollment


class CannotChange(Exception):
    """The message is one clear sentence for the instructor who tried; nothing was changed."""


def change_place(
    place: Enrollment, *, role: str, section: str, student_number: str, reason: str, by: Person
) -> Enrollment:
    """Give somebody another role, section or student number in their course. What stays as it was is not recorded.

    Raises :class:`CannotChange` where nobody would instruct the course any more, for the test student, and for a number
    that another student has.
    """
    try:
        with transaction.atomic():
            place = _locked(place)
            before = {name: getattr(place, name) for name in ("role", "section", "student_number")}
            after = {"role": role, "section": section, "student_number": student_number}
            changed = [name for name in after if before[name] != after[name]]
            if not changed:
                return place
            if "role" in changed:
                _check_that_it_may_change(place)
            Enrollment.objects.filter(pk=place.pk).update(**{name: after[name] for name in changed})
            place.refresh_from_db()
            history.record(
                "change_role" if "role" in changed else "change_enrollment",
                before={name: before[name] for name in changed},
                after={name: after[name] for name in changed},
                reason=reason,
                by=by,
                **_concerning(place),
            )
    except IntegrityError as error:
        raise CannotChange(f"Somebody else in the course has the student number {student_number}.") from error
    return place


def take_out(place: Enrollment, *, reason: str, by: Person) -> None:
    """End somebody's part in a course. Their work and results stay, and links that were made for them before end.

    Raises :class:`CannotChange` where nobody would instruct the course any more.
    """
    with transaction.atomic():
        place = _locked(place)
        if place.active:
            _check_that_it_may_change(place)
            deactivate(place.course, [place])
            history.record("deactivate", before={"active": True}, after={"active": False}, reason=reason, by=by,
                           **_concerning(place))  # fmt: skip


def take_back(place: Enrollment, *, reason: str, by: Person) -> None:
    """Let somebody take part again, in the role that they had."""
    with transaction.atomic():
        place = _locked(place)
        if not place.active:
            Enrollment.objects.filter(pk=place.pk).update(active=True)
            history.record("reactivate", before={"active": False}, after={"active": True}, reason=reason, by=by,
                           **_concerning(place))  # fmt: skip


def deactivate(course: Course, places: list[Enrollment]) -> None:
    """Part of taking people out: an invitation that was made for them before would bring them back, so it ends as well."""
    Enrollment.objects.filter(pk__in=[place.pk for place in places]).update(active=False)
    emails = [place.person.email.lower() for place in places if place.person.email]
    course.invitations.filter(email__in=emails, used_by=None, revoked_at=None).update(revoked_at=timezone.now())


def _locked(place: Enrollment) -> Enrollment:
    """The place as it is now. All changes of one course wait for each other: two instructors cannot take each other out."""
    Course.objects.select_for_update().get(pk=place.course_id)
    return Enrollment.objects.select_for_update(of=("self",)).select_related("person", "course").get(pk=place.pk)


def _check_that_it_may_change(place: Enrollment) -> None:
    if place.test:
        raise CannotChange("The test student stays as it is.")
    if place.role == Enrollment.Role.INSTRUCTOR and place.active:
        instructors = Enrollment.objects.filter(
            course=place.course_id, role=Enrollment.Role.INSTRUCTOR, active=True, person__is_active=True
        )
        if not instructors.exclude(pk=place.pk).exists():
            raise CannotChange(f"{place.person} is the last instructor of this course. Make somebody else one first.")


def _concerning(place: Enrollment) -> dict[str, Any]:
    student = place if place.role == Enrollment.Role.STUDENT else None
    return {"target": f"enrollment {place.pk}", "course": place.course_id, "student": student}
