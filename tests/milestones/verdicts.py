"""Whether a sample gets the verdict that it states, evaluated for real in the sandbox."""

from __future__ import annotations

from pathlib import Path

import pytest

from milestones import registry
from milestones.catalog import samples
from milestones.catalog.table import SEED
from milestones.catalog.verdicts import causes, differences, shown_by
from milestones.contract import Evaluation, UnusableInput
from milestones.evaluate import evaluate

__all__ = ["SEED", "assert_verdict", "causes", "evaluated", "samples_of"]


def samples_of(milestone: int) -> list[samples.Sample]:
    """The samples of a milestone, by name."""
    return list(samples.list_samples(registry.get(milestone).folder))


def evaluated(milestone: int, sample: samples.Sample, folder: Path) -> Evaluation:
    """The sample's result, of the groups that it names."""
    path = samples.materialise(sample.folder, folder / sample.name)
    return evaluate(shown_by(sample, registry.get(milestone)), path, seed=SEED)


def assert_verdict(milestone: int, sample: samples.Sample, folder: Path) -> Evaluation | None:
    """The sample's result, after a look that it says exactly what the sample states; None for one that can't be assessed."""
    if sample.expected.unusable:
        with pytest.raises(UnusableInput):
            evaluated(milestone, sample, folder)
        return None
    result = evaluated(milestone, sample, folder)
    assert differences(sample, result) == [], [found.message for found in result.diagnoses]
    return result
