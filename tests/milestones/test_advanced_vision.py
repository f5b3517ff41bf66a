"""Milestone 4: every sample gets the verdict that it states, and speed is judged the same on a busy machine."""

import pytest

from milestones.catalog.samples import Sample
from tests.milestones.verdicts import assert_verdict, samples_of

pytestmark = [pytest.mark.sandbox, pytest.mark.timeout(300)]

#: The weights of the others are measured whole elsewhere, on as many images as there are.
SHOWN_BY_GROUPS = [sample for sample in samples_of(4) if sample.expected.groups]


@pytest.mark.parametrize("sample", SHOWN_BY_GROUPS, ids=lambda sample: sample.name)
def test_exactly_the_mistake_of_a_sample_is_named(sample: Sample, tmp_path):
    assert_verdict(4, sample, tmp_path)
