"""Class lists as other systems write them: CSV with the columns in any order, read into lines and complaints.

Known are the headers of Gradescope (``Name`` or ``First Name, Last Name``, ``Email, SID, Section``), of Canvas's SIS files
(``user_id, login_id, first_name, last_name, email, status``) and ``Email, Name, SID, Section``. Where a header says too little,
a person says which column is what: :func:`guess` is the offer, ``columns`` of :func:`read_lines` the answer.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from grading.spreadsheet import plain_cell

MAXIMUM_BYTES = 1024 * 1024
MAXIMUM_LINES = 5000

#: What a column can hold, in words.
FIELDS: Mapping[str, str] = {
    "email": "E-mail",
    "name": "Name",
    "first_name": "First name",
    "last_name": "Last name",
    "student_number": "Student number",
    "section": "Section",
    "status": "Status",
    "role": "Role",
}
#: Longest text of each, as the tables hold it.
LONGEST = {"email": 150, "name": 200, "student_number": 60, "section": 60}

_HEADERS: Mapping[str, str] = {
    "email": "email", "emailaddress": "email", "mail": "email",
    "name": "name", "fullname": "name", "student": "name", "studentname": "name",
    "firstname": "first_name", "givenname": "first_name",
    "lastname": "last_name", "surname": "last_name", "familyname": "last_name",
    "sid": "student_number", "studentid": "student_number", "studentnumber": "student_number",
    "userid": "student_number", "sisuserid": "student_number",
    "section": "section", "sections": "section", "group": "section",
    "status": "status", "role": "role",
}  # fmt: skip
#: Known, and of no use here: they make nobody choose columns.
_IGNORED = {"loginid", "sislogin", "sisloginid", "password", "authenticationproviderid", "shortname", "sortablename"}
_OUT = {"deleted", "inactive", "dropped", "withdrawn"}


class UnreadableRoster(Exception):
    """The file as a whole is no class list; the message is one clear sentence."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """A CSV file: its header, and every line that is not blank with its number in the file."""

    header: tuple[str, ...]
    rows: tuple[tuple[int, tuple[str, ...]], ...]


@dataclass(frozen=True, kw_only=True)
class Line:
    """One person as a class list has them. ``enrolled`` is False where the list says that they have left."""

    number: int
    email: str
    name: str
    student_number: str
    section: str
    enrolled: bool = True


@dataclass(frozen=True, kw_only=True)
class Complaint:
    """Why one line of the file is left out. ``harmless`` where nothing is lost by it: a repetition, somebody of the staff."""

    number: int
    sentence: str
    harmless: bool = False


def read_table(content: bytes) -> Table:
    """Read a CSV with commas, semicolons or tabs; UTF-8 with or without byte order mark, UTF-16 with one, or Windows-1252.

    Raises :class:`UnreadableRoster`.
    """
    if len(content) > MAXIMUM_BYTES:
        raise UnreadableRoster("The file is larger than 1 MB, which no class list is.")
    if content.startswith(b"PK"):
        raise UnreadableRoster("This is a spreadsheet and no CSV file. Save it as CSV first.")
    text = _decoded(content)
    if "\0" in text:
        raise UnreadableRoster("The file holds bytes that are no text, so it is not a CSV file.")
    head = next((line for line in text.splitlines() if line.strip()), "")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=head.count), strict=True)
    rows: list[tuple[int, tuple[str, ...]]] = []
    begins = 1
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                rows.append((begins, tuple(_tidy(cell) for cell in cells)))
            begins = reader.line_num + 1
    except csv.Error as error:
        raise UnreadableRoster(f"Line {begins} cannot be read as CSV: {error}.") from error
    if len(rows) < 2:
        raise UnreadableRoster("The file has no line below its header." if rows else "The file is empty.")
    if len(rows) > MAXIMUM_LINES:
        raise UnreadableRoster(f"The file has more than {MAXIMUM_LINES:,} lines.")
    return Table(header=rows[0][1], rows=tuple(rows[1:]))


def _decoded(content: bytes) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", errors="replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace")


def _tidy(cell: str) -> str:
    """Without what is invisible (line breaks, controls, marks that turn the direction) and without blanks around."""
    kept = (sign for sign in cell if sign.isspace() or unicodedata.category(sign) not in ("Cf", "Cc"))
    return plain_cell(unicodedata.normalize("NFC", " ".join("".join(kept).split())))


def guess(header: Sequence[str]) -> dict[int, str]:
    """Column -> field of ``FIELDS``, by the words of the header. Of two columns for one field, the first is taken."""
    columns: dict[int, str] = {}
    for column, title in enumerate(header):
        field = _HEADERS.get(_word(title))
        if field and field not in columns.values():
            columns[column] = field
    return columns


def must_choose(header: Sequence[str]) -> bool:
    """Whether the header leaves open what the columns are: something needed is not named, or is named twice."""
    found = [_HEADERS[_word(title)] for title in header if _word(title) in _HEADERS]
    complete = "email" in found and ("name" in found or {"first_name", "last_name"} <= set(found))
    unknown = [title for title in header if title and _word(title) not in _HEADERS and _word(title) not in _IGNORED]
    return not complete or bool(unknown) or len(found) != len(set(found))


def _word(title: str) -> str:
    return re.sub(r"[^a-z]", "", title.lower())


def read_lines(table: Table, columns: Mapping[int, str]) -> tuple[list[Line], list[Complaint]]:
    """The people of ``table``, and what is wrong with the lines that are left out. Staff in a list are passed over.

    Raises :class:`UnreadableRoster` where ``columns`` name no e-mail address.
    """
    fields = list(columns.values())
    if "email" not in fields:
        raise UnreadableRoster("Say which column holds the e-mail address: people are known by it.")
    doubled = sorted({field for field in fields if fields.count(field) > 1})
    if doubled:
        raise UnreadableRoster(f"Two columns are said to be the same: {FIELDS[doubled[0]].lower()}.")
    lines: list[Line] = []
    complaints: list[Complaint] = []
    for number, cells in table.rows:
        values = {field: cells[column] for column, field in columns.items() if column < len(cells)}
        line = _line(number, values)
        sentence = _wrong_length(cells, table.header) or _wrong_with(line)
        if sentence:
            complaints.append(Complaint(number=number, sentence=sentence))
        elif values.get("role", "").lower() not in ("", "student", "learner"):
            sentence = f"The role is “{values['role'][:60]}”: a file changes students alone."
            complaints.append(Complaint(number=number, sentence=sentence, harmless=True))
        else:
            lines.append(line)
    return _apart(lines, complaints)


def _wrong_length(cells: Sequence[str], header: Sequence[str]) -> str:
    # Trailing empty cells are what spreadsheets leave behind.
    if any(cells[len(header) :]):
        return (
            f"It has {len(cells)} cells where the header has {len(header)}: a cell with a comma needs quotation marks."
        )
    return ""


def _line(number: int, values: Mapping[str, str]) -> Line:
    parts = (values.get("first_name", ""), values.get("last_name", ""))
    return Line(
        number=number,
        email=values.get("email", "").lower(),
        name=values.get("name", "") or " ".join(part for part in parts if part),
        student_number=values.get("student_number", ""),
        section=values.get("section", ""),
        enrolled=values.get("status", "").lower() not in _OUT,
    )


def _wrong_with(line: Line) -> str:
    if not line.email:
        return "It has no e-mail address."
    try:
        validate_email(line.email)
    except ValidationError:
        return f"“{line.email[:80]}” is no e-mail address."
    for field, longest in LONGEST.items():
        if len(getattr(line, field)) > longest:
            return f"{FIELDS[field]} has more than {longest} characters."
    return ""


def _apart(lines: list[Line], complaints: list[Complaint]) -> tuple[list[Line], list[Complaint]]:
    """Each person once: a line that repeats an earlier one is left out, and those that contradict each other all are.

    A student in two sections stands on two lines in some lists, so that is no contradiction: the first section is taken.
    """
    by_email: dict[str, list[Line]] = {}
    by_number: dict[str, set[str]] = {}
    for line in lines:
        by_email.setdefault(line.email, []).append(line)
        if line.student_number:
            by_number.setdefault(line.student_number, set()).add(line.email)
    kept: list[Line] = []
    for same in by_email.values():
        first = same[0]
        for line in same:
            rivals = by_number.get(line.student_number, set()) - {line.email}
            others = " and ".join(str(other.number) for other in same if other is not line)
            if rivals:
                sentence = f"Student number {line.student_number} stands also with {min(rivals)}."
                complaints.append(Complaint(number=line.number, sentence=sentence))
            elif any(_contradict(line, other) for other in same):
                sentence = (
                    f"{line.email} stands also in line {others}, with other details. Keep the line that is right."
                )
                complaints.append(Complaint(number=line.number, sentence=sentence))
            elif line is not first:
                sentence = f"{line.email} stands already in line {first.number}."
                complaints.append(Complaint(number=line.number, sentence=sentence, harmless=True))
            else:
                kept.append(line)
    return sorted(kept, key=lambda line: line.number), sorted(complaints, key=lambda each: each.number)


def _contradict(one: Line, other: Line) -> bool:
    return (one.name, one.student_number, one.enrolled) != (other.name, other.student_number, other.enrolled)
