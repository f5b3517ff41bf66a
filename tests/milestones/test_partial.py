"""Partial results: what is slow or crashes costs its own points, and the student reads which check it was."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from milestones import registry
from milestones.contract import CriterionResult, Evaluation, Measurement, Status
from milestones.evaluate import evaluate
from tests.milestones.packages import changed, sample, write

pytestmark = pytest.mark.sandbox

ACTIVATIONS = "tinytorch/core/activations.py"
SIGMOID = "return apply(SigmoidOperation(x))"
SOFTMAX = "return apply(SoftmaxOperation(x, self.dim))"
TANH = "return apply(TanhOperation(x))"
BUDGET = 1.5
COUNTS = {"training_steps": 60, "test_images": 500}


def assess(folder: Path, file: str, *changes: tuple[str, str]) -> Evaluation:
    """Our whole package with some code of it replaced, on milestone 1 with small budgets."""
    whole = registry.get(1)
    small = [replace(group, cpu_seconds=BUDGET) for group in whole.groups]
    path = write(changed(sample(), file, *changes), folder)
    return evaluate(replace(whole, groups=tuple(small)), path, seed=7, counts=COUNTS)


def found(evaluation: Evaluation, key: str) -> Measurement:
    return next(measurement for measurement in evaluation.measurements if measurement.key == key)


def criterion(evaluation: Evaluation, key: str) -> CriterionResult:
    return next(result for result in evaluation.criteria if result.key == key)


def test_a_check_that_takes_too_long_is_named_and_what_ran_before_it_keeps_its_points(tmp_path: Path) -> None:
    result = assess(tmp_path, ACTIVATIONS, (TANH, "while True: pass"))
    assert found(result, "tanh_forward").status is Status.TIMED_OUT
    assert found(result, "softmax_forward").status is Status.NOT_RUN
    assert "the 2 CPU seconds of this group were spent on “Tanh”" in found(result, "softmax_forward").message
    mathematics = criterion(result, "mathematical_correctness")
    assert 0 < mathematics.points < mathematics.maximum
    words = r"6 of 8 checks ran; Tanh: took longer than [12] CPU seconds and was stopped; lost points: "
    assert re.match(words, mathematics.explanation)


@pytest.mark.parametrize(
    "damage",
    [
        "while True: pass",
        "import time; time.sleep(600)",
        "import os; os._exit(3)",
        "import os; os.kill(os.getpid(), 11)",
        "held = []\n        while True: held.append(bytearray(100 << 20))",
    ],
    ids=["never ends", "sleeps", "ends the program", "crashes Python", "takes all memory"],
)
def test_what_befalls_one_group_leaves_the_others_whole(damage: str, tmp_path: Path) -> None:
    """Softmax is asked for in mathematics alone: architecture, training and code quality know nothing of it."""
    result = assess(tmp_path, ACTIVATIONS, (SOFTMAX, damage))
    assert found(result, "softmax_forward").status in (Status.TIMED_OUT, Status.CRASHED)
    assert found(result, "relu_forward").status is Status.PASSED
    architecture = criterion(result, "architecture_design")
    assert architecture.points == architecture.maximum
    assert found(result, "mnist_accuracy").value > 0.5
    assert criterion(result, "code_quality").points > 0


def test_a_check_that_crashes_leaves_the_later_ones_of_its_own_group_too(tmp_path: Path) -> None:
    result = assess(tmp_path, ACTIVATIONS, (SIGMOID, "import os; os._exit(3)"))
    assert [found(result, key).status for key in ("sigmoid_forward", "tanh_forward", "softmax_forward")] == [
        Status.CRASHED,
        Status.PASSED,
        Status.PASSED,
    ]
    mathematics = criterion(result, "mathematical_correctness")
    assert mathematics.explanation.startswith("8 of 8 checks ran; lost points: Sigmoid −")
    assert "ended itself" in found(result, "sigmoid_forward").message


def test_a_training_that_takes_too_long_costs_the_accuracy_alone(tmp_path: Path) -> None:
    result = assess(
        tmp_path,
        "tinytorch/core/optimizers.py",
        ("    def step(self", "    def step(self, *_):\n        while True: pass\n\n    def unused(self"),
    )
    assert found(result, "mnist_accuracy").value is None
    assert found(result, "mnist_accuracy").status is Status.TIMED_OUT
    for key in ("mathematical_correctness", "architecture_design"):
        assert criterion(result, key).points == criterion(result, key).maximum
