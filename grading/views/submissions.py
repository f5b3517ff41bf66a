"""One submission: the live run, then the result; stopping and running again."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from grading import access, exhibits, regrades, rubrics
from grading.forms import ReasonForm
from grading.models import Evaluation, Submission
from grading.pipeline import dispatch
from grading.report import as_json, report_of
from grading.views.answers import chart_page, csv_answer, signed_in
from milestones.contract import Exhibit

State = Evaluation.State
#: Columns that only the shown run needs.
LARGE = ("log", "open_log", "measurements", "diagnoses", "notes", "counts")


@signed_in
@never_cache
@chart_page
def submission(request: HttpRequest, submission: int) -> HttpResponse:
    """The whole page; while a run is not over it polls :func:`status`."""
    found = access.get_submission(request.user, submission)
    return render(request, "submissions/detail.html", page_context(request, found))


@signed_in
@never_cache
@chart_page
def status(request: HttpRequest, submission: int) -> HttpResponse:
    """The part of the page that changes, for htmx; the same template that the page includes."""
    found = access.get_submission(request.user, submission)
    return render(request, "submissions/_status.html", page_context(request, found))


def page_context(request: HttpRequest, found: Submission, *, at_the_desk: bool = False) -> dict[str, Any]:
    """What all need: the runs, the one that is shown, and its live state or its report.

    At the desk it is always the run whose points count, where there is one: that is what a person marks.
    """
    course_milestone = found.course_milestone
    runs = list(access.evaluations_for(request.user).filter(submission=found).defer(*LARGE))
    if not runs:
        raise Http404("This submission has no run.")
    speaking = _speaking_run(runs)
    shown = _shown_run(runs, str(speaking) if at_the_desk else request.GET.get("run"))
    staff = access.is_staff_of(request.user, course_milestone.course)
    context = {
        "course": course_milestone.course,
        "milestone": course_milestone,
        "rubric": rubrics.rubric_of(course_milestone),
        "submission": found,
        "runs": runs,
        "run": shown,
        "latest": runs[0],
        "may_cancel": access.may_cancel(request.user, shown),
        "is_staff": staff,
        "may_mark": access.can_override(request.user, found) and shown.pk == speaking,
        "sees_scores": access.may_see_scores(request.user, course_milestone),
        "sees_all_output": access.may_see_all_output(request.user, found),
    }
    if not shown.is_final:
        return context | live_context(shown)
    if shown.state in (State.SCORED, State.HELD_BACK) and context["sees_scores"]:
        context["report"] = report = report_of(_with_everything(shown), course_milestone)
        context["printed"] = report.evaluation.log if context["sees_all_output"] else report.evaluation.open_log
        context["comments"] = access.line_comments_for(request.user, found).count()
        context["may_ask"] = found.student.person_id == request.user.pk and shown.pk == speaking
        context["asked"] = regrades.standings(
            found,
            [criterion.score for criterion in report.criteria],
            access.regrade_requests_for(request.user),
            now=timezone.now(),
        )
    return context


def live_context(run: Evaluation) -> dict[str, Any]:
    """Phase, checks and curves of a run under way, and when its result may be there."""
    progress = run.progress or {}
    position = dispatch.queue_position(run) if run.state == State.QUEUED else None
    return {
        "progress": progress,
        "estimate": dispatch.estimate(run),
        "position": position,
        "seconds_to_next_look": seconds_to_next_look(position),
        "curves": list(exhibits.shown((Exhibit(**each) for each in progress.get("curves", ())), prefix="live")),
        "checks_done": sum(status not in (None, "running") for _, _, status in progress.get("checks", ())),
    }


def seconds_to_next_look(position: int | None) -> int:
    """How soon the page should ask again: at once where something happens, seldom far back in a long queue.

    On the evening of a deadline 300 open pages that ask every second would take the processor from the measuring.
    """
    return 1 if position is None else min(15, 1 + position // 3)


def _shown_run(runs: list[Evaluation], asked: str | None) -> Evaluation:
    """The run that was asked for; else the newest while it is under way; else the newest that has a result."""
    chosen = next((run for run in runs if str(run.pk) == asked), None)
    if chosen is None and runs[0].is_final:
        chosen = next((run for run in runs if run.state == State.SCORED), None)
    return chosen or runs[0]


def _speaking_run(runs: list[Evaluation]) -> int | None:
    """The run whose points count: marks on an older one would change nothing."""
    return next((run.pk for run in runs if run.state == State.SCORED), None)


def _with_everything(run: Evaluation) -> Evaluation:
    loaded = Evaluation.objects.select_related("submission__course_milestone__course")
    return loaded.prefetch_related("criteria__overrides__by", "benchmark_decisions__by", "evidence").get(pk=run.pk)


@signed_in
@require_POST
def cancel(request: HttpRequest, submission: int) -> HttpResponse:
    """Stop the newest run, if it is not over. Staff say why, and the student reads it."""
    found = access.get_submission(request.user, submission)
    run = access.evaluations_for(request.user).filter(submission=found).first()
    staff = access.can_override(request.user, found)
    form = ReasonForm(request.POST)
    if run is None or run.is_final:
        messages.info(request, "The run had ended already.")
    elif not access.may_cancel(request.user, run):
        messages.error(request, "The course staff have this file measured again; only they can stop that.")
    elif staff and not form.is_valid():
        messages.error(request, "Give a reason: the student reads it. Nothing was cancelled.")
    else:
        reason = f"Cancelled by the course staff: {form.cleaned_data['reason']}" if staff else "Cancelled on the page."
        stopped = dispatch.cancel(run, by=request.user, reason=reason)
        messages.success(request, "The run was cancelled." if stopped else "The run had ended already.")
    if staff and "back" in request.POST:
        return redirect("queue", slug=found.course_milestone.course.slug)
    return redirect("submission", submission=found.pk)


@signed_in
@require_POST
def rerun(request: HttpRequest, submission: int) -> HttpResponse:
    """Measure the same file again, as a new run beside the old ones. For staff."""
    found = access.get_submission(request.user, submission)
    access.staff_course_for(request.user, found.course_milestone.course.slug)
    runs = access.evaluations_for(request.user).filter(submission=found)
    run = runs.first()
    if run is None or not run.is_final:
        messages.info(request, "A run of this submission is under way already.")
    else:
        earlier = runs.filter(state=State.SCORED).first() or run
        dispatch.rerun(earlier, by=request.user, seed=earlier.seed if request.POST.get("draws") == "same" else None)
        messages.success(
            request, "The submission is measured again. The earlier result stays until the new one is there."
        )
    return redirect("submission", submission=found.pk)


@signed_in
def result_json(request: HttpRequest, submission: int) -> HttpResponse:
    """The result of the run that counts, as the command line writes it."""
    found = access.get_submission(request.user, submission)
    run = access.evaluations_for(request.user).filter(submission=found, state=State.SCORED).first()
    if run is None or not access.may_see_scores(request.user, found.course_milestone):
        raise Http404("There is no result.")
    answer = JsonResponse(as_json(_with_everything(run)), json_dumps_params={"indent": 2, "ensure_ascii": False})
    answer["Content-Disposition"] = f'attachment; filename="submission-{found.pk}.json"'
    return answer


@signed_in
def figure_csv(request: HttpRequest, submission: int, figure: str) -> HttpResponse:
    """The numbers of one figure of the shown run."""
    found = access.get_submission(request.user, submission)
    report = page_context(request, found).get("report")
    chart = next((chart for chart in report.figures if chart.key == figure), None) if report else None
    if chart is None:
        raise Http404("There is no such figure.")
    return csv_answer(f"submission-{found.pk}-{figure}", chart.columns, chart.rows)


@signed_in
def uploaded_file(request: HttpRequest, submission: int) -> HttpResponse:
    """The file as it was handed in, always as a download: what is inside is not ours."""
    found = access.get_submission(request.user, submission)
    try:
        content = found.path.open("rb")
    except FileNotFoundError:
        raise Http404("The file is not on this server.") from None
    return FileResponse(
        content, as_attachment=True, filename=found.original_name, content_type="application/octet-stream"
    )
