"""Luck: what a student can gain by handing in again and again."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from milestones.datasets.store import open_store
from milestones.evaluate import evaluate
from milestones.lab import LADDER, Lab
from tests.hostile import oracle
from tests.hostile.submissions import COUNTS, base_files, datasets, reduced, write_files
from tests.hostile.verdicts import MNIST

ATTEMPTS = 40


def _draw(attempt: int, *, identity: bytes) -> np.ndarray:
    """The images of a small measurement at one attempt, with a fresh seed and a package with one comment changed."""
    lab = Lab(seed=attempt, datasets=open_store(datasets()), identity=identity, package_digest=f"digest {attempt}")
    return lab.student_random("order of unseen images").permutation(10_000)[: LADDER[0]]


def test_climbing_by_attempts_meets_the_same_small_draw_every_time() -> None:
    draws = {tuple(_draw(attempt, identity=b"bob")) for attempt in range(ATTEMPTS)}
    assert len(draws) == 1


def test_the_best_of_many_attempts_of_one_model_is_no_better_than_its_first() -> None:
    """A model that knows 83 % of the images reaches 85 % on a fresh draw of 200 every fifth time; on its own draw, at most once
    and for ever."""
    knows = np.random.default_rng(7).random(10_000) < 0.83
    fixed = [knows[_draw(attempt, identity=b"bob")].mean() for attempt in range(ATTEMPTS)]
    fresh = [knows[_draw(attempt, identity=str(attempt).encode())].mean() for attempt in range(ATTEMPTS)]
    assert len(set(fixed)) == 1
    assert max(fresh) - min(fresh) > 0.05


def test_two_students_with_the_same_package_get_two_draws() -> None:
    assert not np.array_equal(_draw(1, identity=b"alice"), _draw(1, identity=b"bob"))


def test_the_same_evaluation_scores_the_same_and_another_seed_about_the_same(tmp_path: Path, host: oracle.Host) -> None:
    folder = write_files(base_files("full_autograd"), tmp_path / "upload")
    milestone = reduced(MNIST, cpu_seconds=20)
    options = {"datasets": datasets(), "counts": COUNTS, "identity": b"bob"}
    first, again, other = (evaluate(milestone, folder, seed=seed, **options) for seed in (1, 1, 2))
    assert first.criteria == again.criteria
    values = [next(m.value for m in e.measurements if m.key == "mnist_accuracy") for e in (first, other)]
    assert abs(values[0] - values[1]) < 0.05
