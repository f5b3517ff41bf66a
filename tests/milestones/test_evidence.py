"""Evidence for people: the tables and maps that the checks of milestone 1 leave beside their measurements."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from milestones import registry
from milestones.__main__ import report
from milestones.catalog.samples import materialise
from milestones.contract import Evaluation
from milestones.evaluate import evaluate

pytestmark = pytest.mark.sandbox


def shown(folder: Path, *groups: str) -> tuple[dict[str, object], Evaluation]:
    """The data of each exhibit of milestone 1 by its key, from these groups."""
    whole = registry.get(1)
    milestone = dataclasses.replace(whole, groups=tuple(group for group in whole.groups if group.key in groups))
    result = evaluate(milestone, folder, seed=3)
    return {exhibit.key: exhibit.data for exhibit in result.exhibits}, result


def of_sample(name: str, tmp_path: Path) -> Path:
    return materialise(registry.get(1).folder / "samples" / name, tmp_path / name)


def test_the_parameters_of_the_model_are_listed_by_layer_and_printed(tmp_path):
    exhibits, result = shown(of_sample("full_autograd", tmp_path), "architecture")
    assert exhibits["model_parameters"]["rows"] == [
        ["Linear", "784 × 64", 50_176],
        ["Linear", "64", 64],
        ["Linear", "64 × 10", 640],
        ["Linear", "10", 10],
        ["all", "", 50_890],
    ]
    assert "  Linear  784 × 64  50176\n" in report(result)


def test_a_wrong_gradient_has_a_map_of_where_it_is_wrong_and_a_right_one_has_none(tmp_path):
    exhibits, _ = shown(of_sample("unsummed_bias_gradient", tmp_path), "mathematics")
    error = exhibits["dense_gradient_error"]
    assert error["y_labels"] == [*(f"weight, input {index}" for index in range(6)), "bias"]
    assert all(value < 1e-6 for row in error["values"][:6] for value in row)
    assert error["values"][6] == [None] * 6  # of another shape: nothing to compare
    assert "dense_gradient_error" not in shown(of_sample("full_autograd", tmp_path), "mathematics")[0]
