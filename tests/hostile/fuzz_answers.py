"""Fuzzes the grader with answers: ``python -m tests.hostile.fuzz_answers [ITERATIONS] [SEED] [MILESTONE]`` from the checkout;
without a milestone, all of them in turn.

In place of the sandbox stands a program that gives to every question an answer that the protocol lets through (the awaited
dtypes and shapes, free sizes chosen badly, extreme numbers) or one of the typed failures. Whatever it says, an evaluation must
end with an ordinary result: this covers the checks, the diagnoses, the scoring and the exhibits. Each evaluation asks a few
of its milestone's groups; the static tools run once for each milestone and say the same ever after, since no answer changes the
files.
"""

from __future__ import annotations

import functools
import json
import math
import random
import sys
import tempfile
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from milestones import evaluate as evaluation_module
from milestones import registry
from milestones.catalog.samples import files_of
from milestones.contract import Evaluation, Milestone
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
from milestones.sandbox.tools import ToolResult, run_tool
from milestones.student.operations import COMPONENT_NAMES, Operation
from tests.hostile.submissions import datasets, write_files

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
# Sizes settled on before, so that some evaluations replay them.
COUNTS = {"training_steps": 20, "test_images": 200, "cifar10_steps": 20, "text_steps": 20, "feature_images": 500}
SAMPLES = {
    1: "basic_inference/samples/full_autograd",
    2: "computer_vision/samples/full_package",
    3: "full_training/samples/full_trainer",
    4: "advanced_vision/samples/full_package",
    5: "language_generation/samples/character_gpt",
}
# Groups that look at thousands of images or characters cost seconds: so often are they among those asked.
COSTLY = {"mnist": 0.1, "cifar10": 0.1, "text": 0.15}
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
        # A check that asks forty questions is seldom got to the end of where one in ten is not answered.
        self.failing = draw.choice((0.0, 0.01, 0.1))
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
        self.usage = Usage(
            cpu_seconds=self.usage.cpu_seconds + self.draw.choice((0.0, 0.001, 0.3)),
            peak_memory_bytes=self.draw.choice((0, 10**8, 2**40)),
            limits="none",
        )
        loading = operation in (Operation.LOAD, Operation.IMPORT, Operation.REPORT)
        if self.draw.random() < self.failing * (0.2 if loading else 1):
            self._fail()
        if operation == Operation.REPORT and self.draw.random() < 0.9:
            return [_text(self._report())]
        near = [array.shape for array in arrays[1:]] or [(4, 3)]
        return [
            self._calls(expected)
            if operation == Operation.CALLS
            else self._array(expected, self.draw.choice((near[0], near[position % len(near)])))
            for position, expected in enumerate(expect)
        ]

    @property
    def resident_bytes(self) -> int:
        return self.draw.choice((0, 1, 10**8, 2**40))

    def log_tail(self, characters: int) -> str:
        return self.log[-characters:]

    def _calls(self, expected: Expected) -> np.ndarray:
        """Functions that the upload has or has not, called unbelievably often or never."""
        names = ("GPT.forward", "Tensor.__add__", "<lambda>", "Linear.forward", "no.such", "", "<b>", "backward")
        files = ("tinytorch/core/tensor.py", "tinytorch/core/transformers.py", "../../etc/passwd", "")
        times = (*map(str, INTEGERS), "\u0663", "9" * 30)
        lines = [
            "\t".join(self.draw.choice(part) for part in (files, names, times, times))
            for _ in range(self.draw.randrange(12))
        ]
        return _text("\n".join(lines))

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


@functools.cache
def _honest_tool(program: tuple[str, ...], number: int, stdin: bytes | None) -> ToolResult:
    """What a static tool says of this milestone's upload; it says so once."""
    limits = SandboxLimits(cpu_seconds=20, memory_bytes=1 << 30)
    return run_tool(program, uploads(number), limits=limits, stdin=stdin)


@functools.cache
def uploads(number: int) -> Path:
    """The upload that is assessed on this milestone, written once and left until this process ends."""
    folder = Path(_folder().name) / str(number)
    return write_files(files_of(registry.folders()[0] / SAMPLES[number]), folder)


@functools.cache
def _folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory()


def _some_groups(number: int, draw: random.Random) -> Milestone:
    """A few of the milestone's groups with a small budget each; not those that take seconds, but for once in a while. What one
    group says another may need, so all of the cheap ones are there now and then."""
    whole = registry.get(number)
    most = draw.choice((0.4, 1.0))
    chosen = [group for group in whole.groups if draw.random() < COSTLY.get(group.key, most)]
    budget = draw.choice((1.0, 5.0, 60.0))
    groups = [replace(group, cpu_seconds=budget) for group in chosen or whole.groups[:1]]
    return replace(whole, groups=tuple(groups))


def check(seed: int, number: int) -> Evaluation:
    """One evaluation on one milestone against one improviser. Raises whatever should not be."""
    draw = random.Random(seed)
    honest, honest_tool = evaluation_module.Sandbox, evaluation_module.run_tool

    def instead(_submission: Path, *, limits: SandboxLimits, **_options: object) -> Improviser:
        return Improviser(draw)

    def tool(program: Sequence[str], _submission: Path, *, limits: SandboxLimits, stdin: bytes | None) -> ToolResult:
        return _honest_tool(tuple(program), number, stdin)

    evaluation_module.Sandbox, evaluation_module.run_tool = instead, tool
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            counts = draw.choice((None, COUNTS))
            evaluation = evaluate(
                _some_groups(number, draw),
                uploads(number),
                seed=seed,
                datasets=datasets(),
                counts=counts,
                identity=b"bob",
            )
    finally:
        evaluation_module.Sandbox, evaluation_module.run_tool = honest, honest_tool
    text = json.dumps(asdict(evaluation), allow_nan=False)
    assert len(text) < 2_000_000
    assert 0 <= evaluation.score <= evaluation.maximum
    return evaluation


def run(iterations: int, seed: int, number: int | None = None) -> None:
    """``iterations`` checks from ``seed`` on, of one milestone or of all in turn. Raises AssertionError that names the seed
    of the first failure."""
    for count in range(seed, seed + iterations):
        asked = 1 + count % len(SAMPLES) if number is None else number
        try:
            check(count, asked)
        except Exception as error:
            raise AssertionError(f"seed {count}, milestone {asked}: {type(error).__name__}: {error}") from error


if __name__ == "__main__":
    count, first, only = (int(word) for word in (*sys.argv[1:], *("5000", "0", "0")[len(sys.argv) - 1 :]))
    run(count, first, only or None)
    print(f"{count:,} evaluations of improvised answers: nothing but ordinary results")
