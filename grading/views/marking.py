"""What people decide: points for a criterion, and whether a borderline benchmark is met."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from grading import access, comment_bank
from grading.forms import BenchmarkForm, OverrideForm, ReasonForm, UndoForm
from grading.models import CriterionScore, Evaluation
from grading.pipeline import scoring
from grading.views.answers import chart_page, signed_in
from grading.views.desk import Typed, back_to, item_page


@signed_in
@require_POST
@never_cache
@chart_page
def override(request: HttpRequest, criterion: int) -> HttpResponse:
    """Mark a criterion; the automatic points and every earlier mark stay beside it.

    What cannot be kept is shown again with why; so is what somebody else marked meanwhile, instead of being overwritten.
    """
    found = access.get_criterion_score_to_mark(request.user, criterion)
    form = OverrideForm(request.POST, criterion=found)
    if "saved" in request.POST:
        return with_saved_comment(request, found)
    if not form.is_valid():
        return not_kept(request, found, errors=sentences_of(form))
    points, reason = form.cleaned_data["points"], form.cleaned_data["reason"]
    try:
        scoring.override(found, points=points, reason=reason, by=request.user, seen=form.cleaned_data["seen"])
    except scoring.InvalidMark as refused:
        return not_kept(request, found, errors=(str(refused),), refused=refused)
    keep_comments(request, found, reason)
    messages.success(request, f"{found.title}: {points:g} of {found.maximum:g} points, kept with your reason.")
    return back_to(request, found.evaluation.submission, f"criterion-{found.key}")


@signed_in
@require_POST
@never_cache
@chart_page
def undo(request: HttpRequest, criterion: int) -> HttpResponse:
    """Take the latest mark of a criterion back, as one more entry."""
    found = access.get_criterion_score_to_mark(request.user, criterion)
    form = UndoForm(request.POST, criterion=found)
    if not form.is_valid():
        return not_kept(request, found, errors=sentences_of(form))
    try:
        mark = scoring.undo_mark(
            found, reason=form.cleaned_data["reason"], by=request.user, seen=form.cleaned_data["seen"]
        )
    except scoring.InvalidMark as refused:
        return not_kept(request, found, errors=(str(refused),), refused=refused)
    messages.success(request, f"{found.title}: back to {mark.points:g} of {found.maximum:g} points. Both entries stay.")
    return back_to(request, found.evaluation.submission, f"criterion-{found.key}")


# --- what other forms about a criterion do in the same way ---


def sentences_of(form) -> tuple[str, ...]:
    """The errors of a form, each with the field that it is about."""
    said = ((form.fields[name].label or name.capitalize(), " ".join(errors)) for name, errors in form.errors.items())
    return tuple(f"{label}: {errors} Nothing was changed." for label, errors in said)


def not_kept(
    request: HttpRequest, found: CriterionScore, *, errors: tuple[str, ...], refused: Exception | None = None
) -> HttpResponse:
    """The page of the submission with what was typed and why it was not kept: 409 where somebody else was first."""
    latest = refused.latest if isinstance(refused, scoring.MarkChanged) else None
    return item_page(
        request,
        found.evaluation.submission,
        typed=_typed(request, found, errors=errors, latest=latest),
        status=400 if refused is None else 409,
    )


def with_saved_comment(request: HttpRequest, found: CriterionScore) -> HttpResponse:
    """The page again with a saved comment in the reason: what desk.js does without asking the server."""
    course = found.evaluation.submission.course_milestone.course
    number = request.POST["saved"]
    chosen = access.saved_comments_for(request.user, course).filter(pk=number if number.isdecimal() else None).first()
    if chosen is None:
        return not_kept(request, found, errors=("That saved comment is gone.",))
    reason = f"{request.POST.get('reason', '').strip()} {chosen.text}".strip()
    typed = _typed(request, found, reason=reason, used=(*request.POST.getlist("used"), str(chosen.pk)))
    return item_page(request, found.evaluation.submission, typed=typed)


def keep_comments(request: HttpRequest, found: CriterionScore, reason: str) -> None:
    """Count the saved comments that went into ``reason``, and save the reason itself where that was asked for."""
    course = found.evaluation.submission.course_milestone.course
    comment_bank.used(course, request.POST.getlist("used"))
    if "save" in request.POST:
        comment_bank.save(course, text=reason, criterion=found.key, by=request.user)


def _typed(request: HttpRequest, found: CriterionScore, **values) -> Typed:
    post = request.POST
    given = {
        "points": post.get("points", "")[:20],
        "reason": post.get("reason", ""),
        "changes": post.get("changed") == "yes",
        "used": tuple(post.getlist("used")),
    }
    return Typed(criterion=found.key, **given | values)


# --- what is about a whole run ---


@signed_in
@require_POST
def decide_benchmark(request: HttpRequest, evaluation: int) -> HttpResponse:
    """Say whether the benchmark is met, where the interval leaves it to a person."""
    found = _run_to_judge(request, evaluation)
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
    return back_to(request, found.submission, "benchmark")


@signed_in
@require_POST
def review(request: HttpRequest, evaluation: int) -> HttpResponse:
    """Say what a person found about a run that was flagged or failed; it leaves the list of what waits for one."""
    found = _run_to_judge(request, evaluation)
    form = ReasonForm(request.POST)
    at_the_desk = "desk" in request.POST
    if form.is_valid():
        try:
            scoring.review(found, reason=form.cleaned_data["reason"], by=request.user)
        except scoring.InvalidMark as refused:
            messages.error(request, str(refused))
        else:
            whose = "" if at_the_desk else f" of {found.submission.student.person}"
            messages.success(request, f"Kept what you found about the run{whose}.")
    else:
        _say(request, form)
    if at_the_desk:
        return back_to(request, found.submission, "main")
    return HttpResponseRedirect(reverse("needs_human", args=[found.submission.course_milestone.course.slug]))


def _run_to_judge(request: HttpRequest, evaluation: int) -> Evaluation:
    found = access.get_evaluation(request.user, evaluation)
    if not access.can_override(request.user, found.submission):
        raise Http404("No such page.")
    return found


def _say(request: HttpRequest, form) -> None:
    for sentence in sentences_of(form):
        messages.error(request, sentence)
