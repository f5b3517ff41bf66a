"""The catalogue states itself soundly, and an unsound milestone is refused."""

import math
import shutil
import tomllib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milestones import registry

FOLDER = registry.CATALOG / "basic_inference"


def test_a_milestone_is_found_by_number_and_by_slug():
    assert registry.get(1) is registry.get("1") is registry.get("basic-inference") is registry.get("basic_inference")


def test_an_unknown_milestone_names_those_there_are():
    with pytest.raises(KeyError, match="There is no milestone “9”; there are: 1 basic-inference"):
        registry.get(9)


def test_every_measurement_of_a_rubric_is_made_by_a_check_or_listed_with_one():
    # One check may answer several measurements; those are its own key and these.
    also_made = {"code_errors", "code_docstrings", "code_complexity"}
    for milestone in registry.catalog():
        checks = [check for group in milestone.groups for check in group.checks]
        made = {key for check in checks for key in (check.key, *check.also)} | also_made
        wanted = {key for criterion in milestone.rubric.criteria for key in criterion.measurements}
        assert wanted <= made
        assert milestone.rubric.benchmark.measurement in made


@pytest.fixture
def copied(tmp_path):
    shutil.copytree(FOLDER, tmp_path / "one", ignore=shutil.ignore_patterns("samples", "__pycache__"))
    return tmp_path


def change(folder, old, new):
    path = folder / "one" / "rubric.toml"
    path.write_text(path.read_text().replace(old, new))


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("percent = 40", "percent = 41", "add up to 101 percent"),
        ('slug = "basic-inference"', 'slug = "Basic Inference"', "lower-case words"),
        ('measure = "anchors"', 'measure = "guess"', "measure must be one of"),
        ("[0.10, 0.0], [0.70", "[0.80, 0.0], [0.70", "rising anchors"),
        ('key = "code_quality"', 'key = "mnist_performance"', "same key"),
    ],
)
def test_an_unsound_rubric_is_refused_with_its_reason(copied, old, new, complaint):
    change(copied, old, new)
    with pytest.raises(registry.InvalidMilestone, match=complaint):
        registry.catalog(copied)


def test_two_milestones_with_one_number_are_refused(copied):
    shutil.copytree(copied / "one", copied / "two")
    with pytest.raises(registry.InvalidMilestone, match="number 1"):
        registry.catalog(copied)


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


@pytest.mark.parametrize("milestone", registry.catalog(), ids=lambda milestone: milestone.rubric.slug)
def test_a_rubric_that_is_written_reads_as_the_same(milestone):
    text = registry.rubric_text(milestone.rubric)
    assert registry.read_rubric(tomllib.loads(text)) == milestone.rubric


@given(TEXTS, TEXTS, st.floats(0.01, 1))
def test_a_rubric_that_is_written_keeps_whatever_people_type(title, text, mark):
    shipped = registry.get(2).rubric
    typed = replace(
        shipped, title=title, texts={"how_it_works": text, "deliverables": [text]},
        benchmark=replace(shipped.benchmark, mark=mark),
    )  # fmt: skip
    assert registry.read_rubric(tomllib.loads(registry.rubric_text(typed))) == typed


@pytest.mark.parametrize(
    ("anchors", "sound"),
    [
        ([[0.1, 0], [0.2, 1]], True),
        ([[0.1, 0.4], [0.2, 0.4]], True),
        ([[0.1, 0]], False),
        ([[0.2, 0], [0.1, 1]], False),
        ([[0.1, 0], [0.1, 1]], False),
        ([[0.1, 1], [0.2, 0]], False),
        ([[0.1, 0], [0.2, 1.1]], False),
        ([[0.1, 0], [math.nan, 1]], False),
    ],
)
def test_anchors_rise(anchors, sound):
    stated = tomllib.loads((FOLDER / "rubric.toml").read_text())
    (table,) = [table for table in stated["criteria"] if table["measure"] == "anchors"]
    table["anchors"] = anchors
    if sound:
        registry.read_rubric(stated)
        return
    with pytest.raises(ValueError, match="rising anchors"):
        registry.read_rubric(stated)
