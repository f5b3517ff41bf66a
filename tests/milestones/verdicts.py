"""Whether a sample gets the verdict that it states, evaluated for real in the sandbox."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from milestones import registry
from milestones.catalog import samples
from milestones.contract import Evaluation, UnusableInput
from milestones.evaluate import evaluate

SEED = 20_240_901


def samples_of(milestone: int) -> list[samples.Sample]:
    """The samples of a milestone, by name."""
    return list(samples.list_samples(registry.get(milestone).folder))


def causes(evaluation: Evaluation) -> set[str]:
    """The codes of what was recognised; symptoms only where no cause was."""
    found = {diagnosis.code for diagnosis in evaluation.diagnoses if not diagnosis.symptom}
    return found or {diagnosis.code for diagnosis in evaluation.diagnoses}


def evaluated(milestone: int, sample: samples.Sample, folder: Path) -> Evaluation:
    """The sample's result, of the groups that it names."""
    asked = registry.get(milestone)
    if sample.expected.groups:
        known = {group.key for group in asked.groups}
        assert set(sample.expected.groups) <= known, f"{sample.name} names a group that the milestone does not have"
        asked = replace(asked, groups=tuple(group for group in asked.groups if group.key in sample.expected.groups))
    return evaluate(asked, samples.materialise(sample.folder, folder / sample.name), seed=SEED)


def assert_verdict(milestone: int, sample: samples.Sample, folder: Path) -> Evaluation | None:
    """The sample's result, after a look that it says exactly what the sample states; None for one that can't be assessed."""
    expected = sample.expected
    if expected.unusable:
        with pytest.raises(UnusableInput):
            evaluated(milestone, sample, folder)
        return None
    result = evaluated(milestone, sample, folder)
    assert sorted(causes(result)) == list(expected.diagnoses), [found.message for found in result.diagnoses]
    if not expected.groups:
        assert result.benchmark_met is expected.benchmark_met
    return result
