"""What the pages of a rubric, of rules and of a re-run share: who would rise and fall."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse

from grading.analytics import charts
from grading.models import Course, CourseMilestone, Enrollment
from grading.pipeline import whatif
from grading.views.answers import csv_answer

#: A preview shows this many students; its CSV has all of them.
MOST_STUDENTS = 100
CHANGE_HEADER = (
    "Student", "User name", "Section", "Score now", "Score afterwards", "Change", "Level now", "Level afterwards",
    "Completed now", "Completed afterwards",
)  # fmt: skip


def shown(course: Course, found: CourseMilestone, everybody: whatif.Preview, *, threshold: float) -> dict[str, Any]:
    """A preview as a page shows it: the chart, and the first students with their names. ``threshold`` is that of afterwards."""
    first = everybody.changed[:MOST_STUDENTS]
    people = _people(course, [each.student for each in first])
    return {
        "preview": everybody,
        "changes": [(people[each.student], each) for each in first],
        "chart": charts.before_and_after(
            [each.before.score for each in everybody.students],
            [each.after.score for each in everybody.students],
            threshold=found.threshold,
            threshold_after=threshold,
        ),
    }


def _people(course: Course, students: list[int]) -> dict[int, Enrollment]:
    return Enrollment.objects.filter(course=course).select_related("person").in_bulk(students)


def students_csv(course: Course, found: CourseMilestone, everybody: whatif.Preview) -> HttpResponse:
    """Everybody whose result would change, as a file."""
    people = _people(course, [each.student for each in everybody.changed])
    rows = (
        (
            people[each.student].person.full_name,
            people[each.student].person.username,
            people[each.student].section,
            each.before.score,
            each.after.score,
            round(each.points, 2),
            each.before.level.value,
            each.after.level.value,
            "yes" if each.before.completes else "no",
            "yes" if each.after.completes else "no",
        )
        for each in everybody.changed
    )
    return csv_answer(f"{course.slug}-{found.milestone}-who-changes", CHANGE_HEADER, rows)
