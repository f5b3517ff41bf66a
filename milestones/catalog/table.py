"""The samples of the catalogue, each evaluated for real: milestone, sample, score, level, CPU seconds, what was found.

``make samples``, or ``python -m milestones.catalog.table [MILESTONE] [SAMPLE …]``; exit code 1 where a sample gets another
verdict than its ``sample.toml`` states. ``--shown`` runs only the groups of checks that show a sample's mistake: much quicker,
and no score is shown for it, since a part of the checks gives none.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from milestones import registry
from milestones.catalog import samples
from milestones.catalog.samples import Sample
from milestones.catalog.verdicts import causes, differences, shown_by
from milestones.contract import Evaluation, Milestone, UnusableInput
from milestones.evaluate import evaluate
from milestones.progress import clear_progress, show_progress

SEED = 20_240_901
HEAD = ("milestone", "sample", "score", "level", "benchmark", "CPU s", "found", "as stated")
BENCHMARK = {True: "met", False: "not met", None: "borderline"}


@dataclass(frozen=True, kw_only=True)
class Row:
    """One evaluated sample. ``result`` is None where it can't be assessed; ``whole`` says that every group was run."""

    milestone: Milestone
    sample: Sample
    result: Evaluation | None
    whole: bool

    @property
    def differences(self) -> list[str]:
        return differences(self.sample, self.result, whole=self.whole)

    def cells(self) -> tuple[str, ...]:
        result, first = self.result, (str(self.milestone.rubric.number), self.sample.name)
        stated = "yes" if not self.differences else f"NO: {'; '.join(self.differences)}"
        if result is None:
            return (*first, "", "unusable", "", "", "", stated)
        verdict = (
            (f"{result.score:.1f}", str(result.level), BENCHMARK[result.benchmark_met]) if self.whole else ("",) * 3
        )
        return (*first, *verdict, f"{result.resources.cpu_seconds:.1f}", ", ".join(sorted(causes(result))), stated)


def rows(
    chosen: Sequence[tuple[Milestone, Sample]], *, seed: int = SEED, shown: bool = False, datasets: Path | None = None
) -> Iterator[Row]:
    """Evaluate samples one after the other; each row comes when it is done."""
    for milestone, sample in chosen:
        asked = shown_by(sample, milestone)
        whole = not shown or len(asked.groups) == len(milestone.groups)
        with tempfile.TemporaryDirectory() as folder:
            path = samples.materialise(sample.folder, Path(folder) / sample.name)
            try:
                result = evaluate(
                    milestone if whole else asked, path, seed=seed, datasets=datasets, on_progress=show_progress()
                )
            except UnusableInput:
                result = None
        clear_progress()
        yield Row(milestone=milestone, sample=sample, result=result, whole=whole)


def main(arguments: list[str] | None = None) -> int:
    """Print the table as it comes. Exit 0: every verdict is as stated; 1: one is not; 2: nothing of that name."""
    parser = argparse.ArgumentParser(prog="python -m milestones.catalog.table", description=__doc__)
    parser.add_argument("milestone", nargs="?", help="number or slug; all where none is given")
    parser.add_argument("sample", nargs="*", help="names of samples; all where none is given")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--shown", action="store_true", help="only the groups that show a sample's mistake")
    options = parser.parse_args(arguments)
    try:
        milestones = [registry.get(options.milestone)] if options.milestone else registry.catalog()
    except KeyError as error:
        print(error.args[0], file=sys.stderr)
        return 2
    chosen = [
        (milestone, sample)
        for milestone in milestones
        for sample in samples.list_samples(milestone.folder)
        if not options.sample or sample.name in options.sample
    ]
    unknown = set(options.sample) - {sample.name for _, sample in chosen}
    if unknown:
        print(f"There is no sample {', '.join(sorted(unknown))}.", file=sys.stderr)
        return 2
    widths = [*map(len, HEAD[:-1]), 0]
    widths[1] = max(len(sample.name) for _, sample in chosen)
    widths[3], widths[6] = len("insufficient"), len("initial_weights_too_large")
    print(_line(HEAD, widths))
    wrong = 0
    for row in rows(chosen, seed=options.seed, shown=options.shown):
        print(_line(row.cells(), widths), flush=True)
        wrong += bool(row.differences)
    print(f"{len(chosen) - wrong} of {len(chosen)} samples get the verdict that they state.")
    return 1 if wrong else 0


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    numbers = (2, 5)
    return "  ".join(
        cell.rjust(width) if position in numbers else cell.ljust(width)
        for position, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ).rstrip()


if __name__ == "__main__":
    sys.exit(main())
