"""Static analysis without a sandbox, for benchmarks and for a student's own machine: it executes none of their code."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from milestones.contract import OurTrouble
from milestones.sandbox.answers import StudentTimedOut
from milestones.sandbox.limits import SandboxLimits, Usage
from milestones.sandbox.protocol import clean_text
from milestones.sandbox.tools import INSPECTOR, MAX_OUTPUT_BYTES, ToolResult


class ToolIsMissing(Exception):
    """The tool is not installed on this machine; the message says how to get it."""


def _ruff() -> str:
    """Ruff of this environment, or of the machine."""
    try:
        from ruff import find_ruff_bin

        return find_ruff_bin()
    except (ImportError, FileNotFoundError):
        pass
    found = shutil.which("ruff")
    if found is None:
        raise ToolIsMissing(
            "Ruff is not installed on this machine, and this is measured with it (pip install ruff radon)"
        )
    return found


def _inspector(arguments: Sequence[str]) -> list[str]:
    if not arguments and importlib.util.find_spec("radon") is None:
        raise ToolIsMissing(
            "Radon is not installed on this machine, and this is measured with it (pip install ruff radon)"
        )
    return [sys.executable, "-P", "-X", "utf8", str(INSPECTOR)]


def run_bare_tool(
    program: Sequence[str], submission: Path, *, limits: SandboxLimits, stdin: bytes | None = None
) -> ToolResult:
    """Run the environment's own Ruff, or our inspector, as a plain process; answers like ``tools.run_tool``.

    Raises ToolIsMissing.
    """
    name, *arguments = program
    command = [_ruff()] if name == "ruff" else _inspector(arguments)
    started = time.monotonic()
    before = os.times()
    try:
        ended = subprocess.run(
            [*command, *arguments],
            cwd=submission,
            input=b"" if stdin is None else stdin,
            capture_output=True,
            timeout=limits.wall,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise StudentTimedOut(limits.cpu_seconds, limits.wall, sleeper=False) from None
    except OSError as error:
        raise OurTrouble(f"{name.capitalize()} does not start: {error.strerror}.") from None
    after = os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    texts = [clean_text(data[:MAX_OUTPUT_BYTES].decode("utf-8", "replace")) for data in (ended.stdout, ended.stderr)]
    usage = Usage(cpu_seconds=used, wall_seconds=time.monotonic() - started, limits="not sandboxed")
    return ToolResult(ended.returncode, *texts, usage=usage)
