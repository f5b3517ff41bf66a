"""The assistants' desk: the line of what waits for a person, and one submission of it with everything needed to settle it."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from grading import access, comment_bank, desk, regrades
from grading.forms import CareForm, DeskModeForm, ShareOutForm
from grading.models import Course, Override, SavedComment, Submission
from grading.report import CriterionReport
from grading.views.answers import chart_page, csv_answer, page_of, signed_in
from grading.views.submissions import page_context

HEADER = ("Submission", "Student", "User name", "Section", "Milestone", "Attempt", "Handed in", "Why", "For")


@dataclass(frozen=True, kw_only=True)
class Typed:
    """What somebody typed into the form of one criterion (a key) and that was not kept: it is shown again, with why."""

    criterion: str
    points: str = ""
    reason: str = ""
    changes: bool = False
    used: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()
    latest: Override | None = None


@dataclass(frozen=True, kw_only=True)
class Row:
    """One criterion on the page: what was found, what the student asks, what can be put into a reason."""

    number: int
    criterion: CriterionReport
    regrade: regrades.Standing
    offered: list[SavedComment]
    typed: Typed | None

    @property
    def waits(self) -> bool:
        return self.criterion.points is None or self.regrade.open is not None


# --- how this assistant works ---


def modes_of(request: HttpRequest, course: Course) -> dict[str, bool]:
    """``anonymous`` and ``shortcuts`` of this session for ``course``."""
    chosen = request.session.get("desk", {}).get(course.slug, {})
    return {"anonymous": bool(chosen.get("anonymous", False)), "shortcuts": bool(chosen.get("shortcuts", True))}


@signed_in
@require_POST
def mode(request: HttpRequest, slug: str) -> HttpResponse:
    """Hide or show names, turn the single-key shortcuts on or off; kept in this session."""
    course = access.staff_course_for(request.user, slug)
    form = DeskModeForm(request.POST)
    form.is_valid()
    changed = {name: value for name, value in form.cleaned_data.items() if value is not None}
    everywhere = request.session.get("desk", {})
    request.session["desk"] = everywhere | {course.slug: modes_of(request, course) | changed}
    if "anonymous" in changed:
        hidden = "Names are hidden at the desk" if changed["anonymous"] else "Names are shown at the desk again"
        messages.success(request, f"{hidden}, in this session.")
    submission = request.POST.get("submission", "")
    if submission.isdecimal():
        return _to_item(course, int(submission), _query(request))
    return HttpResponseRedirect(f"{reverse('desk', args=[slug])}?{_query(request).urlencode()}")


# --- the line ---


def _query(request: HttpRequest) -> QueryDict:
    """The filters of the desk: from a form's hidden field, else from the address. Nothing else is carried on."""
    given = QueryDict(request.POST["desk"]) if "desk" in request.POST else request.GET
    kept = QueryDict(mutable=True)
    for name in (field.name for field in fields(desk.Wanted)):
        if given.get(name):
            kept[name] = given[name][:100]
    return kept


def _line(request: HttpRequest, course: Course, modes: dict[str, bool]) -> tuple[desk.Wanted, dict, Any]:
    wanted = desk.Wanted(**_query(request).dict())
    if modes["anonymous"]:
        # A search by name would tell whose work it finds.
        wanted = desk.Wanted(**asdict(wanted) | {"search": ""})
    reasons = desk.reasons_of(
        access.evaluations_for(request.user).filter(course=course),
        access.regrade_requests_for(request.user).filter(course=course),
    )
    submissions = access.submissions_for(request.user).filter(course_milestone__course=course)
    # Nobody marks their own work, so it does not wait for them.
    submissions = submissions.exclude(student__person=request.user.pk)
    return wanted, reasons, desk.line_of(submissions, reasons, wanted, me=request.user)


@signed_in
@never_cache
def queue(request: HttpRequest, slug: str) -> HttpResponse:
    """Everything that waits for a person, the oldest first; ``?csv`` is the same as a file."""
    course = access.staff_course_for(request.user, slug)
    modes = modes_of(request, course)
    wanted, reasons, line = _line(request, course, modes)
    rows = line.select_related("desk_assignment__assignee")
    if "csv" in request.GET:
        cells = (_cells(row, reasons[row.pk], anonymous=modes["anonymous"]) for row in rows.iterator(500))
        return csv_answer(f"{course.slug}-desk", HEADER, cells)
    page = page_of(request, rows)
    sections = access.enrollments_for(request.user, course).exclude(section="").order_by("section")
    context = {
        "course": course,
        "milestones": access.milestones_for(request.user, course),
        "page": page,
        "lines": [(row, [desk.REASONS[reason] for reason in reasons[row.pk]]) for row in page],
        "wanted": wanted,
        "milestone_slug": wanted.milestone,
        "reasons": desk.REASONS.items(),
        "assignees": desk.ASSIGNEES.items(),
        "sections": sections.values_list("section", flat=True).distinct(),
        "staff": access.staff_of(course),
        "query": _query(request).urlencode(),
        **modes,
    }
    return render(request, "desk/queue.html", context)


