"""The fuzz targets, for as long as a test run can spare. By hand they take any number: see the head of each."""

from __future__ import annotations

import pytest

from tests.hostile import fuzz_answers, fuzz_archives, fuzz_frames


def test_damaged_frames_are_frames_or_refused() -> None:
    fuzz_frames.run(3_000, seed=1_000_000)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_damaged_archives_are_uploads_or_refused() -> None:
    fuzz_archives.run(400, seed=1_000_000)


def test_improvised_answers_end_in_ordinary_results() -> None:
    fuzz_answers.run(300, seed=1_000_000)


def test_the_improviser_reaches_the_checks(tmp_path) -> None:
    """A fuzz target that is stopped at the door finds nothing."""
    upload = fuzz_answers.write_files(fuzz_answers.base_files("full_autograd"), tmp_path / "upload")
    reached = {
        m.key for seed in range(40) for m in fuzz_answers.check(seed, upload).measurements if str(m.status) == "wrong"
    }
    assert {"dense_forward", "dense_gradient", "initial_weights", "hidden_nonlinearity", "mnist_accuracy"} <= reached
