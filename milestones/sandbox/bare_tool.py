"""Static analysis without a sandbox, for benchmarks and for a student's own machine: it executes none of their code."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from ruff import find_ruff_bin

from milestones.contract import OurTrouble
from milestones.sandbox.answers import StudentTimedOut
from milestones.sandbox.limits import SandboxLimits, Usage
from milestones.sandbox.protocol import clean_text
from milestones.sandbox.tools import MAX_OUTPUT_BYTES, ToolResult


def run_bare_ruff(arguments: Sequence[str], submission: Path, *, limits: SandboxLimits) -> ToolResult:
    """Run the environment's own Ruff in ``submission`` as a plain process; answers like ``tools.run_tool``."""
    started = time.monotonic()
    before = os.times()
    try:
        ended = subprocess.run(
            [find_ruff_bin(), *arguments], cwd=submission, capture_output=True, timeout=limits.wall, check=False
        )
    except subprocess.TimeoutExpired:
        raise StudentTimedOut(limits.cpu_seconds, limits.wall, sleeper=False) from None
    except OSError as error:
        raise OurTrouble(f"Ruff does not start: {error.strerror}.") from None
    after = os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    texts = [clean_text(data[:MAX_OUTPUT_BYTES].decode("utf-8", "replace")) for data in (ended.stdout, ended.stderr)]
    usage = Usage(cpu_seconds=used, wall_seconds=time.monotonic() - started, limits="not sandboxed")
    return ToolResult(ended.returncode, *texts, usage=usage)
