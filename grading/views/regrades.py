"""Regrade requests: a student asks, the staff answer."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from grading import access, class_lists, desk
from grading import regrades as rules
from grading.forms import AnswerForm, RegradeCareForm, RegradeForm
from grading.models import RegradeRequest
from grading.pipeline import scoring
from grading.views.answers import chart_page, csv_answer, page_of, signed_in
from grading.views.desk import back_to, modes_of
from grading.views.marking import keep_comments, not_kept, sentences_of, with_saved_comment

HEADER = (
    "Request", "Student", "User name", "Section", "Milestone", "Submission", "Criterion", "State", "Asked at", "Text", "For",
    "Answer due", "Answered by", "Answered at", "Answer", "Points given",
)  # fmt: skip


@signed_in
@never_cache
def regrades(request: HttpRequest, slug: str) -> HttpResponse:
    """Every request of a course, what is to be answered next first; ``?csv`` is the same as a file."""
    course = access.staff_course_for(request.user, slug)
    modes, now = modes_of(request, course), timezone.now()
    asked = {name: request.GET.get(name, "") for name in ("state", "assignee", "section", "milestone", "search")}
    if modes["anonymous"]:
        asked["search"] = ""
    rows = access.regrade_requests_for(request.user).filter(course=course).select_related("override")
    if asked["milestone"]:
        milestone = asked["milestone"].replace("\0", "")
        rows = rows.filter(criterion_score__evaluation__submission__course_milestone__milestone=milestone)
    rows = rows.filter(
        student__in=class_lists.matching_people(access.enrollments_for(request.user, course), asked["search"])
    )
    narrow = {name: asked[name] for name in ("state", "assignee", "section")}
    rows = rules.narrowed(rows, **narrow, me=request.user, now=now)
    if "csv" in request.GET:
        cells = (_cells(row, anonymous=modes["anonymous"]) for row in rows.iterator(500))
        return csv_answer(f"{course.slug}-regrades", HEADER, cells)
    sections = access.enrollments_for(request.user, course).exclude(section="").order_by("section")
    context = {
        "course": course,
        "milestones": access.milestones_for(request.user, course),
        "page": page_of(request, rows),
        "states": rules.STATES.items(),
        "assignees": desk.ASSIGNEES.items(),
        "sections": sections.values_list("section", flat=True).distinct(),
        "asked": asked,
        "milestone_slug": asked["milestone"],
        "now": now,
        **modes,
    }
    return render(request, "desk/regrades.html", context)


def _cells(row: RegradeRequest, *, anonymous: bool) -> tuple:
    submission, person = row.criterion_score.evaluation.submission, row.student.person
    return (
        row.pk,
        "" if anonymous else person.full_name,
        "" if anonymous else person.username,
        row.student.section,
        submission.course_milestone.number,
        submission.pk,
        row.criterion_score.title,
        row.get_state_display(),
        row.at.isoformat(),
        row.text,
        str(row.assignee) if row.assignee else None,
        row.answer_due.isoformat() if row.answer_due else None,
        str(row.answered_by) if row.answered_by else None,
        row.answered_at.isoformat() if row.answered_at else None,
        row.answer,
        row.override.points if row.override else None,
    )


# --- the student ---


@signed_in
@require_POST
def ask(request: HttpRequest, criterion: int) -> HttpResponse:
    """Ask for one criterion of one's own work to be looked at again."""
    found = access.get_criterion_score_to_ask_about(request.user, criterion)
    form = RegradeForm(request.POST)
    if form.is_valid():
        try:
            rules.ask(found, student=found.evaluation.submission.student, text=form.cleaned_data["text"])
        except rules.RegradeRefused as refused:
            messages.error(request, str(refused))
        else:
            messages.success(request, f"The course staff will look at {found.title} again; the answer appears here.")
    else:
        messages.error(request, "Say what should be looked at again, in at most 4,000 characters. Nothing was sent.")
    return _to_criterion(found.evaluation.submission_id, found.key)


@signed_in
@require_POST
def withdraw(request: HttpRequest, regrade: int) -> HttpResponse:
    """Take one's own request back."""
    found = access.get_own_regrade_request(request.user, regrade)
    try:
        rules.withdraw(found, by=request.user)
    except rules.RegradeRefused as refused:
        messages.error(request, str(refused))
    else:
        messages.success(request, "Your request is withdrawn.")
    return _to_criterion(found.criterion_score.evaluation.submission_id, found.criterion_score.key)


def _to_criterion(submission: int, key: str) -> HttpResponse:
    return HttpResponseRedirect(f"{reverse('submission', args=[submission])}#criterion-{key}")


# --- the staff ---


@signed_in
@require_POST
def assign(request: HttpRequest, regrade: int) -> HttpResponse:
    """Say who takes care of a request, and until when it is to be answered."""
    found = access.get_regrade_request_to_answer(request.user, regrade)
    submission = found.criterion_score.evaluation.submission
    course = submission.course_milestone.course
    form = RegradeCareForm(request.POST, staff=access.staff_of(course))
    if not form.is_valid():
        messages.error(request, "Choose somebody of the staff and a date. Nothing was changed.")
    elif form.cleaned_data["assignee"] is not None and form.cleaned_data["assignee"].pk == found.student.person_id:
        messages.error(request, "Nobody answers their own request. Nothing was changed.")
    else:
        try:
            rules.assign(
                found, assignee=form.cleaned_data["assignee"], answer_due=form.due(course.zone), by=request.user
            )
        except rules.RegradeRefused as refused:
            messages.error(request, str(refused))
        else:
            messages.success(request, "Kept who takes care of the request, and until when.")
    return back_to(request, submission, f"criterion-{found.criterion_score.key}")


@signed_in
@require_POST
@never_cache
@chart_page
def answer(request: HttpRequest, regrade: int) -> HttpResponse:
    """Answer a request: the points change, or they stay. What cannot be kept is shown again with why."""
    found = access.get_regrade_request_to_answer(request.user, regrade)
    criterion = rules.current_criterion(found)
    form = AnswerForm(request.POST, criterion=criterion)
    if "saved" in request.POST:
        return with_saved_comment(request, criterion)
    if not form.is_valid():
        return not_kept(request, criterion, errors=sentences_of(form))
    text, points = form.cleaned_data["reason"], form.cleaned_data["points"] if form.cleaned_data["changed"] else None
    try:
        rules.answer(found, text=text, points=points, seen=form.cleaned_data["seen"], by=request.user)
    except (rules.RegradeRefused, scoring.InvalidMark) as refused:
        return not_kept(request, criterion, errors=(str(refused),), refused=refused)
    keep_comments(request, criterion, text)
    messages.success(request, f"Answered: {criterion.title} {'changes' if points is not None else 'stays as it was'}.")
    return back_to(request, criterion.evaluation.submission, f"criterion-{criterion.key}")
