"""Milestone 5: each known mistake is named by its sample, correct packages of every manner get their points, and nothing that
the sandboxed side says is believed where the grader can compute it."""

from dataclasses import replace

import pytest

from milestones import registry
from milestones.catalog import samples
from milestones.contract import Status
from milestones.evaluate import evaluate
from tests.milestones.verdicts import SEED, assert_verdict, causes, samples_of

pytestmark = pytest.mark.sandbox

MILESTONE = registry.get(5)
SAMPLES = samples_of(5)
# Whole trainings are costly: the slow one gets a tenth of its time in a test of its own.
MISTAKES = [sample for sample in SAMPLES if sample.expected.groups and sample.name != "slow_attention"]


@pytest.mark.parametrize("sample", MISTAKES, ids=lambda sample: sample.name)
def test_a_mistake_is_named_and_nothing_else(sample, tmp_path):
    assert_verdict(5, sample, tmp_path)


def test_a_gpt_that_attends_learns_a_language_and_writes_what_can_be_read(tmp_path):
    result = assert_verdict(5, named("character_gpt"), tmp_path)
    assert result.score > 95
    assert {exhibit.kind for exhibit in result.exhibits} == {"curve", "text", "table"}
    assert result.resources.cpu_seconds < 120


def test_a_gpt_that_is_too_narrow_falls_just_below_the_mark(tmp_path):
    result = assert_verdict(5, named("narrow_gpt"), tmp_path)
    measured = {measurement.key: measurement for measurement in result.measurements}
    assert 0.4 < measured["readable_text"].value < 0.7
    assert measured["learns"].passed
    assert result.score > 80


def test_a_slow_gpt_gets_its_reason_and_what_it_reached(tmp_path):
    sample = named("slow_attention")
    only_text = replace(MILESTONE, groups=tuple(group for group in MILESTONE.groups if group.key == "text"))
    folder = samples.materialise(sample.folder, tmp_path / "slow")
    result = evaluate(only_text, folder, seed=SEED, time_factor=0.15)
    assert causes(result) == set(sample.expected.diagnoses)
    measured = {measurement.key: measurement for measurement in result.measurements}
    assert measured["learns"].evidence["seconds_per_step"] > 0.1
    assert "CPU seconds, so only" in measured["uses_context"].message
    assert measured["uses_context"].status is Status.TIMED_OUT


def named(name):
    return next(sample for sample in SAMPLES if sample.name == name)
