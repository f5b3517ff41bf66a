"""For every family of attack, programs that do something similar and mean no harm: they lose nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from milestones.contract import Status
from tests.hostile import oracle
from tests.hostile.conftest import HonestResult
from tests.hostile.submissions import BENIGN, assess, benign
from tests.hostile.verdicts import ALL

MEGABYTE = 1 << 20


@pytest.mark.parametrize("name", sorted(path.stem for path in BENIGN.glob("*.py")))
def test_a_benign_twin_gets_full_marks(
    name: str, tmp_path: Path, host: oracle.Host, honest_result: HonestResult
) -> None:
    evaluation = assess(benign(name, tmp_path / "upload"), ALL, cpu_seconds=20, memory_bytes=1024 * MEGABYTE)
    assert "FINE" in evaluation.log, evaluation.log[-2000:]
    oracle.assert_ordinary(evaluation)
    honest = honest_result("full_autograd", ALL)
    # Timing and seed are the same for both, so that the accuracy is the same to the last digit.
    assert [(m.key, m.status, m.value) for m in evaluation.measurements] == [
        (m.key, m.status, m.value) for m in honest.measurements
    ]
    mathematics, architecture, mnist, _quality = evaluation.criteria
    assert (mathematics.points, architecture.points) == (mathematics.maximum, architecture.maximum)
    assert mnist == honest.criteria[2]
    assert evaluation.benchmark_met is True


def test_the_honest_submission_that_all_are_compared_with_is_whole(honest_result: HonestResult) -> None:
    honest = honest_result("full_autograd", ALL)
    assert {m.status for m in honest.measurements} == {Status.PASSED}
    assert honest.needs_human == ()
    assert replace(honest.criteria[3], explanation="").points == 1.0
