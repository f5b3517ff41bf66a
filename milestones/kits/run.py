"""One script of a starter kit on a student's own machine: some groups of the server's checks, without a sandbox."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from milestones import archive, registry
from milestones.checks.outcome import TOOL_MISSING
from milestones.contract import Evaluation, Milestone, OurTrouble, Progress, Status, UnusableInput
from milestones.discovery import find_package
from milestones.evaluate import evaluate
from milestones.progress import clear_progress, show_progress
from milestones.report import as_json, in_text, report

MET, NOT_MET, UNUSABLE, OUR_TROUBLE = 0, 1, 2, 3
_WORDS = {
    True: "Met",
    False: "Not met",
    None: "Borderline: the interval reaches the mark from below, and on the server a person decides",
}


def main(
    script: str,
    name: str | int,
    groups: Sequence[str] | None,
    arguments: list[str] | None = None,
    *,
    every_check: bool = False,
) -> int:
    """Evaluate, print, and return the exit code: 0 met, 1 not met, 2 unusable input, 3 our own machinery failed."""
    sys.stdout.reconfigure(errors="replace")  # a terminal without Unicode is no reason to fail
    milestone = _asked(registry.get(name), groups)
    options = _parser(script, milestone).parse_args(arguments)
    try:
        path = options.path or _find(Path(script).resolve().parent)
        result = _evaluate(milestone, path, options)
        if options.json is not None:
            options.json.write_text(json.dumps(as_json(result), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    except UnusableInput as error:
        return _complain(str(error), UNUSABLE)
    except OurTrouble as error:
        return _complain(f"The checks themselves failed; this says nothing about your package: {error}", OUR_TROUBLE)
    except OSError as error:
        return _complain(f"{error.filename}: {error.strerror}.", UNUSABLE)
    verdict = met(milestone, result, every_check=every_check)
    print(report(result) if groups is None else _of_groups(result))
    print(f"\n{Path(script).name}: {_WORDS[verdict]}.")
    return MET if verdict else NOT_MET


def met(milestone: Milestone, result: Evaluation, *, every_check: bool = False) -> bool | None:
    """Whether what was run is as it should be; None where the measured accuracy is too close to the mark to say.

    Where the headline benchmark was measured, with all that it requires, that is the question; otherwise, or where
    ``every_check`` is asked for, whether every check passed that can pass. What could not be measured here for want of a
    tool counts neither way.
    """
    benchmark = milestone.rubric.benchmark
    measured = {measurement.key for measurement in result.measurements}
    if not every_check and {benchmark.measurement, *benchmark.requires} <= measured:
        return result.benchmark_met
    judged = [m for m in result.measurements if not m.evidence.get(TOOL_MISSING)]
    if not judged or any(m.passed is False for m in judged):
        return False
    return None if any(m.status is Status.BORDERLINE for m in judged) else True


def _asked(milestone: Milestone, groups: Sequence[str] | None) -> Milestone:
    wanted = [group for group in milestone.groups if groups is None or group.key in groups]
    assert groups is None or len(wanted) == len(groups), "a script names a group that the milestone does not have"
    return replace(milestone, groups=tuple(wanted))


def _parser(script: str, milestone: Milestone) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=Path(script).name,
        description=f"Milestone {milestone.rubric.number}, {milestone.rubric.title}: "
        f"{', '.join(group.title for group in milestone.groups)}. Your code runs without a sandbox.",
    )
    parser.add_argument("path", nargs="?", type=Path, help="your repository or package (default: found from here)")
    parser.add_argument("--seed", type=int, help="repeat an earlier draw")
    parser.add_argument("--datasets", type=Path, metavar="DIR", help="folder with mnist, cifar10, text")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything that was found to a file")
    return parser


def _find(kit: Path) -> Path:
    """The student's package: in the kit's folder, or beside it."""
    for folder in (kit, kit.parent):
        try:
            find_package(archive.names(folder))
        except UnusableInput:
            continue
        return folder
    raise UnusableInput(
        f"No TinyTorch package was found in {kit} or beside it. Put this folder into your repository, or say where the "
        f"package is: python {Path(sys.argv[0]).name} path/to/your/repository"
    )


def _evaluate(milestone: Milestone, path: Path, options: argparse.Namespace) -> Evaluation:
    if options.datasets is not None and not options.datasets.is_dir():
        raise UnusableInput(f"The data set folder {options.datasets} does not exist.")
    if options.seed is not None and not 0 <= options.seed < 1 << 63:
        raise UnusableInput("The seed must be a whole number from 0 to 9223372036854775807.")
    beside = Path(sys.argv[0]).resolve().parent / "data"
    datasets = options.datasets or (beside if beside.is_dir() and not os.environ.get("DATASETS_DIR") else None)
    print(f"Assessing {path} ...", flush=True)
    result = evaluate(milestone, path, seed=options.seed, datasets=datasets, on_progress=_Told(), bare=True)
    clear_progress()
    return result


class _Told:
    """Says once of every check how it ended, as soon as it has; in between, the line for those who look at a terminal."""

    def __init__(self) -> None:
        self._told: set[str] = set()
        self._line = show_progress() or (lambda progress: None)

    def __call__(self, progress: Progress) -> None:
        for key, title, status in progress.checks:
            if status not in (None, "running") and key not in self._told:
                self._told.add(key)
                clear_progress()
                print(f"  {status.replace('_', ' '):<16} {title}", flush=True)
        self._line(progress)


def _of_groups(result: Evaluation) -> str:
    """What some groups found. No score: a part of the checks gives none."""
    lines = [""]
    for measurement in result.measurements:
        lines += [f"{measurement.title}:", f"  {measurement.message}"]
    for diagnosis in result.diagnoses:
        lines += ["", f"What is wrong: {diagnosis.message}", f"  {diagnosis.advice}"]
    for exhibit in result.exhibits:
        lines += in_text(exhibit)
    settled = ", ".join(f"{name.replace('_', ' ')} {count:,}" for name, count in result.counts.items())
    practice = " Practice data, since no data sets were found." if result.practice_data else ""
    lines += [
        "",
        f"{result.resources.cpu_seconds:.1f} CPU seconds; seed {result.seed}{settled and f'; {settled}'}.{practice}",
    ]
    return "\n".join(lines)


def _complain(sentence: str, code: int) -> int:
    print(sentence, file=sys.stderr)
    return code
