"""A course as its staff see it: the overview with its charts, the people, the results, the submissions."""

from __future__ import annotations

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from grading import access, class_lists, rubrics
from grading.analytics.overview import ClassOverview, class_overview
from grading.forms import AccommodationsForm
from grading.ledger import ledger_of
from grading.models import Course, CourseMilestone, Enrollment, Evaluation
from grading.pipeline.results import attempt_that_counts
from grading.pipeline.rules import ACCOMMODATIONS
from grading.standing import standings
from grading.views.answers import chart_page, csv_answer, page_of, signed_in, sorting

PEOPLE_COLUMNS = {
    "name": ("person__full_name", "person__username"),
    "section": ("section", "person__full_name"),
    "completed": ("completed_count", "person__full_name"),
    "score": ("mean_score", "person__full_name"),
    "attempts": ("attempts", "person__full_name"),
    "last": ("last_change", "person__full_name"),
}
RESULT_COLUMNS = {
    "name": ("person__full_name", "person__username"),
    "section": ("section", "person__full_name"),
    "score": ("score", "person__full_name"),
    "accuracy": ("accuracy", "person__full_name"),
    "attempts": ("attempts", "person__full_name"),
    "completed": ("completed_at", "person__full_name"),
}
SUBMISSION_COLUMNS = {
    "submitted": ("submitted_at", "id"),
    "student": ("student__person__full_name", "-submitted_at"),
    "milestone": ("course_milestone__number", "-submitted_at"),
    "score": ("score", "-submitted_at"),
}


def _students(request: HttpRequest, course: Course):
    people = access.enrollments_for(request.user, course)
    return people.filter(active=True, role=Enrollment.Role.STUDENT)


def _overview(request: HttpRequest, course: Course) -> ClassOverview:
    practice = {"practice": True, "real": False}.get(request.GET.get("data", ""))
    milestones = list(access.milestones_for(request.user, course))
    return class_overview(course, milestones, chosen=request.GET.get("milestone", ""), practice_data=practice)


@chart_page
def class_page(request: HttpRequest, course: Course) -> HttpResponse:
    """How the class is doing: four figures, the charts, who needs help."""
    runs = access.evaluations_for(request.user).filter(course=course)
    unfinished = runs.filter(state__in=[Evaluation.State.QUEUED, Evaluation.State.RUNNING])
    context = {
        "course": course,
        "overview": _overview(request, course),
        "milestones": access.milestones_for(request.user, course),
        "waiting": unfinished.count(),
        "oldest_waiting": unfinished.order_by("queued_at").first(),
        "enrollment": access.enrollment_for(request.user, course),
    }
    return render(request, "courses/class.html", context)


@signed_in
def chart_csv(request: HttpRequest, slug: str, chart: str) -> HttpResponse:
    """The numbers of one chart of the class page."""
    course = access.staff_course_for(request.user, slug)
    found = next((each for each in _overview(request, course).charts if each.key == chart), None)
    if found is None:
        raise Http404("No such chart.")
    return csv_answer(f"{course.slug}-{found.key}", found.columns, found.rows)


@signed_in
def warnings_csv(request: HttpRequest, slug: str) -> HttpResponse:
    """The early-warning list."""
    course = access.staff_course_for(request.user, slug)
    header = ("Student", "User name", "Section", "Milestone", "Score", "Why", "Evidence", "Advice")
    rows = [
        (
            each.name,
            each.row.username,
            each.row.section,
            each.row.number,
            each.row.score,
            "; ".join(each.reasons),
            "; ".join(each.evidence),
            each.advice,
        )
        for each in _overview(request, course).warnings
    ]
    return csv_answer(f"{course.slug}-early-warning", header, rows)


@signed_in
def people(request: HttpRequest, slug: str) -> HttpResponse:
    """Everybody in the course; ``?csv`` is the same list as a file."""
    course = access.staff_course_for(request.user, slug)
    chosen, order = sorting(request, PEOPLE_COLUMNS, default="name")
    taken_out = "taken_out" in request.GET
    rows = access.enrollments_for(request.user, course).filter(active=not taken_out)
    rows = class_lists.people_with_figures(class_lists.matching_people(rows, request.GET.get("q", ""))).order_by(*order)
    if "csv" in request.GET:
        return csv_answer(f"{course.slug}-people", PEOPLE_HEADER, map(_person_cells, rows.iterator()))
    context = {
        "course": course,
        "milestones": access.milestones_for(request.user, course),
        "page": page_of(request, rows),
        "sort": chosen,
        "q": request.GET.get("q", ""),
        "taken_out": taken_out,
        "instructs": access.is_instructor_of(request.user, course),
    }
    return render(request, "courses/people.html", context)


PEOPLE_HEADER = (
    "Name", "User name", "E-mail", "Student number", "Role", "Section", "Completed", "Mean score", "Attempts",
)  # fmt: skip


def _person_cells(row: Any) -> tuple:
    person = row.person
    return (
        person.full_name,
        person.username,
        person.email,
        row.student_number,
        row.get_role_display(),
        row.section,
        row.completed_count,
        None if row.mean_score is None else round(row.mean_score, 2),
        row.attempts or 0,
    )


