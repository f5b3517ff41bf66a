"""The gradebook of a course, and the files that are made of it."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from grading import access, gradebook
from grading.gradebook_forms import GradebookFileForm
from grading.models import Course
from grading.views.answers import csv_answer, signed_in


def _wanted(request: HttpRequest) -> gradebook.Wanted:
    asked = {name: request.GET.get(name, "") for name in ("section", "milestone", "level", "state")}
    return gradebook.Wanted(search=request.GET.get("q", ""), sort=request.GET.get("sort", "name"), **asked)


def _book(request: HttpRequest, course: Course, milestones, wanted: gradebook.Wanted) -> gradebook.Gradebook:
    places, results = access.enrollments_for(request.user, course), access.results_for(request.user, course)
    runs = access.evaluations_for(request.user).filter(course=course)
    return gradebook.gradebook(milestones, places, results, runs, wanted)


@signed_in
def page(request: HttpRequest, slug: str) -> HttpResponse:
    """Students × milestones on one page; filtered and sorted by the address."""
    course = access.staff_course_for(request.user, slug)
    milestones = list(access.milestones_for(request.user, course))
    wanted = _wanted(request)
    context = {
        "course": course,
        "milestones": milestones,
        "book": _book(request, course, milestones, wanted),
        "wanted": wanted,
        "sort": wanted.sort if wanted.sort.removeprefix("-") in gradebook.sortable(milestones) else "name",
        "sections": gradebook.sections_of(access.enrollments_for(request.user, course)),
        "levels": gradebook.LEVELS.items(),
        "states": gradebook.STATES.items(),
    }
    return render(request, "courses/gradebook.html", context)


@signed_in
def export(request: HttpRequest, slug: str) -> HttpResponse:
    """The form that asks in which shape, and the file once it is answered."""
    course = access.staff_course_for(request.user, slug)
    milestones = list(access.milestones_for(request.user, course))
    form = GradebookFileForm(request.GET if "shape" in request.GET else None, milestones=milestones)
    if form.is_valid():
        return _file(request, course, milestones, form)
    context = {
        "course": course,
        "milestones": milestones,
        "form": form,
        "held": [milestone for milestone in milestones if milestone.hold_grades],
    }
    return render(request, "courses/export_gradebook.html", context)


def _file(request: HttpRequest, course: Course, milestones, form: GradebookFileForm) -> HttpResponse:
    name = f"{course.slug}-gradebook"
    if form.cleaned_data["shape"] == "nbgrader":
        places, results = access.enrollments_for(request.user, course), access.results_for(request.user, course)
        rows = gradebook.nbgrader_rows(milestones, places, results)
        return csv_answer(f"{name}-nbgrader", gradebook.NBGRADER_HEADER, rows)
    book = _book(request, course, milestones, gradebook.Wanted())
    if form.cleaned_data["shape"] == "canvas":
        ids = form.assignments
        return csv_answer(f"{name}-canvas", gradebook.canvas_header(book, ids), gradebook.canvas_rows(book, ids))
    return csv_answer(name, gradebook.plain_header(book), gradebook.plain_rows(book))
