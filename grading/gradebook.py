"""The gradebook: students × milestones. It reads places and results, in a number of queries that the class does not change.

A class of 2,500 is one page, so a cell is a tuple from the database and nothing that costs more.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from django.db.models import QuerySet

from grading import rubrics
from grading.class_lists import matching_people
from grading.models import CourseMilestone, Enrollment, Evaluation, MilestoneResult
from grading.spreadsheet import Cell as FileCell
from grading.standing import word_for
from milestones.contract import Level

#: What a cell can be in, in words: its state, or one of its flags.
STATES: Mapping[str, str] = {
    "": "Any state",
    "passed": "Passed",
    "partial": "Partial",
    "not_passed": "Failed",
    "needs_human": "Waiting for a person",
    "unmeasured": "Handed in, not measured",
    "not_started": "Nothing handed in",
    "late": "Late",
}
LEVELS: Mapping[str, str] = {"": "Any level"} | {level.value: level.value.capitalize() for level in Level}
MAXIMUM = 100


class Cell(NamedTuple):
    """What one student reached in one milestone, as the gradebook needs it. Scores are of 100."""

    score: float | None
    level: str
    completed: bool
    benchmark_met: bool | None
    needs_human: bool
    attempts: int
    late_penalty: float
    seconds_late: int
    practice_data: bool
    submission: int | None
    unfinished: bool = False

    @property
    def state(self) -> str:
        """A key of :data:`STATES`."""
        if self.score is None:
            return "unmeasured" if self.attempts or self.unfinished else "not_started"
        return word_for(completed=self.completed, benchmark_met=self.benchmark_met, level=self.level)

    def is_in(self, state: str) -> bool:
        """Whether a filter for ``state`` finds this cell."""
        if state == "late":
            return bool(self.seconds_late)
        return self.state == state or (state == "needs_human" and self.needs_human)


#: The columns of a result that a cell is made of, in its order.
READ = [name.replace("submission", "submission_id") for name in Cell._fields if name != "unfinished"]
NOTHING = Cell(
    score=None, level="", completed=False, benchmark_met=None, needs_human=False, attempts=0, late_penalty=0,
    seconds_late=0, practice_data=False, submission=None,
)  # fmt: skip


class Line(NamedTuple):
    """One student. ``cells`` are in the order of the milestones."""

    student: int
    name: str
    username: str
    email: str
    student_number: str
    section: str
    cells: list[Cell]
    completed: int


@dataclass(frozen=True, kw_only=True)
class Column:
    """One milestone, and what the lines of the gradebook have reached in it."""

    course_milestone: CourseMilestone
    title: str
    handed_in: int
    completed: int
    mean: float | None

    @property
    def sort(self) -> str:
        """Its name among :meth:`Gradebook.sortable`."""
        return sort_of(self.course_milestone)


@dataclass(frozen=True, kw_only=True)
class Gradebook:
    """The lines that were asked for, and their milestones."""

    columns: tuple[Column, ...]
    lines: list[Line]


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which lines are wanted. ``level`` and ``state`` are of ``milestone`` (a slug), or of any when that is empty."""

    search: str = ""
    section: str = ""
    milestone: str = ""
    level: str = ""
    state: str = ""
    sort: str = "name"


def sort_of(course_milestone: CourseMilestone) -> str:
    return f"score-{course_milestone.number}"


def sortable(milestones: Sequence[CourseMilestone]) -> list[str]:
    """What the lines can be sorted by; with ``-`` in front downwards."""
    return ["name", "section", "completed", *map(sort_of, milestones)]


def students_of(places: QuerySet[Enrollment]) -> QuerySet[Enrollment]:
    """Those of ``places`` that a gradebook lists."""
    return places.filter(active=True, role=Enrollment.Role.STUDENT, test=False)


def sections_of(places: QuerySet[Enrollment]) -> list[str]:
    """The sections that students are in."""
    rows = students_of(places).exclude(section="").order_by("section")
    return list(rows.values_list("section", flat=True).distinct())


def gradebook(
    milestones: Sequence[CourseMilestone],
    places: QuerySet[Enrollment],
    results: QuerySet[MilestoneResult],
    runs: QuerySet[Evaluation],
    wanted: Wanted,
) -> Gradebook:
    """The gradebook of ``milestones``, from the places, results and runs that the asker may see: three queries."""
    students = matching_people(students_of(places), wanted.search).order_by("person__full_name", "person__username")
    if wanted.section:
        students = students.filter(section=wanted.section.replace("\0", ""))
    people = students.values_list(
        "pk", "person__full_name", "person__username", "person__email", "student_number", "section"
    )
    index = {milestone.pk: position for position, milestone in enumerate(milestones)}
    cells: dict[int, list[Cell]] = {}
    rows = results.filter(course_milestone__in=index).order_by()
    columns = ("enrollment_id", "course_milestone_id", *READ)
    for student, milestone, *values in rows.values_list(*columns):
        own = cells.get(student)
        if own is None:
            own = cells[student] = [NOTHING] * len(index)
        own[index[milestone]] = Cell(*values)
    for student, milestone in _unfinished(runs):
        own = cells.setdefault(student, [NOTHING] * len(index))
        own[index[milestone]] = own[index[milestone]]._replace(unfinished=True)
    nothing = [NOTHING] * len(index)
    lines = []
    for student, name, username, *rest in people:
        own = cells.get(student, nothing)
        completed = sum(cell.completed for cell in own)
        lines.append(Line(student, name or username, username, *rest, own, completed))
    lines = _sorted(_narrowed(lines, milestones, wanted), milestones, wanted.sort)
    return Gradebook(columns=tuple(_columns(milestones, lines)), lines=lines)


