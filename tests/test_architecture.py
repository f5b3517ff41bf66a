"""Imports point inward. Read the table below as the rule; the test reads the import statements of every file."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parent.parent

#: Part of the project -> what nothing in it may import.
FORBIDDEN = {
    "milestones": ("django", "celery", "redis", "psycopg2", "grading", "assessment_site"),
    "grading/models": ("grading.access", "grading.policy", "grading.pipeline", "grading.views", "grading.tasks"),
    "grading/access.py": ("grading.pipeline", "grading.views", "grading.forms", "grading.analytics", "grading.tasks"),
    "grading/policy.py": ("grading.pipeline", "grading.views", "grading.forms", "grading.analytics", "grading.tasks"),
    "grading/pipeline": ("grading.views", "grading.forms", "grading.urls", "grading.tasks", "grading.analytics"),
    "grading/pipeline/results.py": (
        "grading.pipeline.scoring",
        "grading.pipeline.evaluation",
        "grading.pipeline.intake",
    ),
    "grading/pipeline/dispatch.py": (
        "grading.pipeline.scoring",
        "grading.pipeline.evaluation",
        "grading.pipeline.intake",
    ),
    "grading/analytics": ("grading.pipeline", "grading.views", "grading.forms", "grading.tasks"),
    "grading/views": ("grading.tasks", "celery", "milestones.evaluate", "milestones.sandbox"),
}
#: What trusted code never does: bytes that student code may have written would decide what runs.
DANGEROUS = ("pickle", "cPickle", "dill", "joblib", "marshal", "shelve")


def files_of(part: str) -> list[Path]:
    place = CHECKOUT / part
    # Samples are what students hand in: they import what students import.
    return [place] if place.is_file() else sorted(path for path in place.rglob("*.py") if "samples" not in path.parts)


def imports_of(file: Path) -> Iterator[tuple[int, str]]:
    """(line, module) of every import statement in ``file``, wherever it stands; ``from a import b`` gives ``a.b``."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def offending(file: Path, forbidden: tuple[str, ...]) -> list[str]:
    return [
        f"{file.relative_to(CHECKOUT)}:{line} imports {module}"
        for line, module in imports_of(file)
        if any(module == name or module.startswith(f"{name}.") for name in forbidden)
    ]


@pytest.mark.parametrize("part", FORBIDDEN)
def test_imports_point_inward(part):
    files = files_of(part)
    assert files, f"{part} is gone: change the table"
    assert [line for file in files for line in offending(file, FORBIDDEN[part])] == []


def test_trusted_code_unpickles_nothing():
    files = [file for part in ("assessment_site", "grading", "milestones") for file in files_of(part)]
    assert [line for file in files for line in offending(file, DANGEROUS)] == []


@pytest.mark.parametrize(
    "phrase", ["mark_safe(", "shell=True", "extractall(", "allow_pickle=True", "|safe", "autoescape off"]
)
def test_trusted_code_never_says(phrase):
    files = [file for part in ("assessment_site", "grading", "milestones") for file in files_of(part)]
    files += sorted((CHECKOUT / "templates").rglob("*.html"))
    assert [str(file.relative_to(CHECKOUT)) for file in files if phrase in code_of(file)] == []


def code_of(file: Path) -> str:
    """The file without what it only says: comments and docstrings may name what they forbid."""
    text = file.read_text(encoding="utf-8")
    return ast.unparse(_without_docstrings(ast.parse(text))) if file.suffix == ".py" else text


def _without_docstrings(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and ast.get_docstring(
            node
        ):
            node.body = node.body[1:] or [ast.Pass()]
    return tree


def test_modules_stay_short_enough_to_read():
    files = [file for part in ("assessment_site", "grading", "milestones") for file in files_of(part)]
    lengths = {str(file.relative_to(CHECKOUT)): len(file.read_text().splitlines()) for file in files}
    assert {name: length for name, length in lengths.items() if length >= 600 and "migrations" not in name} == {}
