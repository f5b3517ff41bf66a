"""Who comes into a course, and how."""

from __future__ import annotations

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
