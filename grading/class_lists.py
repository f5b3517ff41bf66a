"""The lists of a class:

its people, the results of one milestone, its submissions. Filtered, sorted, never unbounded.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from django.db.models import (
    Avg,
    Count,
    Exists,
    F,
    FilteredRelation,
    Max,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    Sum,
)

from grading import needs_human
from grading.models import CourseMilestone, Enrollment, Evaluation, MilestoneResult, Submission
from grading.standing import state_of

#: What the results of a milestone can be narrowed to, in words.
RESULT_FILTERS: Mapping[str, str] = {
    "": "All students",
    "submitted": "Submitted",
    "completed": "Completed",
    "not_completed": "Submitted, not completed",
    "not_submitted": "Nothing submitted",
    "needs_human": "Waiting for a person",
}
SUBMISSION_FILTERS: Mapping[str, str] = {
    "": "Any state",
    "unfinished": "Waiting or running",
    "queued": "Waiting",
    "running": "Running",
    "scored": "Measured",
    "failed": "Our problem",
    "cancelled": "Cancelled",
    "needs_human": "Waiting for a person",
}


@dataclass(frozen=True, kw_only=True)
class ResultLine:
    """One student in the results of one milestone."""

    enrollment: Enrollment
    result: MilestoneResult | None
    state: str


def matching_people(people: QuerySet[Enrollment], search: str) -> QuerySet[Enrollment]:
    """Those whose name, user name, e-mail address or section contains ``search``."""
    return people.filter(_about(search, ""))


def matching_submissions(submissions: QuerySet[Submission], search: str) -> QuerySet[Submission]:
    """Those of students whom :func:`matching_people` would find."""
    return submissions.filter(_about(search, "student__"))


def matching_runs(runs: QuerySet[Evaluation], search: str, milestone: str) -> QuerySet[Evaluation]:
    """Those of students whom :func:`matching_people` would find, at one milestone (a slug; empty: at any)."""
    if milestone:
        runs = runs.filter(submission__course_milestone__milestone=milestone.replace("\0", ""))
    return runs.filter(_about(search, "submission__student__"))


def _about(search: str, prefix: str) -> Q:
    # PostgreSQL refuses NUL in text; nobody is called that.
    search = search.replace("\0", "").strip()[:100]
    wanted = Q()
    for field in ("person__full_name", "person__username", "person__email", "section") if search else ():
        wanted |= Q(**{f"{prefix}{field}__icontains": search})
    return wanted


def people_with_figures(people: QuerySet[Enrollment]) -> QuerySet[Enrollment]:
    """Each place in a course with what it has reached: completed milestones, mean score, attempts, last change."""
    return people.annotate(
        completed_count=Count("results", filter=Q(results__completed=True)),
        mean_score=Avg("results__score"),
        attempts=Sum("results__attempts"),
        last_change=Max("results__updated_at"),
    )


def students_with_result(students: QuerySet[Enrollment], course_milestone: CourseMilestone) -> QuerySet[Enrollment]:
    """Each student with the figures of their result in one milestone, also those who have none."""
    return students.annotate(
        found=FilteredRelation("results", condition=Q(results__course_milestone=course_milestone)),
        score=F("found__score"),
        accuracy=F("found__accuracy"),
        attempts=F("found__attempts"),
        completed_at=F("found__completed_at"),
        first_submitted_at=F("found__first_submitted_at"),
    )


def narrowed(students: QuerySet[Enrollment], show: str) -> QuerySet[Enrollment]:
    """Those of :func:`students_with_result` that a filter of ``RESULT_FILTERS`` asks for; an unknown one asks for all."""
    conditions = {
        "submitted": Q(found__attempts__gt=0),
        "completed": Q(found__completed=True),
        "not_completed": Q(found__attempts__gt=0, found__completed=False),
        "not_submitted": Q(found=None) | Q(found__attempts=0),
        "needs_human": Q(found__needs_human=True),
    }
    return students.filter(conditions[show]) if show in conditions else students


def result_lines(
    students: Iterable[Enrollment], course_milestone: CourseMilestone, results: QuerySet[MilestoneResult]
) -> list[ResultLine]:
    """The students of one page with their results and states: two queries for any number of them."""
    students = list(students)
    by_student = {row.enrollment_id: row for row in results.filter(enrollment__in=students)}
    runs = (
        Evaluation.objects.filter(student__in=students, submission__course_milestone=course_milestone)
        .order_by("student_id", "-submission__attempt", "-pk")
        .distinct("student_id")
        .only("state", "student_id")
    )
    latest = {run.student_id: run for run in runs}
    return [
        ResultLine(
            enrollment=student,
            result=by_student.get(student.pk),
            state=state_of(course_milestone, result=by_student.get(student.pk), latest=latest.get(student.pk)),
        )
        for student in students
    ]


def newest_runs(evaluations: QuerySet[Evaluation]) -> list[Evaluation]:
    """The newest run of the newest attempt at each milestone, without the large columns. For one student's runs."""
    return list(
        evaluations.exclude(state=Evaluation.State.HELD_BACK)
        .order_by("submission__course_milestone_id", "-submission__attempt", "-pk")
        .distinct("submission__course_milestone_id")
        .defer("log", "open_log", "measurements", "diagnoses", "progress", "notes", "phases", "counts")
    )


