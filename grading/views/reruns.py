"""Measuring many submissions again: what it would mean, doing it, how far it is, stopping it. For staff."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django.contrib import messages
from django.db.models import F, OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from grading import access, class_lists
from grading.forms import RerunForm
from grading.models import Course, Evaluation, Rerun, Submission
from grading.pipeline import reruns
from grading.views.answers import chart_page, csv_answer, page_of, signed_in
from grading.views.previews import shown

RERUN_HEADER = ("Submission", "Student", "User name", "Milestone", "Attempt", "State", "Score before", "Score now")
CHOICE = ("submission", "milestone", "which")


def _chosen(request: HttpRequest, course: Course, asked: QueryDict) -> tuple[QuerySet[Submission], str]:
    return class_lists.chosen_for_rerun(
        access.submissions_for(request.user).filter(course_milestone__course=course),
        numbers=asked.getlist("submission"),
        milestone=asked.get("milestone", "").replace("\0", ""),
        which=asked.get("which", ""),
    )


@signed_in
@never_cache
def plan(request: HttpRequest, slug: str) -> HttpResponse:
    """Choose what to measure again, and read how many that is and what will happen. It changes nothing."""
    course = access.staff_course_for(request.user, slug)
    submissions, what = _chosen(request, course, request.GET)
    chosen = any(request.GET.get(name) for name in ("submission", "which"))
    context = {
        "course": course,
        "milestones": access.milestones_for(request.user, course),
        "choices": class_lists.RERUN_CHOICES.items(),
        "which": request.GET.get("which", ""),
        "milestone_slug": request.GET.get("milestone", ""),
        "selected": request.GET.getlist("submission"),
        "what": what,
        "plan": reruns.plan(submissions) if chosen else None,
    }
    return render(request, "courses/plan_rerun.html", context)


@signed_in
@require_POST
def start(request: HttpRequest, slug: str) -> HttpResponse:
    """Do what the page of :func:`plan` promised, unless it would be another number by now."""
    course = access.staff_course_for(request.user, slug)
    submissions, what = _chosen(request, course, request.POST)
    form = RerunForm(request.POST)
    if not form.is_valid():
        messages.error(request, "Say with which draws and why. Nothing was started.")
    elif reruns.plan(submissions).submissions != form.cleaned_data["expected"]:
        messages.error(request, "Meanwhile it is another number of submissions. Look again; nothing was started.")
    else:
        try:
            begun = reruns.start(
                submissions,
                course=course,
                by=request.user,
                what=what,
                reason=form.cleaned_data["reason"],
                same_draws=form.cleaned_data["draws"],
                preview_first=form.cleaned_data["preview_first"],
            )
        except reruns.NothingToRun as refused:
            messages.error(request, str(refused))
        else:
            return redirect("rerun_of_many", slug=course.slug, rerun=begun.pk)
    query = QueryDict(mutable=True)
    for name in CHOICE:
        query.setlist(name, request.POST.getlist(name))
    return redirect(f"{reverse('plan_rerun', args=[course.slug])}?{query.urlencode()}")


@signed_in
@never_cache
@chart_page
def rerun(request: HttpRequest, slug: str, rerun: int) -> HttpResponse:
    """How far a re-run is, and every score before and after; ``?csv`` is the same list as a file."""
    course = access.staff_course_for(request.user, slug)
    found = access.get_rerun(request.user, course, rerun)
    rows = _with_score_before(access.evaluations_for(request.user).filter(rerun=found))
    measured = [Evaluation.State.SCORED, Evaluation.State.HELD_BACK]
    changed = rows.filter(state__in=measured).exclude(score=F("before"))
    show = request.GET.get("show", "")
    rows = (changed if show == "changed" else rows).order_by("submission__student__person__full_name", "pk")
    if "csv" in request.GET:
        return csv_answer(f"{course.slug}-rerun-{found.pk}", RERUN_HEADER, map(_cells, rows.iterator()))
    context = _progress(course, found) | {
        "is_instructor": access.is_instructor_of(request.user, course),
        "milestones": access.milestones_for(request.user, course),
        "page": page_of(request, rows),
        "changed": changed.count(),
        "previews": _previews(course, found) if _waits_for_a_decision(found) else [],
        "decisions": reruns.DECISIONS.items(),
        "show": show,
    }
    return render(request, "courses/rerun.html", context)


@signed_in
@never_cache
def status(request: HttpRequest, slug: str, rerun: int) -> HttpResponse:
    """The part of the page of :func:`rerun` that changes, for htmx."""
    course = access.staff_course_for(request.user, slug)
    return render(request, "courses/_rerun.html", _progress(course, access.get_rerun(request.user, course, rerun)))


def _progress(course: Course, found: Rerun) -> dict[str, Any]:
    return {"course": course, "rerun": found, "counts": reruns.counts_of([found])[found.pk]}


def _with_score_before(runs: QuerySet[Evaluation]) -> QuerySet[Evaluation]:
    earlier = Evaluation.objects.filter(
        submission=OuterRef("submission"), pk__lt=OuterRef("pk"), state=Evaluation.State.SCORED
    )
    large = ("log", "open_log", "measurements", "diagnoses", "notes", "counts", "phases", "progress")
    return runs.annotate(before=Subquery(earlier.order_by("-pk").values("score")[:1])).defer(*large)


def _cells(run: Any) -> tuple:
    submission = run.submission
    person = submission.student.person
    head = (submission.pk, person.full_name, person.username, submission.course_milestone.number, submission.attempt)
    return (*head, run.state, run.before, run.score)


def _waits_for_a_decision(found: Rerun) -> bool:
    """Whether what it holds back can be looked at and waits for a decision."""
    return found.preview_first and not found.settled and reruns.counts_of([found])[found.pk].is_over


def _previews(course: Course, found: Rerun) -> list[dict[str, Any]]:
    """Who would rise and fall, milestone by milestone; several charts on one page have keys of their own."""
    previews = []
    for milestone, answer in reruns.what_if(found):
        seen = shown(course, milestone, answer.everybody, threshold=milestone.threshold)
        seen["chart"] = replace(seen["chart"], key=f"before-and-after-{milestone.number}")
        previews.append(seen | {"milestone": milestone, "what_if": answer})
    return previews


@signed_in
@require_POST
def settle(request: HttpRequest, slug: str, rerun: int) -> HttpResponse:
    """Let what was held back count, for everybody or only where it helps, or discard it. For instructors."""
    course = access.instructor_course_for(request.user, slug)
    found = access.get_rerun(request.user, course, rerun)
    try:
        counted = reruns.settle(found, request.POST.get("decision", ""), by=request.user)
    except reruns.NothingToRun as refused:
        messages.error(request, str(refused))
    else:
        messages.success(request, f"Decided: {counted:,} of the new results count.")
    return redirect("rerun_of_many", slug=course.slug, rerun=found.pk)


@signed_in
@require_POST
def cancel(request: HttpRequest, slug: str, rerun: int) -> HttpResponse:
    """Stop what is not over of a re-run."""
    course = access.staff_course_for(request.user, slug)
    found = access.get_rerun(request.user, course, rerun)
    stopped = reruns.cancel(found, by=request.user)
    messages.success(request, f"{stopped} runs were stopped. What was published before stays.")
    return redirect("rerun_of_many", slug=course.slug, rerun=found.pk)
