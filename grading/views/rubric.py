"""The rubric of one milestone: changing it, seeing first what that would mean, applying it, taking it back. For instructors."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from grading import access, rubrics
from grading.forms import ApplyRubricForm, RubricForm
from grading.models import Course, CourseMilestone, Rescoring
from grading.pipeline import rescoring
from grading.views.answers import chart_page, csv_answer, signed_in
from grading.views.previews import shown, students_csv
from milestones import registry
from milestones.contract import Rubric


def _place(request: HttpRequest, slug: str, milestone: str) -> tuple[Course, CourseMilestone]:
    course = access.instructor_course_for(request.user, slug)
    return course, access.get_milestone(request.user, course, milestone)


def _titles(found: CourseMilestone) -> dict[str, str]:
    return {check.key: check.title for group in registry.get(found.milestone).groups for check in group.checks}


def _form(found: CourseMilestone, data: Any = None) -> RubricForm:
    return RubricForm(data, rubric=rubrics.rubric_of(found), titles=_titles(found))


def _wanted(form: RubricForm) -> tuple[Rubric | None, str]:
    """The rubric that was typed, or the sentence that says why it is none."""
    if not form.is_valid():
        said = [
            f"{form.fields[name].label}: {error}" if name in form.fields else error
            for name, errors in form.errors.items()
            for error in errors
        ]
        return None, said[0]
    try:
        return form.changed(), ""
    except rubrics.InvalidRubric as refused:
        return None, str(refused)


@signed_in
@never_cache
@chart_page
def rubric(request: HttpRequest, slug: str, milestone: str) -> HttpResponse:
    """The editor, the versions so far, and the changes that were made."""
    course, found = _place(request, slug, milestone)
    return render(request, "rubrics/edit.html", _page(request, course, found, _form(found)))


def _page(request: HttpRequest, course: Course, found: CourseMilestone, form: RubricForm) -> dict[str, Any]:
    versions = list(found.rubric_versions.select_related("by", "course_milestone").order_by("-version"))
    last = rescoring.last_step(found)
    return {
        "course": course,
        "milestone": found,
        "milestones": access.milestones_for(request.user, course),
        "form": form,
        "mark": rubrics.mark_of(found),
        "own": found.rubric,
        "versions": [(version, rubrics.is_shipped(version)) for version in versions],
        "steps": found.rescorings.select_related("by", "undone_by", "before", "after"),
        "last_step": last.pk if last else None,
    }


@signed_in
@require_POST
@chart_page
def preview(request: HttpRequest, slug: str, milestone: str) -> HttpResponse:
    """What the typed rubric would mean; ``csv`` gives everybody who changes as a file. It changes nothing."""
    course, found = _place(request, slug, milestone)
    form = _form(found, request.POST)
    wanted, refused = _wanted(form)
    context = _page(request, course, found, form) | {"refused": refused}
    if wanted is not None:
        answer = rescoring.what_if(found, wanted)
        if request.POST.get("csv") == "students":
            return students_csv(course, found, answer.everybody)
        context |= shown(course, found, answer.everybody, threshold=found.threshold) | {
            "what_if": answer,
            "reaches": Rescoring.Reach.choices,
        }
        context["differences"] = rubrics.differences(rubrics.rubric_of(found), wanted, titles=_titles(found))
        if request.POST.get("csv") == "scores":
            chart = context["chart"]
            return csv_answer(f"{course.slug}-{found.milestone}-what-if", chart.columns, chart.rows)
    return render(request, "rubrics/_preview.html" if request.htmx else "rubrics/edit.html", context)


@signed_in
@require_POST
@chart_page
def apply(request: HttpRequest, slug: str, milestone: str) -> HttpResponse:
    """Put the typed rubric in force, for whom the form says. What was typed stays on the page where it is refused."""
    course, found = _place(request, slug, milestone)
    form, choice = _form(found, request.POST), ApplyRubricForm(request.POST)
    wanted, refused = _wanted(form)
    if not refused and not choice.is_valid():
        refused = next(iter(choice.errors.values()))[0]
    if not refused:
        try:
            step = rescoring.apply(
                found,
                wanted,
                reach=choice.cleaned_data["reach"],
                reason=choice.cleaned_data["reason"],
                by=request.user,
                seen=choice.cleaned_data["seen"] or None,
            )
        except rescoring.NotApplied as sentence:
            refused = str(sentence)
        else:
            changed = step.evaluations.count()
            messages.success(
                request, f"The rubric is in force; {changed:,} attempts were scored by it. You can undo this."
            )
            return redirect("rubric", slug=course.slug, milestone=found.milestone)
    return render(request, "rubrics/edit.html", _page(request, course, found, form) | {"refused": refused})


@signed_in
@require_POST
def undo(request: HttpRequest, slug: str, milestone: str) -> HttpResponse:
    """Take the newest change back, with everything that it changed."""
    course, found = _place(request, slug, milestone)
    number = request.POST.get("step", "")
    step = get_object_or_404(found.rescorings, pk=number if number.isascii() and number.isdigit() else 0)
    try:
        rescoring.undo(step, by=request.user)
    except rescoring.NotApplied as refused:
        messages.error(request, str(refused))
    else:
        messages.success(request, "Undone: the rubric before is in force again, and the scores are what they were.")
    return redirect("rubric", slug=course.slug, milestone=found.milestone)


@signed_in
def compare(request: HttpRequest, slug: str, milestone: str) -> HttpResponse:
    """What one version of the rubric says differently from another."""
    course, found = _place(request, slug, milestone)
    versions = {str(version.version): version for version in found.rubric_versions.all()}
    chosen = [versions.get(request.GET.get(name, "")) for name in ("one", "other")]
    if None in chosen:
        raise Http404("There is no such version.")
    one, other = chosen
    context = {
        "course": course,
        "milestone": found,
        "milestones": access.milestones_for(request.user, course),
        "one": one,
        "other": other,
        "differences": rubrics.differences(rubrics.read(one.toml), rubrics.read(other.toml), titles=_titles(found)),
    }
    return render(request, "rubrics/compare.html", context)
