"""What people decide: points for a criterion, and whether a borderline benchmark is met."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from grading import access
from grading.forms import BenchmarkForm, OverrideForm, ReasonForm
from grading.pipeline import scoring
from grading.views.answers import signed_in


@signed_in
@require_POST
def override(request: HttpRequest, criterion: int) -> HttpResponse:
    """Mark a criterion; the automatic points and every earlier mark stay beside it."""
    found = access.get_criterion_score_to_mark(request.user, criterion)
    form = OverrideForm(request.POST, criterion=found)
    if form.is_valid():
        scoring.override(found, points=form.cleaned_data["points"], reason=form.cleaned_data["reason"], by=request.user)
        messages.success(
            request,
            f"{found.title}: {form.cleaned_data['points']:g} of {found.maximum:g} points, kept with your reason.",
        )
    else:
        _say(request, form)
    return _back(found.evaluation.submission_id, f"criterion-{found.key}")


@signed_in
@require_POST
def decide_benchmark(request: HttpRequest, evaluation: int) -> HttpResponse:
    """Say whether the benchmark is met, where the interval leaves it to a person."""
    found = access.get_evaluation(request.user, evaluation)
    if not access.can_override(request.user, found.submission):
        raise Http404("No such page.")
    form = BenchmarkForm(request.POST)
    if form.is_valid():
        scoring.decide_benchmark(
            found, met=form.cleaned_data["met"], reason=form.cleaned_data["reason"], by=request.user
        )
        messages.success(
            request, f"The benchmark is {'met' if form.cleaned_data['met'] else 'not met'}, by your decision."
        )
    else:
        _say(request, form)
    return _back(found.submission_id, "benchmark")


@signed_in
@require_POST
def review(request: HttpRequest, evaluation: int) -> HttpResponse:
    """Say what a person found about a run that was flagged or failed; it leaves the list of what waits for one."""
    found = access.get_evaluation(request.user, evaluation)
    if not access.can_override(request.user, found.submission):
        raise Http404("No such page.")
    form = ReasonForm(request.POST)
    if form.is_valid():
        try:
            scoring.review(found, reason=form.cleaned_data["reason"], by=request.user)
        except scoring.InvalidMark as refused:
            messages.error(request, str(refused))
        else:
            messages.success(request, f"Kept what you found about the run of {found.submission.student.person}.")
    else:
        _say(request, form)
    return HttpResponseRedirect(reverse("needs_human", args=[found.submission.course_milestone.course.slug]))


def _say(request: HttpRequest, form) -> None:
    for name, errors in form.errors.items():
        label = form.fields[name].label or name.capitalize()
        messages.error(request, f"{label}: {' '.join(errors)} Nothing was changed.")


def _back(submission: int, place: str) -> HttpResponse:
    return HttpResponseRedirect(f"{reverse('submission', args=[submission])}#{place}")