@signed_in
def student(request: HttpRequest, slug: str, enrollment: int) -> HttpResponse:
    """One student over all milestones: the list behind every number about them."""
    course = access.staff_course_for(request.user, slug)
    found = access.get_student(request.user, course, enrollment)
    runs = access.evaluations_for(request.user).filter(course=course, student=found)
    milestones = access.milestones_for(request.user, course)
    rows = standings(
        milestones,
        results=access.results_for(request.user, course).filter(enrollment=found),
        evaluations=class_lists.newest_runs(runs),
        sees_everything=True,
    )
    attempts = class_lists.with_latest_run(access.submissions_for(request.user).filter(student=found))
    context = {
        "course": course,
        "milestones": milestones,
        "student": found,
        "standings": rows,
        "page": page_of(request, attempts),
        "ledgers": [
            (milestone, ledger_of(attempt, milestone))
            for milestone in milestones
            if (attempt := attempt_that_counts(found, milestone)) is not None
        ],
    }
    if access.is_instructor_of(request.user, course):
        granted = {name: getattr(found, name) for name in ACCOMMODATIONS}
        context |= {
            "accommodations": AccommodationsForm(initial=granted),
            "extensions": found.extensions.select_related("course_milestone", "by").order_by("-pk"),
        }
    return render(request, "courses/student_report.html", context)


@signed_in
def results(request: HttpRequest, slug: str, milestone: str) -> HttpResponse:
    """One milestone over all students; ``?csv`` is the same list as a file."""
    course = access.staff_course_for(request.user, slug)
    found = access.get_milestone(request.user, course, milestone)
    chosen, order = sorting(request, RESULT_COLUMNS, default="name")
    show, search = request.GET.get("show", ""), request.GET.get("q", "")
    rows = class_lists.students_with_result(_students(request, course), found)
    rows = class_lists.narrowed(class_lists.matching_people(rows, search), show).order_by(*order)
    known = access.results_for(request.user, course).filter(course_milestone=found)
    if "csv" in request.GET:
        lines = class_lists.result_lines(rows, found, known)
        return csv_answer(f"{course.slug}-{milestone}-results", RESULT_HEADER, map(_result_cells, lines))
    page = page_of(request, rows)
    context = {
        "course": course,
        "milestone": found,
        "rubric": rubrics.rubric_of(found),
        "milestones": access.milestones_for(request.user, course),
        "page": page,
        "lines": class_lists.result_lines(page.object_list, found, known),
        "sort": chosen,
        "q": search,
        "show": show,
        "filters": class_lists.RESULT_FILTERS.items(),
    }
    return render(request, "courses/results.html", context)


RESULT_HEADER = (
    "Name", "User name", "E-mail", "Section", "State", "Score", "Before penalty", "Late penalty", "Level",
    "Benchmark met", "Accuracy", "n", "Low", "High", "Attempts", "Completed at", "Practice data",
)  # fmt: skip


def _result_cells(line: class_lists.ResultLine) -> tuple:
    person, result = line.enrollment.person, line.result
    head = (person.full_name, person.username, person.email, line.enrollment.section, line.state)
    if result is None:
        return (*head, *[None] * 12)
    met = {True: "yes", False: "no", None: ""}[result.benchmark_met]
    return (
        *head,
        result.score,
        result.score_before_penalty,
        result.late_penalty,
        result.level,
        met,
        result.accuracy,
        result.accuracy_n,
        result.accuracy_low,
        result.accuracy_high,
        result.attempts,
        result.completed_at.isoformat() if result.completed_at else None,
        "yes" if result.practice_data else "no",
    )


@signed_in
def class_submissions(request: HttpRequest, slug: str) -> HttpResponse:
    """Every attempt in the course, the newest first; ``?csv`` is the same list as a file."""
    course = access.staff_course_for(request.user, slug)
    chosen, order = sorting(request, SUBMISSION_COLUMNS, default="-submitted")
    show, milestone = request.GET.get("show", ""), request.GET.get("milestone", "")
    rows = access.submissions_for(request.user).filter(course_milestone__course=course)
    if milestone:
        rows = rows.filter(course_milestone__milestone=milestone)
    rows = class_lists.matching_submissions(rows, request.GET.get("q", ""))
    rows = class_lists.narrowed_submissions(class_lists.with_latest_run(rows), show).order_by(*order)
    if "csv" in request.GET:
        return csv_answer(f"{course.slug}-submissions", SUBMISSION_HEADER, map(_submission_cells, rows.iterator()))
    context = {
        "course": course,
        "milestones": access.milestones_for(request.user, course),
        "page": page_of(request, rows),
        "sort": chosen,
        "show": show,
        "milestone_slug": milestone,
        "q": request.GET.get("q", ""),
        "filters": class_lists.SUBMISSION_FILTERS.items(),
    }
    return render(request, "courses/submissions.html", context)


SUBMISSION_HEADER = (
    "Submission", "Student", "User name", "Milestone", "Attempt", "Submitted at", "Seconds late", "State", "Score",
    "Maximum", "File", "Bytes", "SHA-256", "Counts as attempt",
)  # fmt: skip


def _submission_cells(row: Any) -> tuple:
    milestone: CourseMilestone = row.course_milestone
    return (
        row.pk,
        row.student.person.full_name,
        row.student.person.username,
        milestone.number,
        row.attempt,
        row.submitted_at.isoformat(),
        row.seconds_late,
        row.state,
        row.score,
        row.maximum,
        row.original_name,
        row.size,
        row.sha256,
        "yes" if row.counted_as_attempt else "no",
    )
