"""A whole result as text for a terminal and as JSON."""

from __future__ import annotations

import dataclasses
from typing import Any

from milestones.contract import Evaluation, Exhibit, Json

# How much of a table and of a text the terminal gets; the JSON has all.
TABLE_LINES = 12
CELL_CHARACTERS = 60
TEXT_CHARACTERS = 600


def as_json(result: Evaluation) -> dict[str, Any]:
    """The whole result as plain JSON values."""
    return dataclasses.asdict(result)


def report(result: Evaluation) -> str:
    """The result as text for a terminal."""
    met = {True: "met", False: "not met", None: "borderline: a person decides"}[result.benchmark_met]
    lines = [
        f"Milestone {result.number}, {result.milestone}: {result.score:.1f} of {result.maximum:.0f}, {result.level}",
        f"Benchmark {met}." + (" Practice data." if result.practice_data else ""),
        "",
    ]
    for criterion in result.criteria:
        points = "not yet marked" if criterion.points is None else f"{criterion.points:5.1f} of {criterion.maximum:.0f}"
        lines += [f"  {criterion.title:<26} {points}   {criterion.level or ''}", f"      {criterion.explanation}"]
    if result.diagnoses:
        lines += ["", "What we found:"]
        for diagnosis in result.diagnoses:
            lines += [f"  - {diagnosis.message}", f"    {diagnosis.advice}"]
    lines += ["", "Checks:"]
    for measurement in result.measurements:
        lines.append(f"  {measurement.status:<16} {measurement.title}: {measurement.message}")
    lines += [f"  note: {note}" for note in result.notes]
    for exhibit in result.exhibits:
        lines += in_text(exhibit)
    used = result.resources
    lines += [
        "",
        f"{used.cpu_seconds:.1f} CPU seconds, {used.wall_seconds:.1f} s, {used.peak_memory_bytes / 2**20:.0f} MiB, "
        f"limits: {used.limits}; seed {result.seed}",
    ]
    return "\n".join(lines)


def in_text(exhibit: Exhibit) -> list[str]:
    """A table, a text or a curve in the width of a terminal, cut short; pictures are in the JSON."""
    if exhibit.kind == "table":
        rows = [exhibit.data["columns"], *exhibit.data["rows"][:TABLE_LINES]]
        cells = [[_short(cell) for cell in row] for row in rows]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        body = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]
        left_out = len(exhibit.data["rows"]) - TABLE_LINES
        body += [f"… and {left_out} more"] if left_out > 0 else []
    elif exhibit.kind == "text":
        body = []
        for heading, words in exhibit.data["paragraphs"]:
            short = words[:TEXT_CHARACTERS] + ("…" if len(words) > TEXT_CHARACTERS else "")
            body += [f"{heading}:", *(f"  {line}" for line in short.splitlines())]
    elif exhibit.kind in ("curve", "scatter"):
        body = []
        for name, points in exhibit.data["series"]:
            shown = points[:: max(1, -(-len(points) // TABLE_LINES))]
            body += [f"{name}:", *(f"  {_short(x):>12}  {_short(y)}" for x, y in shown)]
    else:
        return []
    return ["", exhibit.title, *(f"  {line}" for line in body)]


def _short(cell: Json) -> str:
    words = "" if cell is None else f"{cell:.4g}" if isinstance(cell, float) else " ".join(str(cell).split())
    return words if len(words) <= CELL_CHARACTERS else f"{words[: CELL_CHARACTERS - 1]}…"
