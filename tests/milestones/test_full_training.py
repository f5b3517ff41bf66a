"""Milestone 3: every sample gets the verdict that it states."""

from dataclasses import replace

import numpy as np
import pytest

from milestones import registry
from milestones.catalog import samples
from milestones.catalog.samples import Sample
from milestones.evaluate import evaluate
from tests.milestones.verdicts import assert_verdict, samples_of

pytestmark = pytest.mark.sandbox

SAMPLES = {sample.name: sample for sample in samples_of(3)}
#: ``loops`` takes minutes: it is evaluated by ``make samples``.
MISTAKES = [sample for sample in SAMPLES.values() if sample.expected.groups and sample.expected.diagnoses]


@pytest.mark.parametrize("sample", MISTAKES, ids=lambda sample: sample.name)
def test_exactly_the_mistake_of_a_sample_is_named(sample: Sample, tmp_path):
    assert_verdict(3, sample, tmp_path)


def test_training_that_stops_too_early_is_just_below_the_rule(tmp_path):
    result = assert_verdict(3, SAMPLES["stopped_too_early"], tmp_path)
    found = {each.key: each for each in result.measurements}
    assert (found["loss_falls"].value, found["cifar10_convergence"].value) == (1, 0)
    assert found["cifar10_convergence"].evidence["loss"] == pytest.approx(np.log(10), abs=0.1)


def test_the_same_seed_and_counts_give_the_same_score(tmp_path):
    package = samples.materialise(SAMPLES["full_trainer"].folder, tmp_path / "package")
    cifar10 = replace(registry.get(3), groups=tuple(g for g in registry.get(3).groups if g.key == "cifar10"))
    counts = {"cifar10_steps": 40, "cifar10_looks": 2}
    first, again = (evaluate(cifar10, package, seed=3, counts=counts) for _ in range(2))
    assert first.counts == again.counts == counts
    assert [found.value for found in first.measurements] == [found.value for found in again.measurements]
    assert [point for point, _ in first.measurements[2].evidence["curve"]] == [0, 320, 640]


def test_the_full_trainer_is_right_in_everything_and_learns_cifar10(tmp_path):
    result = assert_verdict(3, SAMPLES["full_trainer"], tmp_path)
    assert [found.key for found in result.measurements if found.passed is False] == []
    assert result.score == 100
    assert result.needs_human == ("Training Dynamics: reflection is marked by a person",)