def with_latest_run(submissions: QuerySet[Submission]) -> QuerySet[Submission]:
    """Each submission with the state and score of its newest run."""
    newest = (
        Evaluation.objects.filter(submission=OuterRef("pk")).exclude(state=Evaluation.State.HELD_BACK).order_by("-pk")
    )
    scored = newest.filter(state=Evaluation.State.SCORED)
    return submissions.annotate(
        state=Subquery(newest.values("state")[:1]),
        score=Subquery(scored.values("score")[:1]),
        maximum=Subquery(scored.values("maximum")[:1]),
    )


def narrowed_submissions(submissions: QuerySet[Submission], show: str) -> QuerySet[Submission]:
    """Those of :func:`with_latest_run` in one state; ``needs_human`` are those that somebody must look at."""
    if show == "needs_human":
        # Fetched first: in one statement PostgreSQL looks for them again for every submission (10,000: two seconds).
        runs = Evaluation.objects.filter(submission__in=submissions.order_by().values("pk"))
        waiting = needs_human.open_items(runs).values_list("submission", flat=True)
        return submissions.filter(pk__in=list(waiting))
    if show == "unfinished":
        return submissions.filter(state__in=[Evaluation.State.QUEUED, Evaluation.State.RUNNING])
    return submissions.filter(state=show) if show in SUBMISSION_FILTERS and show else submissions


#: Which submissions of a milestone can be measured again at once, in words.
RERUN_CHOICES: Mapping[str, str] = {
    "counted": "The attempts that count",
    "failed": "Those that failed by our fault",
    "all": "Every attempt",
}


def chosen_for_rerun(
    submissions: QuerySet[Submission], *, numbers: Iterable[str], milestone: str, which: str
) -> tuple[QuerySet[Submission], str]:
    """The submissions to measure again, and which they are in words.

    ``numbers`` are those that somebody selected in a list; without any, ``which`` of ``RERUN_CHOICES`` of a milestone (a
    slug; empty: of all). An unknown ``which`` chooses none.
    """
    selected = sorted({int(number) for number in numbers if number.isascii() and number.isdigit() and len(number) < 18})
    if selected:
        return submissions.filter(pk__in=selected), "selected submissions"
    if milestone:
        submissions = submissions.filter(course_milestone__milestone=milestone)
    if which == "counted":
        submissions = submissions.filter(Exists(MilestoneResult.objects.filter(submission=OuterRef("pk"))))
    elif which == "failed":
        submissions = with_latest_run(submissions).filter(state=Evaluation.State.FAILED)
    elif which != "all":
        submissions = submissions.none()
    words = RERUN_CHOICES.get(which, "").lower()
    return submissions, f"{words} of {milestone.replace('-', ' ') if milestone else 'all milestones'}"
