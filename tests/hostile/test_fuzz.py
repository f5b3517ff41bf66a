"""The fuzz targets, for as long as a test run can spare. By hand they take any number: see the head of each."""

from __future__ import annotations

import pytest

from milestones.checks import gpt
from tests.hostile import fuzz_answers, fuzz_archives, fuzz_frames


def test_damaged_frames_are_frames_or_refused() -> None:
    fuzz_frames.run(3_000, seed=1_000_000)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_damaged_archives_are_uploads_or_refused() -> None:
    fuzz_archives.run(400, seed=1_000_000)


@pytest.mark.parametrize(("number", "iterations"), [(1, 60), (2, 20), (3, 4), (4, 8), (5, 40)])
def test_improvised_answers_end_in_ordinary_results(number: int, iterations: int) -> None:
    fuzz_answers.run(iterations, seed=1_000_000, number=number)


def test_the_improviser_reaches_the_checks() -> None:
    """A fuzz target that is stopped at the door finds nothing."""
    reached = {
        m.key for seed in range(60) for m in fuzz_answers.check(seed, 5).measurements if str(m.status) == "wrong"
    }
    assert {"gpt_scores", "positions_matter", "attention_acts"} <= reached


@pytest.mark.parametrize(
    ("effect", "right"), [(0.5, True), (1e-6, False), (float("inf"), False), (float("nan"), False)]
)
def test_scores_that_are_not_finite_show_no_effect(effect: float, right: bool) -> None:
    assert gpt.acts(effect) is right
