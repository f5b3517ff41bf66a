"""Two programs that know of each other: what one can tell the other, and what one can do to the other."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from milestones.sandbox import pool
from milestones.sandbox.limits import MEGABYTE, SandboxLimits
from milestones.sandbox.protocol import array_to_text, text_to_array
from milestones.sandbox.session import Expected, Sandbox, StudentSide
from tests.hostile import oracle

INSIDE = Path(__file__).resolve().parents[1] / "sandbox" / "inside.py"
RUN = 2
LIMITS = SandboxLimits(cpu_seconds=10, memory_bytes=256 * MEGABYTE)


@pytest.fixture
def files(tmp_path: Path) -> Path:
    folder = tmp_path / "same"
    folder.mkdir()
    (folder / "tensor.py").write_text("class Tensor: pass\n")
    return folder


def _run(sandbox: Sandbox, source: str) -> str:
    (text,) = sandbox.ask(RUN, [text_to_array(source)], expect=[Expected(np.uint8, (None,), 1 << 20)])
    return array_to_text(text, 1 << 20)


LEAVE = """
import os, socket
answer = []
for folder, _folders, _files in os.walk("/"):
    if not folder.startswith("/proc"):
        try:
            open(folder + "/meeting-point", "w").write("answers")
            answer.append(folder)
        except OSError:
            pass
kept = socket.socket(socket.AF_UNIX)
kept.bind("\\0tinytorch-hostile-meeting-point")
kept.listen()
__import__("sys").modules["__main__"].__dict__["kept"] = kept
"""
LOOK = """
import os, socket
answer = [folder for folder, _f, names in os.walk("/") if not folder.startswith("/proc") and "meeting-point" in names]
try:
    socket.socket(socket.AF_UNIX).connect("\\0tinytorch-hostile-meeting-point")
    answer.append("an abstract socket")
except OSError:
    pass
answer += [pid for pid in os.listdir("/proc") if pid.isdecimal() and int(pid) > 1 and int(pid) != os.getpid()]
"""


def test_neither_files_nor_sockets_nor_processes_of_one_are_seen_by_the_other(files: Path, host: oracle.Host) -> None:
    with Sandbox(files, limits=LIMITS, harness=INSIDE) as one, Sandbox(files, limits=LIMITS, harness=INSIDE) as other:
        left = _run(one, LEAVE)
        assert "/tmp" in left
        assert "submission" not in left
        assert _run(other, LOOK) == "[]"
    with Sandbox(files, limits=LIMITS, harness=INSIDE) as later:
        assert _run(later, LOOK) == "[]"


def test_two_that_run_at_once_are_two_users_of_the_host(files: Path, host: oracle.Host) -> None:
    with Sandbox(files, limits=LIMITS, harness=INSIDE) as one, Sandbox(files, limits=LIMITS, harness=INSIDE) as other:
        users = {
            uid
            for uid in range(pool.FIRST_UID, pool.FIRST_UID + pool.POOL_SIZE)
            if {one.process_id, other.process_id} & set(pool.processes_of(uid))
        }
        assert len(users) == 2


def test_one_cannot_end_slow_down_or_starve_the_other_of_memory(files: Path, host: oracle.Host) -> None:
    attack = """
import os, signal
for _ in range(20):
    if os.fork() == 0:
        kept = []
        for pid in range(2, 70000):
            try:
                os.kill(pid, signal.SIGKILL) if pid != os.getpid() else None
            except OSError:
                pass
        while True:
            kept.append(bytearray(os.urandom(1 << 20)))
while True:
    pass
"""
    with Sandbox(files, limits=LIMITS, harness=INSIDE) as other:
        _run(other, "kept = bytearray(100 << 20); answer = ''")
        with Sandbox(files, limits=LIMITS, harness=INSIDE) as one, pytest.raises(StudentSide):
            _run(one, attack)
        started = time.monotonic()
        assert _run(other, "answer = sum(range(1000))") == "499500"
        assert time.monotonic() - started < 2
        assert other.alive


def test_a_lock_on_a_shared_file_can_be_felt_and_tells_nothing_of_worth(files: Path, host: oracle.Host) -> None:
    """A known limit: the runtime is one set of files for all, and a lock on them is seen by all. What could be said through it
    is what the program knows: questions with public images and random numbers of its own."""
    hold = "import fcntl; kept = open('/usr/bin/python3'); fcntl.flock(kept, fcntl.LOCK_EX); answer = ''\n"
    hold += "__import__('sys').modules['__main__'].__dict__['kept'] = kept"
    feel = """
import fcntl
try:
    fcntl.flock(open('/usr/bin/python3'), fcntl.LOCK_EX | fcntl.LOCK_NB)
    answer = 'free'
except OSError:
    answer = 'held'
"""
    with Sandbox(files, limits=LIMITS, harness=INSIDE) as other:
        with Sandbox(files, limits=LIMITS, harness=INSIDE) as one:
            _run(one, hold)
            assert _run(other, feel) in ("held", "free")
            # Nothing of ours waits for a lock on these files: a third one starts as ever.
            with Sandbox(files, limits=LIMITS, harness=INSIDE) as third:
                assert _run(third, "answer = 1") == "1"
        assert _run(other, feel) == "free"
