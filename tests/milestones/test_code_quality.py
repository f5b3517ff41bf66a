"""What Radon and ``ast`` say about a package: dead code, repeated functions, docstrings, complexity, each with its place."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from milestones import registry
from milestones.contract import Evaluation, Status
from milestones.evaluate import evaluate
from tests.milestones.packages import write

pytestmark = pytest.mark.sandbox

TENSOR = '''"""Tensors."""
import numpy as np


class Tensor:
    """An array."""

    def __init__(self, data):
        self.data = np.asarray(data)
'''
PLAIN = '''

def scaled(values, factor):
    """Values times a factor, those below zero at zero."""
    result = []
    for value in values:
        if value > 0:
            result.append(value * factor)
        else:
            result.append(0)
    return result
'''
# Another name, other variables, no docstring: the same function.
TWIN = """

def multiplied(numbers, by):
    out = []
    for number in numbers:
        if number > 0:
            out.append(number * by)
        else:
            out.append(0)
    return out
"""
# One sign differs: another function.
NO_TWIN = TWIN.replace("multiplied", "divided").replace("number * by", "number / by")
DEAD = '''

def early(x):
    """Returns at once."""
    return x
    x = x + 1
    return x


def solved(x):
    """As an exercise leaves it."""
    return x
    raise NotImplementedError("Student implementation required")


def _unused():
    return 1


def _used():
    return 2


VALUE = _used()
'''
TANGLED = "\n\ndef tangled(x):\n    '''Many branches.'''\n" + "".join(
    f"    if x == {number}:\n        return {number}\n" for number in range(12)
)


def judged(folder: Path, **texts: str) -> Evaluation:
    """The package of Tensor and these modules, its code quality alone."""
    whole = registry.get(1)
    milestone = dataclasses.replace(whole, groups=tuple(g for g in whole.groups if g.key == "code_quality"))
    files = {"tinytorch/core/tensor.py": TENSOR} | {f"tinytorch/core/{name}.py": text for name, text in texts.items()}
    return evaluate(milestone, write(files, folder), seed=1)


def findings(evaluation: Evaluation, *kinds: str) -> list[list[object]]:
    """The rows of the table of findings that are of these kinds."""
    rows = [row for exhibit in evaluation.exhibits if exhibit.key == "code_findings" for row in exhibit.data["rows"]]
    return [row for row in rows if row[2] in kinds]


def value_of(evaluation: Evaluation, key: str) -> float | None:
    return next(measurement.value for measurement in evaluation.measurements if measurement.key == key)


def test_a_renamed_twin_is_found_with_its_original_and_a_like_function_is_none(tmp_path):
    evaluation = judged(tmp_path / "u", a='"""A."""' + PLAIN, b='"""B."""' + TWIN + NO_TWIN)
    assert findings(evaluation, "duplicate") == [
        ["tinytorch/core/b.py", 3, "duplicate", "`multiplied` repeats tinytorch/core/a.py:3 `scaled`"]
    ]
    assert value_of(evaluation, "code_duplication") < 1
    assert [row[3] for row in findings(evaluation, "docstring")] == [
        "`multiplied` has no docstring",
        "`divided` has no docstring",
    ]


def test_code_that_nothing_reaches_is_found_and_a_private_helper_that_is_used_is_not(tmp_path):
    evaluation = judged(tmp_path / "u", a='"""A."""' + DEAD)
    assert findings(evaluation, "dead code") == [
        ["tinytorch/core/a.py", 6, "dead code", "never reached: it follows a `return`"],
        ["tinytorch/core/a.py", 16, "dead code", "`_unused` is used nowhere"],
    ]
    assert value_of(evaluation, "code_dead") < 1


def test_a_tangled_function_is_named_with_its_branches(tmp_path):
    evaluation = judged(tmp_path / "u", a='"""A."""' + TANGLED)
    assert findings(evaluation, "complexity") == [["tinytorch/core/a.py", 3, "complexity", "`tangled` has 13 branches"]]


def test_tidy_code_keeps_all_its_points_and_every_file_is_in_the_table(tmp_path):
    evaluation = judged(tmp_path / "u", a='"""A."""' + PLAIN)
    assert {measurement.status for measurement in evaluation.measurements} == {Status.PASSED}
    (files,) = [exhibit for exhibit in evaluation.exhibits if exhibit.key == "code_files"]
    assert [(row[0], row[2]) for row in files.data["rows"]] == [
        ("tinytorch/core/a.py", 1),
        ("tinytorch/core/tensor.py", 1),
    ]
    assert not [exhibit for exhibit in evaluation.exhibits if exhibit.key == "code_findings"]


def test_a_file_that_is_no_python_is_named_and_the_others_are_judged(tmp_path):
    evaluation = judged(tmp_path / "u", a='"""A."""' + PLAIN, broken="def f(:\n")
    (files,) = [exhibit for exhibit in evaluation.exhibits if exhibit.key == "code_files"]
    reasons = {row[0]: row[5] for row in files.data["rows"]}
    assert reasons["tinytorch/core/broken.py"].startswith("SyntaxError: ")
    assert value_of(evaluation, "code_docstrings") == 1.0
    assert value_of(evaluation, "code_errors") < 1.0


def test_where_no_file_is_python_nothing_is_given_for_its_structure(tmp_path):
    whole = registry.get(1)
    milestone = dataclasses.replace(whole, groups=tuple(g for g in whole.groups if g.key == "code_quality"))
    evaluation = evaluate(milestone, write({"tinytorch/core/tensor.py": "class Tensor(:\n"}, tmp_path / "u"), seed=1)
    assert {m.key: m.status for m in evaluation.measurements if m.key != "code_errors"} == dict.fromkeys(
        ("code_docstrings", "code_complexity", "code_maintainability", "code_dead", "code_duplication"), Status.NOT_RUN
    )


def test_without_a_sandbox_the_same_is_found(tmp_path):
    whole = registry.get(1)
    milestone = dataclasses.replace(whole, groups=tuple(g for g in whole.groups if g.key == "code_quality"))
    folder = write({"tinytorch/core/tensor.py": TENSOR + DEAD + TANGLED + TWIN + PLAIN}, tmp_path / "u")
    confined, bare = (evaluate(milestone, folder, seed=1, bare=bare) for bare in (False, True))
    assert confined.measurements == bare.measurements
    assert confined.exhibits == bare.exhibits
