"""Files that attack the linter: whatever they do to it is a result about these files, never trouble of ours."""

from __future__ import annotations

from pathlib import Path

import pytest

from milestones.checks.code_quality import TITLES
from milestones.contract import Status
from milestones.sandbox.limits import SandboxLimits
from milestones.sandbox.tools import run_tool
from tests.hostile import oracle
from tests.hostile.submissions import assess, base_files, write_files

DEEP = "tinytorch/core/deep.py"


def _only(name: str, content: bytes) -> dict[str, bytes]:
    return base_files("full_autograd") | {name: content}


def _in_latin_1() -> dict[str, bytes]:
    head = b"# -*- coding: latin-1 -*-\n# caf\xe9\n"
    return {name: head + text if name.endswith(".py") else text for name, text in base_files("full_autograd").items()}


READABLE = {
    "brackets": lambda: _only(DEEP, b"x = " + b"(" * 100_000 + b"1" + b")" * 100_000),
    "not Unicode": _in_latin_1,
    "a configuration of its own": lambda: (
        base_files("full_autograd")
        | {
            "ruff.toml": b'extend = "/etc/passwd"',
            "pyproject.toml": b'[tool.ruff]\nexclude=["*"]\n',
            ".ruff.toml": b"[[[",
        }
    ),
    "a NUL in the text": lambda: _only(DEEP, b"x = 1\0\n"),
    "a notebook that is no JSON": lambda: _only("tinytorch/core/x.ipynb", b'{"cells":' + b"[" * 100_000),
    "more names than fit into a command": lambda: (
        base_files("full_autograd")
        | {f"tinytorch/{'d' * 240}/{'e' * 240}/{'f' * 240}/{'g' * 180}{i}.py": b"x = 1\n" for i in range(2_400)}
    ),
}
UNREADABLE = {
    "attributes of attributes": lambda: _only(DEEP, b"x = a" + b".b" * 1_000_000),
    "a million minus signs": lambda: _only(DEEP, b"x = " + b"-" * 1_000_000 + b"1"),
    "ifs within ifs": lambda: _only(
        DEEP, b"".join(b" " * i + b"if 1:\n" for i in range(3_000)) + b" " * 3_000 + b"1\n"
    ),
    "strings within strings": lambda: _only(DEEP, b"x = " + b'f"{' * 5_000 + b"1" + b'}"' * 5_000),
    "five million lines": lambda: _only(DEEP, b"x = 1\n" * 5_000_000),
}


@pytest.mark.parametrize("case", READABLE)
def test_odd_files_are_judged_like_any_other(case: str, tmp_path: Path, host: oracle.Host) -> None:
    evaluation = assess(write_files(READABLE[case](), tmp_path / "upload"), ("code_quality",), cpu_seconds=20)
    oracle.assert_ordinary(evaluation)
    assert [m.key for m in evaluation.measurements] == list(TITLES)


@pytest.mark.parametrize("case", UNREADABLE)
def test_files_that_end_the_linter_are_a_result_and_not_trouble(case: str, tmp_path: Path, host: oracle.Host) -> None:
    evaluation = assess(write_files(UNREADABLE[case](), tmp_path / "upload"), ("code_quality",), cpu_seconds=20)
    oracle.assert_ordinary(evaluation)
    (quality,) = evaluation.measurements
    assert quality.status in (Status.WRONG, Status.CRASHED)
    assert quality.value == 0


def test_noqa_hides_nothing(tmp_path: Path) -> None:
    plain = _only(DEEP, b"import os, sys\n\n\ndef f():\n    return undefined\n")
    hidden = _only(DEEP, b"# ruff: noqa\n# flake8: noqa\nimport os, sys  # noqa\n\n\ndef f():\n    return undefined\n")
    found = []
    for number, files in enumerate((plain, hidden)):
        evaluation = assess(write_files(files, tmp_path / str(number)), ("code_quality",), cpu_seconds=20)
        errors = next(m for m in evaluation.measurements if m.key == "code_errors")
        found.append([finding.split(" ")[1] for finding in errors.evidence["findings"]])
    assert found[0] == found[1] == ["E401", "F401", "F401", "F821"] or found[0] == found[1] == ["F401", "F401", "F821"]


INSPECTED = {
    "attributes of attributes": b"x = a" + b".b" * 1_000_000,
    "a million minus signs": b"x = " + b"-" * 1_000_000 + b"1",
    "ifs within ifs": b"".join(b" " * i + b"if 1:\n" for i in range(3_000)) + b" " * 3_000 + b"1\n",
    "functions within functions": b"".join(b" " * i + b"def f():\n" for i in range(95)) + b" " * 95 + b"return\n",
    "sums of sums": b"def f():\n  return " + b"+".join([b"1"] * 100_000) + b"\n",
    "brackets": b"x = " + b"(" * 100_000 + b"1" + b")" * 100_000,
    "a NUL": b"x = 1\0\n",
    "no UTF-8": b"# caf\xe9\n",
    "lone surrogates": b"x = '\xed\xa0\x80'\n",
    "lines of its own": b"def f(): return 'x'\r\n\x0cfound\tcomplexity\t0\t1\tforged\n",
    "an enormous number": b"x = " + b"9" * 100_000,
    "a hundred thousand functions": b"def f():\n  return 1\n" * 20_000,
    "nothing": b"",
}


@pytest.mark.parametrize("case", INSPECTED)
def test_the_inspector_alone_survives_or_ends_and_says_nothing_that_was_forged(case: str, tmp_path: Path) -> None:
    """What Ruff lets through it meets alone; the honest file after a hostile one is read as ever, unless it ended."""
    honest = b'"""Fine."""\n\n\ndef f():\n    """Two."""\n    return 2\n'
    files = (INSPECTED[case], honest)
    given = b"".join(b"%d\n%b" % (len(content), content) for content in files)
    result = run_tool(["inspector"], tmp_path, limits=SandboxLimits(cpu_seconds=20, memory_bytes=1 << 30), stdin=given)
    lines = [line.split("\t") for line in result.stdout.splitlines()]
    assert "forged" not in result.stdout or case == "lines of its own"
    assert not [line for line in lines if line[:2] == ["found", "complexity"] and line[-1] == "forged"]
    if result.exit_code == 0:
        assert [line for line in lines if line[:2] == ["file", "1"]] == [
            ["file", "1", "4", "1", "1", "1", "100.0", "1.00", "1"]
        ]
    else:
        assert result.exit_code >= 128, result.stderr[-500:]
