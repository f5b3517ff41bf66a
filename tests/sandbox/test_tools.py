"""Trusted tools over hostile files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from milestones.contract import OurTrouble
from milestones.sandbox.limits import MEGABYTE, SandboxLimits
from milestones.sandbox.session import StudentCrashed, StudentOutOfMemory, StudentTimedOut
from milestones.sandbox.tools import MAX_OUTPUT_BYTES, run_tool

LIMITS = SandboxLimits(cpu_seconds=10, memory_bytes=512 * MEGABYTE)


def test_ruff_reads_the_students_files_and_nothing_else(alices_files: Path) -> None:
    (alices_files / "broken.py").write_text("def f(:\n")
    (alices_files / "unused.py").write_text("import os\n")
    result = run_tool(
        ["ruff", "check", "--isolated", "--output-format=json", "/submission"], alices_files, limits=LIMITS
    )
    assert result.exit_code == 1
    found = {(Path(entry["filename"]).name, entry["code"]) for entry in json.loads(result.stdout)}
    assert {("unused.py", "F401"), ("broken.py", "invalid-syntax")} <= found
    assert result.usage.limits
    assert not (alices_files / ".ruff_cache").exists()


def test_a_tool_is_given_its_input_and_its_two_outputs_stay_apart(alices_files: Path) -> None:
    program = "import sys; print(sys.stdin.read().upper()); print('\\x1b[31mred', file=sys.stderr); sys.exit(3)"
    result = run_tool(["python", "-c", program], alices_files, limits=LIMITS, stdin="größer")
    assert (result.exit_code, result.stdout, result.stderr) == (3, "GRÖSSER\n", "red\n")
    assert not result.truncated


def test_long_output_is_cut_and_says_so(alices_files: Path) -> None:
    result = run_tool(["python", "-c", "print('x' * 6_000_000)"], alices_files, limits=LIMITS)
    assert result.truncated
    assert len(result.stdout) == MAX_OUTPUT_BYTES


@pytest.mark.parametrize(
    ("program", "failure"),
    [
        ("while True: pass", StudentTimedOut),
        ("held = []\nwhile True: held.append(bytearray(b'1') * 50_000_000)", StudentOutOfMemory),
        ("while True: print('flood' * 1000)", StudentCrashed),
    ],
)
def test_files_that_are_too_much_for_a_tool_are_the_students_result(
    alices_files: Path, program: str, failure: type[Exception]
) -> None:
    # Wall time for a busy machine: the limits that are tried here are the other ones.
    limits = SandboxLimits(cpu_seconds=0.7, memory_bytes=128 * MEGABYTE, output_bytes=8_000_000, wall_seconds=60)
    with pytest.raises(failure):
        run_tool(["python", "-c", program], alices_files, limits=limits)


def test_a_tool_that_is_not_there_is_our_trouble(alices_files: Path) -> None:
    with pytest.raises(OurTrouble, match="did not start"):
        run_tool(["/usr/bin/no-such-tool"], alices_files, limits=LIMITS)
