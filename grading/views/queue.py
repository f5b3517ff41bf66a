"""The queue of a course and what waits for a person in it, for its staff."""

from __future__ import annotations

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache

from grading import access, class_lists
from grading import needs_human as rules
from grading import queue as lines
from grading.analytics import waiting
from grading.models import Course, Evaluation
from grading.pipeline import reruns, workers
from grading.views.answers import chart_page, csv_answer, page_of, signed_in

QUEUE_HEADER = (
    "Submission", "Student", "User name", "Milestone", "Attempt", "State", "Re-run of many", "Before it",
    "Seconds until the result, low", "High", "Queued at", "Started at", "Worker",
)  # fmt: skip
HUMAN_HEADER = ("Submission", "Student", "User name", "Milestone", "Attempt", "Score", "Why", "Since")


@signed_in
@never_cache
@chart_page
def queue(request: HttpRequest, slug: str) -> HttpResponse:
    """What runs and waits, how long submissions have waited, the re-runs; ``?csv`` is the queue as a file."""
    course = access.staff_course_for(request.user, slug)
    show, milestone, search = (request.GET.get(name, "") for name in ("show", "milestone", "q"))
    everything = access.evaluations_for(request.user).filter(course=course)
    runs = class_lists.matching_runs(everything, search, milestone)
    rows = lines.under_way(runs, show)
    if "csv" in request.GET:
        return csv_answer(f"{course.slug}-queue", QUEUE_HEADER, map(_queue_cells, lines.lines_of(rows)))
    page = page_of(request, rows)
    recent = list(access.reruns_for(request.user, course)[:5])
    progress = reruns.counts_of(recent)
    context = {
        "course": course,
        "milestones": access.milestones_for(request.user, course),
        "page": page,
        "lines": lines.lines_of(page.object_list),
        "running": everything.filter(state=Evaluation.State.RUNNING).count(),
        "waiting": everything.filter(state=Evaluation.State.QUEUED).count(),
        "slots": sum(workers.live().values()),
        "for_a_person": rules.open_items(everything).count(),
        "times": _waiting_times(request, course),
        "periods": [(days, words) for days, (words, _) in waiting.PERIODS.items()],
        "days": _days(request),
        "reruns": [(rerun, progress[rerun.pk]) for rerun in recent],
        "filters": lines.FILTERS.items(),
        "show": show,
        "milestone_slug": milestone,
        "q": search,
    }
    return render(request, "courses/queue.html", context)


def _days(request: HttpRequest) -> str:
    asked = request.GET.get("days", "")
    return asked if asked in waiting.PERIODS else waiting.DEFAULT_PERIOD


def _waiting_times(request: HttpRequest, course: Course) -> waiting.WaitingTimes:
    milestone = request.GET.get("milestone", "").replace("\0", "")
    return waiting.waiting_times(course, milestone=milestone, days=_days(request), now=timezone.now())


@signed_in
def chart_csv(request: HttpRequest, slug: str, chart: str) -> HttpResponse:
    """The numbers of one chart of the queue."""
    course = access.staff_course_for(request.user, slug)
    found = next((each for each in _waiting_times(request, course).charts if each.key == chart), None)
    if found is None:
        raise Http404("No such chart.")
    return csv_answer(f"{course.slug}-{found.key}", found.columns, found.rows)


def _queue_cells(line: lines.QueueLine) -> tuple:
    run, expected = line.run, line.estimate
    return (
        *_who_and_what(run),
        run.state,
        "yes" if run.batch else "no",
        line.position,
        expected and round(expected.seconds_low),
        expected and round(expected.seconds_high),
        run.queued_at.isoformat(),
        run.started_at.isoformat() if run.started_at and run.state == Evaluation.State.RUNNING else None,
        run.worker if run.state == Evaluation.State.RUNNING else None,
    )


def _who_and_what(run: Evaluation) -> tuple:
    submission = run.submission
    person = submission.student.person
    number = submission.course_milestone.number
    return (submission.pk, person.full_name, person.username, number, submission.attempt)


@signed_in
@never_cache
def needs_human(request: HttpRequest, slug: str) -> HttpResponse:
    """What only a person can settle, the oldest first, each with its reasons; ``?csv`` is the same list as a file."""
    course = access.staff_course_for(request.user, slug)
    reason, milestone, search = (request.GET.get(name, "") for name in ("reason", "milestone", "q"))
    runs = class_lists.matching_runs(access.evaluations_for(request.user).filter(course=course), search, milestone)
    items = rules.with_unmarked(rules.narrowed(rules.open_items(runs), reason)).order_by("finished_at", "id")
    items = items.defer("measurements", "diagnoses", "notes", "counts", "phases", "open_log", "progress")
    if "csv" in request.GET:
        return csv_answer(f"{course.slug}-needs-a-person", HUMAN_HEADER, map(_human_cells, items.iterator(500)))
    context = {
        "course": course,
        "milestones": access.milestones_for(request.user, course),
        "page": page_of(request, items),
        "filters": rules.REASONS.items(),
        "reason": reason,
        "milestone_slug": milestone,
        "q": search,
    }
    return render(request, "courses/needs_human.html", context)


def _human_cells(item: Evaluation) -> tuple:
    return (*_who_and_what(item), item.score, "; ".join(rules.sentences_of(item)), item.finished_at.isoformat())
