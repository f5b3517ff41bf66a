"""A class list from a file: choosing it, saying what its columns are, looking at what would change, changing it."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_POST

from grading import access, roster_files, roster_import
from grading.forms import ApplyRosterForm, RosterFileForm
from grading.models import Course
from grading.roster_files import Table
from grading.roster_import import RosterChanged
from grading.views.answers import signed_in


@signed_in
def choose_file(request: HttpRequest, slug: str) -> HttpResponse:
    """The form for the file, and which files it reads."""
    course = access.instructor_course_for(request.user, slug)
    context = {"course": course, "milestones": access.milestones_for(request.user, course), "form": RosterFileForm()}
    return render(request, "rosters/file.html", context)


@signed_in
@require_POST
def preview(request: HttpRequest, slug: str) -> HttpResponse:
    """Read the file, ask for its columns where they are unclear, and say what would change. It changes nothing."""
    course = access.instructor_course_for(request.user, slug)
    try:
        table, columns, unclear = _posted(request, course)
    except (roster_files.UnreadableRoster, RosterChanged) as refused:
        return _begin_again(request, course, str(refused))
    if unclear:
        return _ask_for_columns(request, course, table, columns)
    try:
        return _show(request, course, table, columns)
    except roster_files.UnreadableRoster as unreadable:
        messages.error(request, str(unreadable))
        return _ask_for_columns(request, course, table, columns)


def _posted(request: HttpRequest, course: Course) -> tuple[Table, dict[int, str], bool]:
    """The class list, its columns, and whether a person must say what they are: from a file, or carried from page to page."""
    if "packed" in request.POST:
        table, columns = roster_import.unpack(request.POST["packed"], course=course)
        if "choose" in request.POST:
            return table, columns, True
        return table, _chosen_columns(request, table), False
    form = RosterFileForm(request.POST, request.FILES)
    if not form.is_valid():
        raise roster_files.UnreadableRoster(form.errors["file"][0])
    # One byte more than may be: a larger file is refused by its first part.
    table = roster_files.read_table(form.cleaned_data["file"].read(roster_files.MAXIMUM_BYTES + 1))
    return table, roster_files.guess(table.header), roster_files.must_choose(table.header)


@signed_in
@require_POST
def apply(request: HttpRequest, slug: str) -> HttpResponse:
    """Do what the preview said, unless the course has changed since."""
    course = access.instructor_course_for(request.user, slug)
    form = ApplyRosterForm(request.POST)
    if not form.is_valid():
        return _begin_again(request, course, "Choose a file first.")
    try:
        table, columns = roster_import.unpack(form.cleaned_data["packed"], course=course)
    except RosterChanged as changed:
        return _begin_again(request, course, str(changed))
    try:
        done = roster_import.apply(
            course,
            table,
            columns,
            fingerprint=form.cleaned_data["fingerprint"],
            drop=form.cleaned_data["drop"],
            by=request.user,
        )
    except RosterChanged as changed:
        messages.error(request, str(changed))
        return _show(request, course, table, columns)
    messages.success(request, f"{done.added} added, {done.changed} changed, {done.dropped} taken out.")
    return redirect("people", slug=course.slug)


def _begin_again(request: HttpRequest, course: Course, sentence: str) -> HttpResponse:
    messages.error(request, sentence)
    return redirect("import_roster", slug=course.slug)


def _chosen_columns(request: HttpRequest, table: Table) -> dict[int, str]:
    asked = {column: request.POST.get(f"column_{column}", "") for column in range(len(table.header))}
    return {column: field for column, field in asked.items() if field in roster_files.FIELDS}


def _ask_for_columns(request: HttpRequest, course: Course, table: Table, columns: dict[int, str]) -> HttpResponse:
    examples = [cells for _, cells in table.rows[:3]]
    context = {
        "course": course,
        "milestones": access.milestones_for(request.user, course),
        "fields": roster_files.FIELDS.items(),
        "columns": [
            (number, title, columns.get(number, ""), [cells[number] for cells in examples if number < len(cells)])
            for number, title in enumerate(table.header)
        ],
        "packed": roster_import.pack(table, columns, course=course),
    }
    return render(request, "rosters/columns.html", context)


def _show(request: HttpRequest, course: Course, table: Table, columns: dict[int, str]) -> HttpResponse:
    context = {
        "course": course,
        "milestones": access.milestones_for(request.user, course),
        "plan": roster_import.plan(course, table, columns),
        "read": [(table.header[column], roster_files.FIELDS[field]) for column, field in sorted(columns.items())],
        "ignored": [title for column, title in enumerate(table.header) if title and column not in columns],
        "packed": roster_import.pack(table, columns, course=course),
    }
    return render(request, "rosters/preview.html", context)
