"""My courses; one course as its students see it."""

from __future__ import annotations

from django.contrib import messages
from django.db.models import Count, Prefetch, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from grading import access, roster
from grading.class_lists import newest_runs
from grading.forms import JoinForm
from grading.models import Enrollment
from grading.standing import standings
from grading.views.answers import page_of, signed_in
from grading.views.classes import class_page


@signed_in
def courses(request: HttpRequest) -> HttpResponse:
    """The courses of the person, with the role in each and how far a student has come."""
    mine = Enrollment.objects.filter(person=request.user, active=True)
    done = Count("results", distinct=True, filter=Q(results__completed=True, results__enrollment__in=mine))
    rows = (
        access.courses_for(request.user)
        .annotate(milestone_count=Count("milestones", distinct=True), completed_count=done)
        .prefetch_related(Prefetch("enrollments", queryset=mine, to_attr="mine"))
        .order_by("slug")
    )
    return render(request, "courses/list.html", {"page": page_of(request, rows), "form": JoinForm()})


@signed_in
@require_POST
def join(request: HttpRequest) -> HttpResponse:
    """Take a place in a course by its join code."""
    form = JoinForm(request.POST)
    if not form.is_valid():
        messages.warning(request, "Type the join code that your instructor gave you.")
        return redirect("courses")
    try:
        enrollment = roster.join_course(request.user, form.cleaned_data["code"])
    except roster.CannotJoin as refusal:
        messages.warning(request, str(refusal))
        return redirect("courses")
    messages.success(request, f"You are in {enrollment.course.title}.")
    return redirect("course", slug=enrollment.course.slug)


@signed_in
def course(request: HttpRequest, slug: str) -> HttpResponse:
    """A course: the milestones of a student, or the class for its staff."""
    found = access.course_for(request.user, slug)
    if access.is_staff_of(request.user, found):
        return class_page(request, found)
    rows = standings(
        access.milestones_for(request.user, found),
        results=access.results_for(request.user, found),
        evaluations=newest_runs(access.evaluations_for(request.user).filter(course=found)),
    )
    return render(request, "courses/student.html", {"course": found, "standings": rows})
