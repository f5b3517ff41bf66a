"""Milestone 1: every sample gets the verdict that it states."""

import pytest

from milestones.catalog.samples import Sample
from tests.milestones.verdicts import assert_verdict, samples_of

#: Whole evaluations of these are made, and looked at more closely, in test_evaluate.py.
MISTAKES = [sample for sample in samples_of(1) if sample.expected.groups]


@pytest.mark.parametrize("sample", MISTAKES, ids=lambda sample: sample.name)
def test_exactly_the_mistake_of_a_sample_is_named(sample: Sample, tmp_path):
    assert_verdict(1, sample, tmp_path)
