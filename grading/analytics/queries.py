"""The questions of ``sql/``, asked: parameters in, a frozen dataclass per row out. Reading never writes."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from django.db import connection

SQL_FOLDER = Path(__file__).parent / "sql"

Row = TypeVar("Row")


@dataclass(frozen=True, kw_only=True)
class CompletionRow:
    """``sql/completion.sql``: one milestone of a course; scores are points of 100."""

    course_milestone_id: int
    number: int
    slug: str
    students: int
    submitted: int
    completed: int
    mean_score: float | None
    median_score: float | None

    @property
    def completed_share(self) -> float | None:
        """Share of the active students, 0 to 1; None for an empty class."""
        return self.completed / self.students if self.students else None


@dataclass(frozen=True, kw_only=True)
class ScoreRow:
    """``sql/scores.sql``: one student's counted score, of 100."""

    enrollment_id: int
    score: float


@dataclass(frozen=True, kw_only=True)
class AccuracyRow:
    """``sql/accuracies.sql``: one counted accuracy, a share of ``n`` images with its 95 % interval."""

    enrollment_id: int
    accuracy: float
    n: int | None
    low: float | None
    high: float | None


@dataclass(frozen=True, kw_only=True)
class NeedsHelpRow:
    """``sql/needs_help.sql``: one student's trouble with one milestone."""

    enrollment_id: int
    full_name: str
    username: str
    section: str
    course_milestone_id: int
    number: int
    slug: str
    submission_id: int | None
    score: float
    completed: bool
    benchmark_met: bool | None
    accuracy: float | None
    attempts: int
    criterion_points: Mapping[str, float | None]
    failing_diagnoses: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class DataKinds:
    """``sql/data_kinds.sql``: how many counted results stand on real and on practice data."""

    real_data: int
    practice_data: int


@dataclass(frozen=True, kw_only=True)
class WaitingRow:
    """``sql/waiting.sql``: submissions of one hour that waited ``bound`` seconds at most (infinity: longer than known)."""

    hour: dt.datetime
    bound: float
    submissions: int


@cache
def _statement(question: str) -> str:
    return (SQL_FOLDER / f"{question}.sql").read_text(encoding="utf-8")


def _ask(question: str, row: type[Row], **parameters: Any) -> tuple[Row, ...]:
    """Run ``sql/<question>.sql`` and build one ``row`` per line of its answer, by column name."""
    names = {column.name for column in fields(row)}  # type: ignore[arg-type]
    with connection.cursor() as cursor:
        cursor.execute(_statement(question), parameters)
        columns = [column.name for column in cursor.description]
        if set(columns) != names:
            raise TypeError(f"{question}.sql answers {sorted(columns)}, {row.__name__} has {sorted(names)}.")
        return tuple(row(**dict(zip(columns, line, strict=True))) for line in cursor.fetchall())


def completion(*, course: int, practice_data: bool) -> tuple[CompletionRow, ...]:
    """One row per milestone of ``course`` (an id)."""
    return _ask("completion", CompletionRow, course=course, practice_data=practice_data)


def scores(*, course_milestone: int, practice_data: bool) -> tuple[ScoreRow, ...]:
    """Counted scores of one milestone, lowest first."""
    return _ask("scores", ScoreRow, course_milestone=course_milestone, practice_data=practice_data)


def accuracies(*, course_milestone: int, practice_data: bool) -> tuple[AccuracyRow, ...]:
    """Counted accuracies of one milestone, lowest first."""
    return _ask("accuracies", AccuracyRow, course_milestone=course_milestone, practice_data=practice_data)


def needs_help(*, course: int, threshold: float, practice_data: bool) -> tuple[NeedsHelpRow, ...]:
    """Students and milestones that are not in order, the earliest milestone first."""
    rows = _ask("needs_help", NeedsHelpRow, course=course, threshold=threshold, practice_data=practice_data)
    return tuple(_with_json(row) for row in rows)


def data_kinds(*, course: int) -> DataKinds:
    """How many counted results of ``course`` stand on real data, and how many on practice data."""
    return _ask("data_kinds", DataKinds, course=course)[0]


def waiting(*, course: int, milestone: str, since: dt.datetime) -> tuple[WaitingRow, ...]:
    """How long the submissions of ``course`` since then waited, hour by hour; an empty ``milestone`` means all."""
    return _ask("waiting", WaitingRow, course=course, milestone=milestone, since=since)


def _with_json(row: NeedsHelpRow) -> NeedsHelpRow:
    """Django registers psycopg2 to leave jsonb as text; models decode it in their fields, raw SQL does it here."""
    values = {column.name: getattr(row, column.name) for column in fields(row)}
    for name, build in (("criterion_points", dict), ("failing_diagnoses", tuple)):
        value = values[name]
        values[name] = build(json.loads(value) if isinstance(value, str) else value)
    return NeedsHelpRow(**values)
