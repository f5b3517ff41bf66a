"""SIGKILL tells no sender, so programs may not send it to themselves: what it ends was ended from outside, by our fault."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from milestones.contract import OurTrouble
from milestones.sandbox.session import Sandbox, StudentCrashed
from milestones.sandbox.tools import run_tool
from tests.sandbox.conftest import LIMITS, run

CHECKOUT = Path(__file__).resolve().parents[2]
MakeSandbox = Callable[..., Sandbox]
SENDS_TO_ITSELF = """
    import os, signal, threading
    refused = 0
    own = os.getpid()
    ways = [
        lambda: os.kill(own, signal.SIGKILL),
        lambda: os.kill(0, signal.SIGKILL),
        lambda: os.kill(-1, signal.SIGKILL),
        lambda: os.killpg(os.getpgrp(), signal.SIGKILL),
        lambda: signal.pthread_kill(threading.get_ident(), signal.SIGKILL),
        lambda: signal.pidfd_send_signal(os.pidfd_open(own), signal.SIGKILL),
    ]
    for way in ways:
        try:
            way()
        except PermissionError:
            refused += 1
    answer = f"{refused} of {len(ways)}"
"""
KILLS_ITS_CHILD = """
    import os, signal, time
    child = os.fork()
    if child == 0:
        time.sleep(60)
    os.kill(child, signal.SIGKILL)
    answer = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
"""


def test_a_program_cannot_send_sigkill_to_itself(sandbox: MakeSandbox) -> None:
    with sandbox() as open_sandbox:
        assert run(open_sandbox, SENDS_TO_ITSELF) == "6 of 6"


def test_a_program_may_kill_its_own_child(sandbox: MakeSandbox) -> None:
    with sandbox() as open_sandbox:
        assert run(open_sandbox, KILLS_ITS_CHILD) == "-9"


def victims(sandbox: Sandbox) -> dict[str, int]:
    """bwrap outside, the first process inside, and the student's program."""
    (program,) = [pid for pid in sandbox.processes if pid not in (sandbox.process_id, sandbox._box.process.pid)]
    return {"bwrap": sandbox._box.process.pid, "init": sandbox.process_id, "program": program}


@pytest.mark.parametrize("victim", ["bwrap", "init", "program"])
def test_a_sandbox_that_is_killed_from_outside_is_our_trouble(sandbox: MakeSandbox, victim: str) -> None:
    with sandbox() as open_sandbox:
        assert run(open_sandbox, "answer = 1") == "1"
        number = victims(open_sandbox)[victim]
        with pytest.raises(OurTrouble, match="killed from outside"):
            run(open_sandbox, "import time; time.sleep(60)", on_wait=lambda: os.kill(number, signal.SIGKILL))


def test_a_program_that_aborts_has_crashed_by_itself(sandbox: MakeSandbox) -> None:
    with sandbox() as open_sandbox, pytest.raises(StudentCrashed) as crash:
        run(open_sandbox, "import os; os.abort()")
    assert crash.value.signal == signal.SIGABRT


def test_a_linter_that_is_killed_from_outside_is_our_trouble(alices_files: Path) -> None:
    def kill_the_program() -> None:
        deadline = 0.0
        while deadline < 10 and not any(_waits(pid) for pid in _below(os.getpid())):
            threading.Event().wait(0.05)
            deadline += 0.05
        for pid in _below(os.getpid()):
            if _waits(pid):
                os.kill(pid, signal.SIGKILL)

    killer = threading.Thread(target=kill_the_program)
    killer.start()
    with pytest.raises(OurTrouble, match="killed from outside"):
        run_tool(["python", "-c", "import time; time.sleep(60)"], alices_files, limits=LIMITS)
    killer.join()


def test_time_in_which_the_machine_stood_still_is_not_the_programs(alices_files: Path) -> None:
    """The wall limit is two seconds and the program sleeps for one; everything is stopped for four seconds meanwhile."""
    command = [sys.executable, "-m", "tests.sandbox.paused", str(alices_files)]
    with subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True) as grader:
        everything = [grader.pid, *map(int, grader.stdout.readline().split())]
        time.sleep(0.3)
        for pid in everything:
            os.kill(pid, signal.SIGSTOP)
        time.sleep(4)
        for pid in everything:
            os.kill(pid, signal.SIGCONT)
        assert grader.stdout.read() == "awake\n"


def _below(pid: int) -> list[int]:
    found = []
    for thread in os.listdir(f"/proc/{pid}/task"):
        for child in map(int, Path(f"/proc/{pid}/task/{thread}/children").read_text().split()):
            found += [child, *_below(child)]
    return found


def _waits(pid: int) -> bool:
    return (
        Path(f"/proc/{pid}/cmdline").read_bytes().endswith(b"time.sleep(60)\0")
        and b"bwrap" not in Path(f"/proc/{pid}/cmdline").read_bytes().partition(b"\0")[0]
    )
