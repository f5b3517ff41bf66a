"""Somebody's place in a course: role, section, student number; taking out and back. For instructors."""

from __future__ import annotations

from collections.abc import Callable

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from grading import access, roster
from grading.forms import PlaceForm, ReasonForm
from grading.models import Course, Enrollment
from grading.views.answers import signed_in


@signed_in
def place(request: HttpRequest, slug: str, enrollment: int) -> HttpResponse:
    """What can be changed about one place."""
    course = access.instructor_course_for(request.user, slug)
    found = access.get_place(request.user, course, enrollment)
    return _page(request, course, found, PlaceForm(place=found))


@signed_in
@require_POST
def change(request: HttpRequest, slug: str, enrollment: int) -> HttpResponse:
    """Change role, section or student number."""
    course = access.instructor_course_for(request.user, slug)
    found = access.get_place(request.user, course, enrollment)
    form = PlaceForm(request.POST, place=found)
    if not form.is_valid():
        return _page(request, course, found, form, status=422)
    return _done(request, found, lambda: roster.change_place(found, by=request.user, **form.cleaned_data))


@signed_in
@require_POST
def take_out(request: HttpRequest, slug: str, enrollment: int) -> HttpResponse:
    """End somebody's part in the course."""
    return _with_reason(request, slug, enrollment, roster.take_out)


@signed_in
@require_POST
def take_back(request: HttpRequest, slug: str, enrollment: int) -> HttpResponse:
    """Let somebody take part again."""
    return _with_reason(request, slug, enrollment, roster.take_back)


def _with_reason(request: HttpRequest, slug: str, enrollment: int, change: Callable[..., None]) -> HttpResponse:
    course = access.instructor_course_for(request.user, slug)
    found = access.get_place(request.user, course, enrollment)
    form = ReasonForm(request.POST)
    if not form.is_valid():
        messages.error(request, "Give a reason: it stays in the history. Nothing was changed.")
        return redirect("place", slug=slug, enrollment=enrollment)
    return _done(request, found, lambda: change(found, reason=form.cleaned_data["reason"], by=request.user))


def _done(request: HttpRequest, found: Enrollment, change: Callable[[], object]) -> HttpResponse:
    slug = found.course.slug
    try:
        change()
    except roster.CannotChange as refused:
        messages.error(request, str(refused))
        return redirect("place", slug=slug, enrollment=found.pk)
    messages.success(request, f"The place of {found.person} was changed.")
    # Who gave up their own place as an instructor cannot see the page of places any more.
    course = access.courses_for(request.user).filter(slug=slug).first()
    if course is None:
        return redirect("courses")
    return (
        redirect("place", slug, found.pk) if access.is_instructor_of(request.user, course) else redirect("course", slug)
    )


def _page(
    request: HttpRequest, course: Course, found: Enrollment, form: PlaceForm, *, status: int = 200
) -> HttpResponse:
    context = {
        "course": course,
        "milestones": access.milestones_for(request.user, course),
        "place": found,
        "form": form,
    }
    return render(request, "rosters/place.html", context, status=status)