def _unfinished(runs: QuerySet[Evaluation]) -> QuerySet:
    """Student and milestone of what waits or runs: what is not measured for the first time has no result yet."""
    waiting = runs.filter(state__in=[Evaluation.State.QUEUED, Evaluation.State.RUNNING]).order_by()
    return waiting.values_list("student_id", "submission__course_milestone_id")


def _narrowed(lines: list[Line], milestones: Sequence[CourseMilestone], wanted: Wanted) -> list[Line]:
    level = wanted.level if wanted.level in LEVELS else ""
    state = wanted.state if wanted.state in STATES else ""
    if not level and not state:
        return lines
    looked_at = [number for number, each in enumerate(milestones) if wanted.milestone in ("", each.milestone)]

    def fits(cell: Cell) -> bool:
        return (not level or cell.level == level) and (not state or cell.is_in(state))

    return [line for line in lines if any(fits(line.cells[number]) for number in looked_at)]


def _sorted(lines: list[Line], milestones: Sequence[CourseMilestone], sort: str) -> list[Line]:
    """By name where the rest is equal; who has no score comes last in both directions."""
    key, downwards = sort.removeprefix("-"), sort.startswith("-")
    if key == "name":
        return lines[::-1] if downwards else lines
    if key in ("section", "completed"):
        return sorted(lines, key=lambda line: getattr(line, key), reverse=downwards)
    number = next((number for number, each in enumerate(milestones) if sort_of(each) == key), None)
    if number is None:
        return lines
    scored = [line for line in lines if line.cells[number].score is not None]
    scored.sort(key=lambda line: line.cells[number].score, reverse=downwards)
    return scored + [line for line in lines if line.cells[number].score is None]


def _columns(milestones: Sequence[CourseMilestone], lines: list[Line]) -> Iterator[Column]:
    for number, course_milestone in enumerate(milestones):
        cells = [line.cells[number] for line in lines]
        scores = [cell.score for cell in cells if cell.score is not None]
        yield Column(
            course_milestone=course_milestone,
            title=rubrics.rubric_of(course_milestone).title,
            handed_in=sum(cell.attempts > 0 for cell in cells),
            completed=sum(cell.completed for cell in cells),
            mean=sum(scores) / len(scores) if scores else None,
        )


# --- as files ---

Rows = Iterator[Sequence[FileCell]]


def plain_header(book: Gradebook) -> list[str]:
    header = ["Name", "User name", "E-mail", "Student number", "Section", "Completed"]
    for column in book.columns:
        title = f"{column.course_milestone.number}. {column.title}"
        header += [f"{title}: {what}" for what in ("score", "level", "state", "attempts", "late penalty", "hours late")]
    return header


def plain_rows(book: Gradebook) -> Rows:
    """One line for each student with everything that the page shows."""
    for line in book.lines:
        row: list[FileCell] = [line.name, line.username, line.email, line.student_number, line.section, line.completed]
        for cell in line.cells:
            row += [_two(cell.score), cell.level, STATES[cell.state], cell.attempts]
            row += [_two(cell.late_penalty), _two(cell.seconds_late / 3600)]
        yield row


def canvas_header(book: Gradebook, assignments: Mapping[str, int]) -> list[str]:
    """Canvas makes a new assignment of a header that it does not know, so only milestones with an id have a column."""
    titles = [f"{each.title} ({assignments[each.course_milestone.milestone]})" for each in _with_id(book, assignments)]
    return ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", *titles]


def canvas_rows(book: Gradebook, assignments: Mapping[str, int]) -> Rows:
    """The row of the possible points, as Canvas writes it, then one row for each student; blank is no score."""
    chosen = [number for number, each in enumerate(book.columns) if each.course_milestone.milestone in assignments]
    yield ["    Points Possible", "", "", "", "", *[MAXIMUM for _ in chosen]]
    for line in book.lines:
        yield [
            line.name,
            "",
            line.student_number,
            line.username,
            line.section,
            *[_two(line.cells[number].score) for number in chosen],
        ]


def _with_id(book: Gradebook, assignments: Mapping[str, int]) -> list[Column]:
    return [each for each in book.columns if each.course_milestone.milestone in assignments]


NBGRADER_HEADER = (
    "assignment", "duedate", "timestamp", "student_id", "last_name", "first_name", "email", "raw_score",
    "late_submission_penalty", "score", "max_score",
)  # fmt: skip


def nbgrader_rows(
    milestones: Sequence[CourseMilestone], places: QuerySet[Enrollment], results: QuerySet[MilestoneResult]
) -> Rows:
    """One row for each student and milestone, as ``nbgrader export`` writes it; times are UTC.

    A score that nobody has yet is blank, where nbgrader writes 0: not yet measured is not nothing reached.
    """
    people = list(
        students_of(places)
        .order_by("person__full_name", "person__username")
        .values_list("pk", "person__full_name", "person__username", "person__email")
    )
    for milestone in milestones:
        wanted = ("enrollment_id", "submission__submitted_at", "score_before_penalty", "late_penalty", "score")
        own = {row[0]: row[1:] for row in results.filter(course_milestone=milestone).order_by().values_list(*wanted)}
        for student, name, username, email in people:
            at, before, penalty, score = own.get(student, (None, None, None, None))
            first, _, last = name.rpartition(" ")
            marks = (_two(before), _two(penalty if score is not None else None), _two(score))
            yield (
                milestone.milestone, _utc(milestone.due), _utc(at), username, last, first, email, *marks, float(MAXIMUM)
            )  # fmt: skip


def _two(value: float | None) -> float | None:
    return None if value is None else round(value, 2)


def _utc(moment: datetime | None) -> str:
    return "" if moment is None else f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
