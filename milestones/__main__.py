"""The evaluator without the site: ``python -m milestones evaluate MILESTONE PATH`` and ``python -m milestones doctor``."""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

from milestones.contract import Evaluation, Exhibit, Json, OurTrouble, UnusableInput
from milestones.progress import clear_progress, show_progress

DONE, UNUSABLE, OUR_TROUBLE = 0, 2, 3
# How much of a table and of a text the terminal gets; the JSON has all.
TABLE_LINES = 12
CELL_CHARACTERS = 60
TEXT_CHARACTERS = 600


def main(arguments: list[str] | None = None) -> int:
    """Run one command. Exit 0: carried out, whatever the score. 2: unusable input. 3: our own machinery failed."""
    options = _parser().parse_args(arguments)
    try:
        return options.command(options)
    except UnusableInput as error:
        return _complain(str(error), UNUSABLE)
    except OurTrouble as error:
        return _complain(f"The evaluator itself failed; this says nothing about the package: {error}", OUR_TROUBLE)
    except KeyboardInterrupt:
        return _complain("Stopped.", 130)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m milestones", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    evaluate = commands.add_parser("evaluate", help="assess a package on one milestone")
    evaluate.add_argument("milestone", help="number or slug, such as 1 or basic-inference")
    evaluate.add_argument("path", type=Path, help="archive, folder or .py file")
    evaluate.add_argument("--seed", type=int, help="repeat an earlier draw; fresh and secret unless given")
    evaluate.add_argument("--datasets", type=Path, metavar="DIR", help="folder of data sets (default: $DATASETS_DIR)")
    evaluate.add_argument(
        "--json", type=Path, metavar="FILE", help="write the whole result as JSON ('-' for the terminal)"
    )
    evaluate.add_argument("--bare", action="store_true", help="without a sandbox: only for code that you trust")
    evaluate.set_defaults(command=_evaluate)
    doctor = commands.add_parser("doctor", help="test the sandbox of this machine")
    doctor.set_defaults(command=_doctor)
    return parser


def _evaluate(options: argparse.Namespace) -> int:
    from milestones.evaluate import evaluate

    if options.datasets is not None and not options.datasets.is_dir():
        raise UnusableInput(f"The data set folder {options.datasets} does not exist.")
    if options.seed is not None and not 0 <= options.seed < 1 << 63:
        raise UnusableInput("The seed must be a whole number from 0 to 9223372036854775807.")
    try:
        result = evaluate(
            options.milestone,
            options.path,
            seed=options.seed,
            datasets=options.datasets,
            on_progress=show_progress(),
            bare=options.bare,
        )
    except KeyError as error:
        raise UnusableInput(str(error.args[0])) from error
    clear_progress()
    text = json.dumps(as_json(result), indent=2, ensure_ascii=False, allow_nan=False)
    if options.json is not None and str(options.json) == "-":
        print(text)
        return DONE
    if options.json is not None:
        try:
            options.json.write_text(text + "\n", encoding="utf-8")
        except OSError as error:
            raise UnusableInput(f"The result can't be written to {options.json}: {error.strerror}.") from error
    print(report(result))
    return DONE


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
        lines += _in_text(exhibit)
    used = result.resources
    lines += [
        "",
        f"{used.cpu_seconds:.1f} CPU seconds, {used.wall_seconds:.1f} s, {used.peak_memory_bytes / 2**20:.0f} MiB, "
        f"limits: {used.limits}; seed {result.seed}",
    ]
    return "\n".join(lines)


def _in_text(exhibit: Exhibit) -> list[str]:
    """A table or a text in the width of a terminal, cut short; pictures and curves are in the JSON."""
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
    else:
        return []
    return ["", exhibit.title, *(f"  {line}" for line in body)]


def _short(cell: Json) -> str:
    words = "" if cell is None else f"{cell:.4g}" if isinstance(cell, float) else " ".join(str(cell).split())
    return words if len(words) <= CELL_CHARACTERS else f"{words[: CELL_CHARACTERS - 1]}…"


def _doctor(options: argparse.Namespace) -> int:
    from milestones.sandbox.probe import probe

    results = probe()
    for result in results:
        print(f"{'ok    ' if result.passed else 'FAILED'} {result.name}: {result.detail}")
    if all(result.passed for result in results):
        return DONE
    return _complain("The sandbox of this machine can't be trusted; no student code is run here.", OUR_TROUBLE)


def _complain(sentence: str, code: int) -> int:
    print(sentence, file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
