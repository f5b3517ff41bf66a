"""What the sandbox costs: milestone 1 of the full package, inside it and bare, in turn."""

from __future__ import annotations

import argparse
import gc
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from milestones import registry
from milestones.catalog import samples
from milestones.evaluate import evaluate
from tests.benchmarks.table import print_table, spread

SEED = 20_240_901


@dataclass(frozen=True)
class Run:
    cpu_seconds: float
    wall_seconds: float
    score: float


def run(path: Path, *, bare: bool) -> Run:
    """One evaluation. CPU seconds are those of the student's side, as accounted for the sandbox or the bare process."""
    gc.collect()
    started = time.perf_counter()
    result = evaluate(1, path, seed=SEED, bare=bare, counts={"training_steps": 1_874, "test_images": 10_000})
    return Run(result.resources.cpu_seconds, time.perf_counter() - started, result.score)


def main(pairs: int) -> None:
    milestone = registry.get(1)
    sample = next(sample for sample in samples.list_samples(milestone.folder) if sample.name == "full_autograd")
    with tempfile.TemporaryDirectory() as folder:
        path = samples.materialise(sample.folder, Path(folder) / "package")
        run(path, bare=True), run(path, bare=False)  # files and data sets come into memory
        sandboxed, bare = [], []
        for pair in range(pairs):
            # In turn, and every other pair the other way round, so that a drifting machine favours neither.
            order = ((False, sandboxed), (True, bare)) if pair % 2 else ((True, bare), (False, sandboxed))
            for is_bare, runs in order:
                runs.append(run(path, bare=is_bare))
    scores = {round(each.score, 2) for each in (*sandboxed, *bare)}
    rows = [["", "sandboxed", "bare", "ratio pair by pair", "aim"]]
    for name, attribute in (("CPU seconds", "cpu_seconds"), ("wall seconds", "wall_seconds")):
        inside, outside = ([getattr(each, attribute) for each in runs] for runs in (sandboxed, bare))
        ratios = [one / other for one, other in zip(inside, outside, strict=True)]
        rows.append([name, spread(inside), spread(outside), spread(ratios, digits=3), "at most 1.05 at the median"])
    print_table(f"Milestone 1 of the full package, training on 60,000 images, {pairs} pairs", rows)
    wall = statistics.median(each.wall_seconds for each in sandboxed)
    print(f"  A whole evaluation takes {wall:.1f} s at the median (aim: under 30 s). Scores: {sorted(scores)}.")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=7)
    main(parser.parse_args().pairs)