def _cells(row: Submission, reasons: tuple[str, ...], *, anonymous: bool) -> tuple:
    person, assignment = row.student.person, getattr(row, "desk_assignment", None)
    return (
        row.pk,
        "" if anonymous else person.full_name,
        "" if anonymous else person.username,
        row.student.section,
        row.course_milestone.number,
        row.attempt,
        row.submitted_at.isoformat(),
        "; ".join(desk.REASONS[reason] for reason in reasons),
        str(assignment.assignee) if assignment else None,
    )


@signed_in
@require_POST
def share_out(request: HttpRequest, slug: str) -> HttpResponse:
    """Give what is nobody's yet, of what the filters show, to some of the staff in turn."""
    course = access.staff_course_for(request.user, slug)
    form = ShareOutForm(request.POST, staff=access.staff_of(course))
    if form.is_valid():
        line = _line(request, course, modes_of(request, course))[2]
        given = desk.share_out(line, list(form.cleaned_data["among"]), by=request.user)
        messages.success(request, f"{given} submission{'' if given == 1 else 's'} shared out.")
    else:
        messages.error(request, " ".join(error for errors in form.errors.values() for error in errors))
    return HttpResponseRedirect(f"{reverse('desk', args=[slug])}?{_query(request).urlencode()}")


# --- one submission ---


@signed_in
@never_cache
@chart_page
def item(request: HttpRequest, slug: str, submission: int) -> HttpResponse:
    """One submission: its criteria with their evidence and forms, and the way to the next one."""
    course = access.staff_course_for(request.user, slug)
    return item_page(request, access.get_submission_to_mark(request.user, course, submission))


def item_page(
    request: HttpRequest, found: Submission, *, typed: Typed | None = None, status: int = 200
) -> HttpResponse:
    """The page of :func:`item`; with what was ``typed`` and not kept it is the answer to a form as well."""
    course = found.course_milestone.course
    modes = modes_of(request, course)
    _, reasons, line = _line(request, course, modes)
    context = page_context(request, found, at_the_desk=True)
    report = context.get("report")
    context |= {
        "rows": _rows(request, found, context.get("asked", {}), report.criteria if report else (), typed),
        "reasons": [desk.REASONS[reason] for reason in reasons.get(found.pk, ())],
        "review": {"failed", "flagged"} & set(reasons.get(found.pk, ())),
        "place": desk.place_of(found, line),
        "assignment": getattr(found, "desk_assignment", None),
        "staff": access.staff_of(course),
        "query": _query(request).urlencode(),
        "at_the_desk": True,
        **modes,
    }
    return render(request, "desk/item.html", context, status=status)


def _rows(
    request: HttpRequest,
    found: Submission,
    asked: dict[str, regrades.Standing],
    criteria: tuple[CriterionReport, ...],
    typed: Typed | None,
) -> list[Row]:
    bank = access.saved_comments_for(request.user, found.course_milestone.course)
    offered = comment_bank.offered_for(bank, [criterion.score.key for criterion in criteria])
    return [
        Row(
            number=number,
            criterion=criterion,
            regrade=asked[criterion.score.key],
            offered=offered[criterion.score.key],
            typed=typed if typed is not None and typed.criterion == criterion.score.key else None,
        )
        for number, criterion in enumerate(criteria, start=1)
    ]


def back_to(request: HttpRequest, found: Submission, place: str) -> HttpResponse:
    """Where a form leads that was sent about ``found``: to the desk when it was sent from there, else to its page."""
    if "desk" in request.POST:
        return _to_item(found.course_milestone.course, found.pk, _query(request), place)
    return HttpResponseRedirect(f"{reverse('submission', args=[found.pk])}#{place}")


def _to_item(course: Course, submission: int, query: QueryDict, place: str = "") -> HttpResponse:
    address = reverse("desk_item", args=[course.slug, submission])
    filters = f"?{query.urlencode()}" if query else ""
    return HttpResponseRedirect(f"{address}{filters}{f'#{place}' if place else ''}")


@signed_in
@require_POST
def assign(request: HttpRequest, slug: str, submission: int) -> HttpResponse:
    """Say who of the staff takes care of a submission."""
    course = access.staff_course_for(request.user, slug)
    found = access.get_submission_to_mark(request.user, course, submission)
    form = CareForm(request.POST, staff=access.staff_of(course))
    if not form.is_valid():
        messages.error(request, "Only the staff of this course can take care of it. Nothing was changed.")
    elif form.cleaned_data["assignee"] is not None and form.cleaned_data["assignee"].pk == found.student.person_id:
        messages.error(request, "Nobody takes care of their own work. Nothing was changed.")
    else:
        assignee = form.cleaned_data["assignee"]
        desk.assign(found, assignee, by=request.user)
        messages.success(request, f"{assignee} takes care of it." if assignee else "It is anybody's again.")
    return back_to(request, found, "main")
