"""Milestone 3: every sample gets the verdict that it states."""

import pytest

from milestones.catalog.samples import Sample
from tests.milestones.verdicts import assert_verdict, samples_of

pytestmark = pytest.mark.sandbox

SAMPLES = {sample.name: sample for sample in samples_of(3)}
MISTAKES = [sample for sample in SAMPLES.values() if sample.expected.groups]


@pytest.mark.parametrize("sample", MISTAKES, ids=lambda sample: sample.name)
def test_exactly_the_mistake_of_a_sample_is_named(sample: Sample, tmp_path):
    assert_verdict(3, sample, tmp_path)


def test_the_full_trainer_is_right_in_everything_and_learns_cifar10(tmp_path):
    result = assert_verdict(3, SAMPLES["full_trainer"], tmp_path)
    assert [found.key for found in result.measurements if found.passed is False] == []
    assert result.score == 100
    assert result.needs_human == ("Training Dynamics: reflection is marked by a person",)
