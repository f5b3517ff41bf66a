"""Verdicts do not depend on load: idle or with every processor busy, the same submission and seed get the same points."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from milestones import registry
from milestones.catalog import samples
from milestones.contract import Evaluation, Milestone, Status
from milestones.evaluate import evaluate
from tests.slow_package import pack_slow_package

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(600)]

SEED = 2_024
MILESTONE = registry.get(1)
#: Each in a session of its own, since the kernel shares processors between sessions first; one walks through memory, so
#: that it also takes the caches from whoever shares them.
SPINNERS = ("while True: pass", "held = bytearray(64 << 20)\nwhile True: held[::64] = bytes(1 << 20)")


def idle_and_all_ticks() -> tuple[int, int]:
    """What the processors of this machine have done since it started, in ticks: nothing, and anything."""
    ticks = [int(word) for word in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    return ticks[3] + ticks[4], sum(ticks)


@contextlib.contextmanager
def every_processor_busy() -> Iterator[None]:
    """Two programs per processor that never pause; afterwards it is checked that the processors had no rest."""
    with contextlib.ExitStack() as spinning:
        for _ in range(os.cpu_count() or 1):
            for source in SPINNERS:
                spinner = subprocess.Popen([sys.executable, "-c", source], start_new_session=True)
                spinning.callback(spinner.wait)
                spinning.callback(spinner.kill)
        idle, all_before = idle_and_all_ticks()
        yield
        idle_after, all_after = idle_and_all_ticks()
        assert idle_after - idle < 0.1 * (all_after - all_before), "the machine was not busy"


def points(evaluation: Evaluation) -> list[tuple[str, float | None]]:
    return [(criterion.key, criterion.points) for criterion in evaluation.criteria]


def findings(evaluation: Evaluation) -> list[tuple[str, Status, float | None]]:
    """Every measurement without its words."""
    return [(found.key, found.status, found.value) for found in evaluation.measurements]


@pytest.mark.parametrize("name", ["full_autograd", "weak_weights", "stub_layers", "crashes_at_import"])
def test_a_first_run_is_the_same_on_a_busy_machine(name: str, tmp_path: Path) -> None:
    """How long the training may be and how many images are measured is settled by the speed: the margins hold."""
    package = samples.materialise(MILESTONE.folder / "samples" / name, tmp_path / name)
    at_rest = evaluate(MILESTONE, package, seed=SEED)
    with every_processor_busy():
        busy = evaluate(MILESTONE, package, seed=SEED)
    assert points(busy) == points(at_rest)
    assert findings(busy) == findings(at_rest)
    assert busy.counts == at_rest.counts
    assert (busy.score, busy.level, busy.diagnoses) == (at_rest.score, at_rest.level, at_rest.diagnoses)


def test_the_margin_is_wide_even_if_all_computing_cost_five_times_as_much(tmp_path: Path) -> None:
    """A fifth of every budget stands for a machine on which each step takes five times the CPU seconds."""
    package = samples.materialise(MILESTONE.folder / "samples" / "full_autograd", tmp_path / "package")
    usual, slow = (evaluate(MILESTONE, package, seed=SEED, time_factor=factor) for factor in (1.0, 0.2))
    assert points(slow) == points(usual)
    assert slow.counts == usual.counts


def with_budget(cpu_seconds: float) -> Milestone:
    """The training group alone, with so little time that our slow package is not trained to the end."""
    groups = [replace(group, cpu_seconds=cpu_seconds) for group in MILESTONE.groups if group.key == "mnist"]
    return replace(MILESTONE, groups=tuple(groups))


def test_a_training_that_was_cut_short_is_the_same_when_it_is_run_again_on_a_busy_machine(tmp_path: Path) -> None:
    """The first run settles how much can be done in the time; a later one does exactly that, and its margin is enough."""
    milestone = with_budget(7)
    package = pack_slow_package(tmp_path / "slow.zip")
    first = evaluate(milestone, package, seed=SEED)
    assert 20 < first.counts["training_steps"] < 1_500
    with every_processor_busy():
        again = evaluate(milestone, package, seed=SEED, counts=first.counts)
    assert points(again) == points(first)
    assert findings(again) == findings(first)
    assert again.counts == first.counts


def test_a_first_run_on_a_busy_machine_ends_within_its_budget_however_slow_the_package(tmp_path: Path) -> None:
    with every_processor_busy():
        first = evaluate(with_budget(5), pack_slow_package(tmp_path / "slow.zip"), seed=SEED)
    (found,) = [found for found in first.measurements if found.key == "mnist_accuracy"]
    assert found.value is not None
    assert found.status is not Status.TIMED_OUT
    assert first.resources.cpu_seconds < 5
