"""The catalogue of known mistakes as a whole: every one is shown by a sample of ours, and none is a guess."""

from collections import Counter

from milestones import registry
from milestones.catalog.samples import list_samples
from milestones.diagnosis import CAUSES

SAMPLES = [sample for milestone in registry.catalog() for sample in list_samples(milestone.folder)]
CODES = [cause.code for cause in CAUSES]


def test_every_known_mistake_has_a_sample_that_makes_it_and_nothing_else():
    shown = {sample.expected.diagnoses[0] for sample in SAMPLES if len(sample.expected.diagnoses) == 1}
    assert [cause.code for cause in CAUSES if not cause.symptom and cause.code not in shown] == []


def test_no_sample_expects_a_diagnosis_that_does_not_exist():
    known = {*CODES, "no_python_package"}
    assert [(sample.name, code) for sample in SAMPLES for code in sample.expected.diagnoses if code not in known] == []


def test_every_milestone_has_a_sample_without_a_mistake():
    for milestone in registry.catalog():
        assert any(not sample.expected.diagnoses for sample in list_samples(milestone.folder)), milestone.rubric.slug


def test_every_mistake_has_its_own_code_and_an_advice():
    assert [code for code, count in Counter(CODES).items() if count > 1] == []
    assert [cause.code for cause in CAUSES if not cause.advice.endswith((".", "?"))] == []
