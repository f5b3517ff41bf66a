"""The oracle itself: it sees what it is there to see."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from milestones.evaluate import evaluate
from tests.hostile import oracle
from tests.hostile.conftest import HonestResult
from tests.hostile.submissions import COUNTS, SEED, base_files, datasets, reduced, write_files
from tests.hostile.verdicts import MATHEMATICS, UNHARMED, Verdict

LOOKS_OUT = (
    b'"""Looks for the host."""\nimport os\nprint("ATTEMPTED", "ESCAPED" if os.path.exists("/home") else "HELD")\n'
)
VERDICT = Verdict(ends=(UNHARMED,))


def test_an_escape_is_seen_where_there_is_no_sandbox(tmp_path: Path, honest_result: HonestResult) -> None:
    files = base_files("stub_layers") | {"tinytorch/core/looks_out.py": LOOKS_OUT}
    folder = write_files(files, tmp_path / "upload")
    milestone, honest = reduced(MATHEMATICS, cpu_seconds=5), honest_result("stub_layers", MATHEMATICS)
    inside, bare = (
        evaluate(milestone, folder, seed=SEED, datasets=datasets(), counts=COUNTS, bare=bare) for bare in (False, True)
    )
    oracle.assert_ended(inside, honest, VERDICT)
    with pytest.raises(AssertionError, match="ESCAPED"):
        oracle.assert_ended(bare, honest, VERDICT)


def test_a_gain_is_seen(honest_result: HonestResult) -> None:
    whole, broken = (honest_result(base, MATHEMATICS) for base in ("full_autograd", "stub_layers"))
    oracle.assert_no_gain(broken, whole, VERDICT)
    with pytest.raises(AssertionError, match="mathematical_correctness"):
        oracle.assert_no_gain(whole, broken, VERDICT)


def test_a_changed_canary_a_child_and_a_left_folder_are_seen(host: oracle.Host) -> None:
    canary = host.canaries[0]
    state, before = canary.stat(), canary.read_bytes()
    canary.write_bytes(b"touched")
    with pytest.raises(AssertionError):
        oracle.assert_host_unchanged(host)
    canary.write_bytes(before)
    os.utime(canary, ns=(state.st_atime_ns, state.st_mtime_ns))
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        with pytest.raises(AssertionError):
            oracle.assert_host_unchanged(host)
        child.kill()
    left = canary.parent / "tinytorch-sandbox-left"
    left.mkdir()
    with pytest.raises(AssertionError, match="left"):
        oracle.assert_host_unchanged(host)
    left.rmdir()
