"""The rules of a milestone and what is granted to single students: dates, attempts, penalties, thresholds. For instructors."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from grading import access
from grading.forms import AccommodationsForm, ApplyRulesForm, ExtensionForm, MilestoneRulesForm, PoolForm
from grading.models import Course, CourseMilestone, Rescoring
from grading.pipeline import rescoring
from grading.pipeline import rules as rules_of_milestones
from grading.views.answers import chart_page, signed_in
from grading.views.previews import shown, students_csv


def _place(request: HttpRequest, slug: str, milestone: str) -> tuple[Course, CourseMilestone]:
    course = access.instructor_course_for(request.user, slug)
    return course, access.get_milestone(request.user, course, milestone)


@signed_in
@never_cache
@chart_page
def rules(request: HttpRequest, slug: str, milestone: str) -> HttpResponse:
    """The rules in force, or those of an earlier ``version`` to go back to, and the versions so far."""
    course, found = _place(request, slug, milestone)
    asked = request.GET.get("version", "")
    earlier = found.policy_versions.filter(version=int(asked)).first() if asked.isascii() and asked.isdigit() else None
    initial = {} if earlier is None else _as_initial(earlier.content)
    with timezone.override(course.zone):
        return _page(request, course, found, MilestoneRulesForm(instance=found, initial=initial), {"earlier": earlier})


def _as_initial(content: dict[str, Any]) -> dict[str, Any]:
    """What a version says, for the form; its threshold is the score that completes the milestone."""
    dates = {name: parse_datetime(content[name]) if content[name] else None for name in ("opens", "due", "closes")}
    return {**content, **dates, "completion_threshold": content["threshold"]}


def _page(
    request: HttpRequest, course: Course, found: CourseMilestone, form: MilestoneRulesForm, more: dict[str, Any]
) -> HttpResponse:
    # A model form writes what was typed into its instance: what is in force is read anew.
    stored = access.get_milestone(request.user, course, found.milestone)
    context = {
        "course": course,
        "milestone": stored,
        "milestones": access.milestones_for(request.user, course),
        "form": form,
        "seen": rules_of_milestones.mark_of_state(stored),
        "versions": stored.policy_versions.select_related("by").order_by("-version"),
        "reaches": Rescoring.Reach.choices,
    }
    return render(request, "rules/edit.html", context | more)


def _first_error(form: Form) -> str:
    name, errors = next(iter(form.errors.items()))
    return f"{form.fields[name].label}: {errors[0]}" if name in form.fields else errors[0]


@signed_in
@require_POST
@chart_page
def preview(request: HttpRequest, slug: str, milestone: str) -> HttpResponse:
    """Whose results the typed rules would change, were they applied to what was handed in. It changes nothing."""
    course, found = _place(request, slug, milestone)
    with timezone.override(course.zone):
        form = MilestoneRulesForm(request.POST, instance=found)
        if not form.is_valid():
            return _page(request, course, found, form, {"refused": _first_error(form)})
        stored = access.get_milestone(request.user, course, milestone)
        answer = rules_of_milestones.what_if(stored, form.cleaned_data)
        if "csv" in request.POST:
            return students_csv(course, stored, answer.everybody)
        wanted = rules_of_milestones.with_values(stored, form.cleaned_data)
        seen = shown(course, stored, answer.everybody, threshold=wanted.threshold)
        return _page(request, course, found, form, seen | {"what_if": answer})


@signed_in
@require_POST
@chart_page
def apply(request: HttpRequest, slug: str, milestone: str) -> HttpResponse:
    """Put the typed rules in force, for whom the form says."""
    course, found = _place(request, slug, milestone)
    with timezone.override(course.zone):
        form, choice = MilestoneRulesForm(request.POST, instance=found), ApplyRulesForm(request.POST)
        refused = next((_first_error(each) for each in (form, choice) if not each.is_valid()), "")
        if not refused:
            try:
                changed = rules_of_milestones.apply(found, form.cleaned_data, by=request.user, **choice.cleaned_data)
            except rescoring.NotApplied as sentence:
                refused = str(sentence)
            else:
                messages.success(request, f"The rules are in force; {changed:,} attempts of before are judged by them.")
                return redirect("rules", slug=course.slug, milestone=found.milestone)
        return _page(request, course, found, form, {"refused": refused})


@signed_in
@require_POST
def pool(request: HttpRequest, slug: str) -> HttpResponse:
    """How many grace days each student has for the whole course."""
    course = access.instructor_course_for(request.user, slug)
    form = PoolForm(request.POST)
    if _done(
        request,
        form,
        lambda values: rules_of_milestones.set_pool(
            course, values["grace_days"], reason=values["reason"], by=request.user
        ),
    ):
        messages.success(request, f"Each student has {form.cleaned_data['grace_days']} grace days for the course.")
    first = access.milestones_for(request.user, course).first()
    back = access.milestones_for(request.user, course).filter(milestone=request.POST.get("back", "")).first() or first
    if back is None:
        return redirect("course", slug=course.slug)
    return redirect("rules", slug=course.slug, milestone=back.milestone)


@signed_in
@require_POST
def extension(request: HttpRequest, slug: str, enrollment: int) -> HttpResponse:
    """Days and attempts for one student at one milestone."""
    course = access.instructor_course_for(request.user, slug)
    student = access.get_student(request.user, course, enrollment)
    form = ExtensionForm(request.POST, milestones=access.milestones_for(request.user, course))
    if _done(
        request,
        form,
        lambda values: rules_of_milestones.grant(
            student,
            values["milestone"],
            extra_days=values["extra_days"],
            extra_attempts=values["extra_attempts"],
            reason=values["reason"],
            by=request.user,
        ),
    ):
        messages.success(request, "Granted. What this student handed in late is judged by it.")
    return redirect("student", slug=course.slug, enrollment=student.pk)


@signed_in
@require_POST
def accommodations(request: HttpRequest, slug: str, enrollment: int) -> HttpResponse:
    """What is granted to one student at every milestone."""
    course = access.instructor_course_for(request.user, slug)
    student = access.get_student(request.user, course, enrollment)
    form = AccommodationsForm(request.POST)
    if _done(
        request,
        form,
        lambda values: rules_of_milestones.accommodate(student, values, reason=values["reason"], by=request.user),
    ):
        messages.success(request, "Granted for every milestone. What this student handed in late is judged by it.")
    return redirect("student", slug=course.slug, enrollment=student.pk)


def _done(request: HttpRequest, form: Form, action: Any) -> bool:
    """Do ``action`` with what was typed, or say in one sentence why not."""
    if not form.is_valid():
        messages.error(request, f"{_first_error(form)} Nothing was changed.")
        return False
    try:
        action(form.cleaned_data)
    except rescoring.NotApplied as refused:
        messages.error(request, str(refused))
        return False
    return True
