"""What a sandbox takes to start and to end: beside a bare interpreter, after any kill, and until a verdict is there."""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from milestones import registry
from milestones.catalog import samples
from milestones.contract import OurTrouble
from milestones.evaluate import evaluate
from milestones.sandbox.limits import MEGABYTE, SandboxLimits
from milestones.sandbox.session import Expected, Sandbox, StudentSide
from tests.benchmarks.table import print_table, spread
from tests.chaos import processes
from tests.sandbox.conftest import ECHO, INSIDE, run

CHECKOUT = Path(__file__).resolve().parents[2]
LIMITS = SandboxLimits(cpu_seconds=60, memory_bytes=512 * MEGABYTE)
#: Forty processes: daemons that left their session, and every other one of them computes.
TREE = """
import os, time
for number in range(40):
    if os.fork() == 0:
        os.setsid()
        while number % 2: pass
        while True: time.sleep(1)
answer = 'ready'
"""


def main(times: int = 30) -> None:
    """Measure and print three tables."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "submission"
        folder.mkdir()
        (folder / "tensor.py").write_text("class Tensor: pass\n")
        _starts(folder, times)
        _ends(folder, max(3, times // 5))
        _verdict(Path(temporary), max(5, times // 2))


def _starts(folder: Path, times: int) -> None:
    """On a busy machine a start takes as long as its neighbours let it; the quickest of many is the sandbox's own doing."""
    inside, bare = [], []
    for _ in range(times + 2):
        for is_bare, found in ((False, inside), (True, bare)):
            began = time.perf_counter()
            with Sandbox(folder, limits=LIMITS, harness=INSIDE, bare=is_bare) as sandbox:
                sandbox.ask(ECHO, [np.zeros(1)], expect=[Expected(np.float64, (1,), 1)])
                found.append(1000 * (time.perf_counter() - began))
    inside, bare = inside[2:], bare[2:]  # the first ones warm up
    more = [one - other for one, other in zip(inside, bare, strict=True)]
    print_table(
        f"From nothing to the first answer, NumPy imported, {times} pairs, milliseconds",
        [
            ["in the sandbox", "bare interpreter", "more, pair by pair", "more, quickest against quickest", "aim"],
            [
                spread(inside, digits=0),
                spread(bare, digits=0),
                spread(more, digits=1),
                f"{min(inside) - min(bare):.1f}",
                "at most 15",
            ],
        ],
    )


def _ends(folder: Path, times: int) -> None:
    ways: dict[str, Callable[[Path], float]] = {
        "the grader closes it": _closed,
        "the student's program is killed": lambda folder: _killed(folder, _program_below),
        "the sandbox's first process is killed": lambda folder: _killed(folder, _only_child),
        "bwrap is killed": lambda folder: _killed(folder, lambda bwrap: bwrap),
        "the worker is killed": _worker_killed,
    }
    rows = [["", "milliseconds until all forty processes are gone", "aim"]]
    rows += [
        [name, spread([1000 * way(folder) for _ in range(times)], digits=0), "under 1,000"]
        for name, way in ways.items()
    ]
    print_table(f"The end of a process tree, {times} times each", rows)


def _closed(folder: Path) -> float:
    sandbox = Sandbox(folder, limits=LIMITS, harness=INSIDE)
    with sandbox:
        run(sandbox, TREE)
        tree = sandbox.processes
        assert len(tree) > 40
        began = time.perf_counter()
    return _seconds_until_gone(tree, began)


def _killed(folder: Path, whom: Callable[[int], int]) -> float:
    """Kill one process while a question is under way; the grader notices and clears away the rest."""
    began = 0.0

    def kill(number: int) -> None:
        nonlocal began
        time.sleep(0.2)
        began = time.perf_counter()
        os.kill(number, signal.SIGKILL)

    with Sandbox(folder, limits=LIMITS, harness=INSIDE) as sandbox:
        run(sandbox, TREE)
        tree = sandbox.processes
        killer = threading.Thread(target=kill, args=[whom(sandbox._box.process.pid)])
        killer.start()
        try:
            run(sandbox, "import time; time.sleep(60)")
        except (StudentSide, OurTrouble):
            killer.join()
            return _seconds_until_gone(tree, began)
    raise AssertionError("nobody noticed")


def _worker_killed(folder: Path) -> float:
    program = (
        f"import json, sys, time; from pathlib import Path; from tests.benchmarks import sandbox as here\n"
        f"with here.Sandbox(Path({str(folder)!r}), limits=here.LIMITS, harness=here.INSIDE) as box:\n"
        "    here.run(box, here.TREE); print(json.dumps(box.processes), flush=True); time.sleep(60)"
    )
    command = [sys.executable, "-c", program]
    with subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True) as worker:
        tree = json.loads(worker.stdout.readline())
        began = time.perf_counter()
        worker.kill()
        return _seconds_until_gone(tree, began)


def _only_child(pid: int) -> int:
    (child,) = processes.children(pid)
    return child


def _program_below(bwrap: int) -> int:
    """The program is the first child of the sandbox's init."""
    return processes.children(_only_child(bwrap))[0]


def _seconds_until_gone(tree: list[int], began: float) -> float:
    while any(not processes.is_dead(pid) for pid in tree):
        time.sleep(0.001)
    return time.perf_counter() - began


def _verdict(temporary: Path, times: int) -> None:
    path = samples.pack(registry.get(1).folder / "samples" / "crashes_at_import", temporary / "crashes.zip")
    whole, first_answer = [], []
    for _ in range(times + 1):
        took, moments = _watched_evaluation(path)
        whole.append(1000 * took)
        # The second report comes when the package was imported, or was not.
        first_answer.append(1000 * (moments[1] - moments[0]))
    print_table(
        f"The verdict on a package that crashes at import, {times} times, milliseconds",
        [
            ["a whole evaluation", "of it: a sandbox, Python, NumPy and the package", "aim"],
            [spread(whole[1:], digits=0), spread(first_answer[1:], digits=0), "under 300"],
        ],
    )


def _watched_evaluation(path: Path) -> tuple[float, list[float]]:
    """The seconds of one evaluation, and the moments of its reports."""
    moments: list[float] = []
    began = time.perf_counter()
    evaluate(1, path, on_progress=lambda progress: moments.append(time.perf_counter()))
    return time.perf_counter() - began, moments


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=30)
    main(parser.parse_args().times)
