"""What trusted code and templates never do, whoever writes them next."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
# What runs inside the sandbox beside the student's code is not trusted; samples and notebooks are data.
TRUSTED = [
    path
    for folder in ("milestones", "grading", "assessment_site")
    for path in sorted((CHECKOUT / folder).rglob("*.py"))
    if "samples" not in path.parts
]
FORBIDDEN_MODULES = {"pickle", "dill", "joblib", "shelve", "marshal", "cloudpickle"}
#: Parsers of Python, whom a hostile text can make exhaust the stack or the memory: for the inspector in its sandbox, for what
#: runs beside the student's code, and for kits, which read our own scripts.
PARSERS = {"ast", "symtable", "tokenize", "radon"}
MAY_PARSE = {"milestones/sandbox/inspector.py", "milestones/kits/contents.py"}
FORBIDDEN_CALLS = {"eval", "exec", "extractall", "mark_safe", "system", "popen", "getoutput"}
TEMPLATES = sorted((CHECKOUT / "templates").rglob("*.html"))
SCRIPTS = sorted((CHECKOUT / "static" / "js").rglob("*.js"))


def _name(path: Path) -> str:
    return str(path.relative_to(CHECKOUT))


@pytest.mark.parametrize("path", TRUSTED, ids=_name)
def test_trusted_code_unpickles_nothing_and_starts_no_shell(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            assert not {alias.name.split(".")[0] for alias in node.names} & FORBIDDEN_MODULES
        if isinstance(node, ast.ImportFrom):
            assert (node.module or "").split(".")[0] not in FORBIDDEN_MODULES
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            assert called not in FORBIDDEN_CALLS, f"line {node.lineno}"
            for keyword in node.keywords:
                given = getattr(keyword.value, "value", None)
                assert (keyword.arg, given) not in (("shell", True), ("allow_pickle", True)), f"line {node.lineno}"


@pytest.mark.parametrize("path", TRUSTED, ids=_name)
def test_trusted_code_parses_no_students_python(path: Path) -> None:
    if _name(path) in MAY_PARSE or "student" in path.parts:
        return
    for node in ast.walk(ast.parse(path.read_text())):
        modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        modules += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        assert not {module.split(".")[0] for module in modules} & PARSERS, f"line {node.lineno}"


@pytest.mark.parametrize("path", TEMPLATES, ids=_name)
def test_templates_escape_everything(path: Path) -> None:
    text = path.read_text()
    assert not re.search(r"\|\s*(safe|safeseq)\b|autoescape\s+off", text)


@pytest.mark.parametrize("path", SCRIPTS, ids=_name)
def test_scripts_put_texts_into_pages_as_texts(path: Path) -> None:
    assert not re.search(
        r"\b(innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval|new Function)\b", path.read_text()
    )
