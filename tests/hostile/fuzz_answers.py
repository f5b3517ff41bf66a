"""Fuzzes the grader with answers: ``python -m tests.hostile.fuzz_answers [ITERATIONS] [SEED]`` from the checkout.

In place of the sandbox stands a program that gives to every question an answer that the protocol lets through (the awaited
dtypes and shapes, free sizes chosen badly, extreme numbers) or one of the typed failures. Whatever it says, an evaluation must
end with an ordinary result: this covers the checks, the diagnoses, the scoring and the exhibits.
"""

from __future__ import annotations

import json
import math
import random
import sys
import tempfile
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from milestones import evaluate as evaluation_module
from milestones.contract import Evaluation
from milestones.datasets.store import open_store
from milestones.evaluate import evaluate
from milestones.sandbox.answers import (
    Expected,
    StudentCrashed,
    StudentFault,
    StudentOutOfMemory,
    StudentProtocolViolation,
    StudentTimedOut,
)
from milestones.sandbox.limits import SandboxLimits, Usage
from milestones.sandbox.protocol import clean_text
from milestones.student.operations import COMPONENT_NAMES, Operation
from tests.hostile.submissions import base_files, datasets, reduced, write_files
from tests.hostile.verdicts import ALL

SPECIAL = (0.0, -0.0, 1.0, -1.0, math.nan, math.inf, -math.inf, 1e38, -1e38, 1.7e308, 5e-324, 1e-45, 1e9)
SHAPES = (
    (),
    (0,),
    (1,),
    (0, 5),
    (3, 0),
    (1, 1),
    (1, 2000),
    (2000, 1),
    (2, 3, 4),
    (1, 1, 1, 1),
    (5, 4),
    (256, 64),
    (1, 64),
)
INTEGERS = (0, 1, -1, 2, 9, 10, 2**31, 2**63 - 1, -(2**63))
WORDS = (
    "component:tensor",
    "component:dense",
    "precision:",
    "ok",
    "failed",
    "syntax",
    "missing",
    "",
    "float32",
    "<b>",
    "\u202e",
)


class Improviser:
    """Answers as it likes within what ``expect`` allows. One random stream over all questions of an evaluation."""

    def __init__(self, draw: random.Random) -> None:
        self.draw = draw
        self.mood = draw.choice(("any", "plain", "special"))
        self.submission_path = "/submission"
        self.alive = True
        self.log = ""
        self.usage = Usage(cpu_seconds=0.01, limits="none")

    def __enter__(self) -> Improviser:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.alive = False

    def ask(
        self,
        operation: int,
        arrays: Sequence[np.ndarray],
        *,
        expect: Sequence[Expected],
        cpu_seconds: float | None = None,
        on_wait: Callable[[], None] | None = None,
    ) -> list[np.ndarray]:
        self.usage = Usage(cpu_seconds=self.usage.cpu_seconds + self.draw.choice((0.0, 0.001, 0.3)), limits="none")
        loading = operation in (Operation.LOAD, Operation.IMPORT, Operation.REPORT)
        if self.draw.random() < (0.02 if loading else 0.1):
            self._fail()
        if operation == Operation.REPORT and self.draw.random() < 0.9:
            return [_text(self._report())]
        given = arrays[1] if len(arrays) > 1 else np.zeros((4, 3))
        return [self._array(expected, given.shape) for expected in expect]

    def _fail(self) -> None:
        failure = self.draw.choice(
            (
                StudentFault(self.draw.choice((1, 2, 3, 4, 5, 6, 0, -1, 2**63 - 1)), (2**63 - 1, -5), "no <b>\u00e9"),
                StudentTimedOut(3.0, 9.0, self.draw.random() < 0.5),
                StudentOutOfMemory("too much"),
                StudentProtocolViolation("nonsense"),
                StudentCrashed("gone", self.draw.choice((0, 1, None)), "tail", self.draw.choice((None, 9, 11))),
            )
        )
        self.alive = isinstance(failure, StudentFault)
        raise failure

    def _report(self) -> str:
        lines = [f"component:{name}\tok\ttinytorch.{name}" for name in COMPONENT_NAMES if self.draw.random() < 0.95]
        lines += ["\t".join(self.draw.choices(WORDS, k=self.draw.randrange(5))) for _ in range(self.draw.randrange(8))]
        self.draw.shuffle(lines)
        return clean_text("\n".join(lines))

    def _array(self, expected: Expected, near: tuple[int, ...]) -> np.ndarray:
        dtype = np.dtype(self.draw.choice(expected.dtypes))
        shape = self._shape(expected, near)
        count = math.prod(shape)
        if dtype.kind in "iub":
            choices = (0, 1, 9, 65, 255) if dtype.itemsize == 1 else INTEGERS
            return np.array(self.draw.choices(choices, k=count), dtype=dtype).reshape(shape)
        if self.mood == "plain" or (self.mood == "any" and self.draw.random() < 0.5):
            return np.random.default_rng(self.draw.getrandbits(32)).normal(size=shape).astype(dtype)
        choices = self.draw.choices(SPECIAL, k=self.draw.randrange(1, 5))
        with np.errstate(over="ignore"):
            return np.array(self.draw.choices(choices, k=count)).astype(dtype).reshape(shape)

    def _shape(self, expected: Expected, near: tuple[int, ...]) -> tuple[int, ...]:
        if expected.shape is not None:
            return tuple(self.draw.randrange(40) if size is None else size for size in expected.shape)
        shape = self.draw.choice((near, near, near[:1], near[::-1], *SHAPES))
        return shape if math.prod(shape) <= min(expected.max_elements, 1 << 20) else (3,)


def _text(text: str) -> np.ndarray:
    return np.frombuffer(text.encode(), dtype=np.uint8)


def check(seed: int, folder: Path) -> Evaluation:
    """One evaluation against one improviser. Raises whatever should not be."""
    draw = random.Random(seed)
    honest = evaluation_module.Sandbox

    def instead(_submission: Path, *, limits: SandboxLimits, **_options: object) -> Improviser:
        return Improviser(draw)

    evaluation_module.Sandbox = instead
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            milestone = reduced(ALL, cpu_seconds=draw.choice((1.0, 5.0, 60.0)))
            counts = draw.choice((None, {"training_steps": 20, "test_images": 200}))
            evaluation = evaluate(milestone, folder, seed=seed, datasets=datasets(), counts=counts, identity=b"bob")
    finally:
        evaluation_module.Sandbox = honest
    text = json.dumps(asdict(evaluation), allow_nan=False)
    assert len(text) < 2_000_000
    assert 0 <= evaluation.score <= evaluation.maximum
    return evaluation


def run(iterations: int, seed: int) -> None:
    """``iterations`` checks from ``seed`` on. Raises AssertionError that names the seed of the first failure."""
    open_store(datasets()).mnist()
    with tempfile.TemporaryDirectory() as folder:
        upload = write_files(base_files("full_autograd"), Path(folder) / "upload")
        for number in range(seed, seed + iterations):
            try:
                check(number, upload)
            except Exception as error:
                raise AssertionError(f"seed {number}: {type(error).__name__}: {error}") from error


if __name__ == "__main__":
    count, first = (int(word) for word in (*sys.argv[1:], *("5000", "0")[len(sys.argv) - 1 :]))
    run(count, first)
    print(f"{count:,} evaluations of improvised answers: nothing but ordinary results")
