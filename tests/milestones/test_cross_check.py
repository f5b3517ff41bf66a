"""``make cross-check`` compares the reference with PyTorch, which the ordinary suite does not have. Here: that it is complete."""

import importlib
import pkgutil

from milestones import reference
from tests.cross_check.__main__ import LIMIT, relative_difference
from tests.cross_check.comparisons import COMPARED, MODULES, NOT_COMPARED, public_functions


def test_every_module_of_the_reference_is_looked_at():
    there = {f"{reference.__name__}.{found.name}" for found in pkgutil.iter_modules(reference.__path__)}
    assert {module.__name__ for module in MODULES} == there
    assert all(importlib.import_module(name) in MODULES for name in there)


def test_every_reference_function_is_compared_with_pytorch_or_says_why_not():
    assert public_functions() == COMPARED.keys() | NOT_COMPARED.keys()
    assert COMPARED.keys() & NOT_COMPARED.keys() == set()


def test_a_difference_is_seen():
    assert relative_difference([1.0, 2.0], [1.0, 2.0]) == 0
    assert relative_difference([1.0, 2.00001], [1.0, 2.0]) > LIMIT
    assert relative_difference([1.0], [1.0, 2.0]) == float("inf")
    assert relative_difference([float("nan")], [1.0]) == float("inf")
