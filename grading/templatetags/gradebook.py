"""The body of the gradebook, written in one go: 12,500 cells as template nodes would take a second."""

from __future__ import annotations

from django import template
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from grading.gradebook import Cell, Gradebook
from grading.models import Course
from grading.templatetags.ui import level_look, points
from milestones.contract import Level

ATTEMPTS = {0: "first attempt", 1: "1 attempt"}

register = template.Library()


SCORED = '<td><a href="{}">{}</a> {}<small><a href="{}">{}</a>{}</small></td>'
UNMEASURED = '<td><small>not measured</small><small><a href="{}">{}</a>{}</small></td>'
NOTHING = format_html('<td class="soft">{}</td>', "—")
ROW = '<tr><th scope="row"><a href="{}">{}</a></th><td>{}</td><td class="num">{}</td>{}</tr>'


@register.simple_tag
def gradebook_body(book: Gradebook, course: Course) -> SafeString:
    """The rows of ``book``: scores open the submission that counts, attempts and names the student's list."""
    student = _address("student", course.slug)
    submission = _address("submission")
    levels = {level.value: _level(level) for level in Level}
    rows = []
    for line in book.lines:
        opens = student % line.student
        cells = SafeString()
        for cell in line.cells:
            if not cell.attempts and not cell.unfinished:
                cells += NOTHING
                continue
            tries = ATTEMPTS.get(cell.attempts) or f"{cell.attempts} attempts"
            if cell.score is None:
                cells += format_html(UNMEASURED, opens, tries, _flags(cell))
            else:
                counted = submission % cell.submission
                score = points(cell.score)
                cells += format_html(SCORED, counted, score, levels[cell.level], opens, tries, _flags(cell))
        rows.append((opens, line.name, line.section or "—", line.completed, cells))
    return format_html_join("\n", ROW, rows)


def _address(name: str, *place: str) -> str:
    """The address of a row by its number, as a format: resolving it for every cell would cost more than the cells."""
    before, after = reverse(name, args=[*place, 0]).replace("%", "%%").rsplit("0", 1)
    return f"{before}%d{after}"


def _level(level: str) -> SafeString:
    look = level_look(level)
    sign = '<span class="badge {}"><span aria-hidden="true">{}</span> {}</span>'
    return format_html(sign, look.tint, look.icon, look.word)


def _flags(cell: Cell) -> str:
    """What else there is to say about a cell."""
    flags = ""
    if cell.seconds_late:
        flags += f" · late −{points(cell.late_penalty)}" if cell.late_penalty else " · late"
    if cell.needs_human:
        flags += " · waits for a person"
    elif cell.completed:
        flags += " · passed"
    if cell.unfinished:
        flags += " · being measured"
    if cell.practice_data:
        flags += " · practice data"
    return flags
