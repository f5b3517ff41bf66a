"""The history of a course: all of it for its staff, for students what concerns themselves."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache

from grading import access
from grading import history as entries
from grading.views.answers import csv_answer, page_of, signed_in

HEADER = ("Entry", "At", "Who", "User name", "What", "Target", "Milestone", "Student", "Before", "After", "Reason")


@signed_in
@never_cache
def history(request: HttpRequest, slug: str) -> HttpResponse:
    """Who changed what, when and why, the newest first; ``?csv`` is the same as a file."""
    course = access.course_for(request.user, slug)
    group, milestone, search = (request.GET.get(name, "") for name in ("group", "milestone", "q"))
    staff = access.is_staff_of(request.user, course)
    events = access.audit_for(request.user, course)
    # Students have no use for a search by name; it could only tell them what they do not see.
    events = entries.narrowed(events, group=group, milestone=milestone, search=search if staff else "")
    if "csv" in request.GET:
        return csv_answer(f"{course.slug}-history", HEADER, map(_cells, events.iterator(500)))
    page = page_of(request, events)
    context = {
        "course": course,
        "is_staff": staff,
        "milestones": access.milestones_for(request.user, course),
        "page": page,
        "lines": entries.lines_of(page.object_list),
        "groups": entries.GROUPS.items(),
        "group": group,
        "milestone_slug": milestone,
        "q": search,
    }
    return render(request, "courses/history.html", context)


def _cells(event: entries.AuditEvent) -> tuple:
    return (
        event.pk,
        event.at.isoformat(),
        event.who.full_name if event.who else "",
        event.who.username if event.who else "",
        event.what,
        event.target,
        event.course_milestone.number if event.course_milestone else None,
        str(event.student.person) if event.student else None,
        entries.in_words(event.before),
        entries.in_words(event.after),
        event.reason,
    )
