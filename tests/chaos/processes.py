"""Looking at processes through ``/proc``, and adopting what a killed parent leaves behind."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans() -> None:
    """Make this process the parent of every descendant whose own parent dies, so that none escapes the count."""
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "prctl")


def children(pid: int) -> list[int]:
    """The live and dead children of ``pid``; none when it is gone."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            with contextlib.suppress(OSError):
                found += map(int, Path(f"/proc/{pid}/task/{thread}/children").read_text().split())
    return found


def descendants(pid: int) -> Iterator[int]:
    """All processes below ``pid``, parents first."""
    for child in children(pid):
        yield child
        yield from descendants(child)


def command_of(pid: int) -> str:
    """The command line of a process with blanks between its words; empty for a dead one."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        return ""


def is_dead(pid: int) -> bool:
    """Whether a process is gone or waits only to be reaped."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


def send(pid: int, number: int) -> bool:
    """Send a signal; False when there is no such process."""
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def kill_tree(pid: int) -> None:
    """SIGKILL a process and everything below it. They are stopped first, or a tree that forks would be outrun."""
    tree = [pid, *descendants(pid)]
    for each in tree:
        send(each, signal.SIGSTOP)
    for each in dict.fromkeys([*tree, *descendants(pid)]):
        send(each, signal.SIGKILL)


class Reaper:
    """Reaps adopted orphans: an unreaped process still counts as running for ``kill(pid, 0)``, which lock files ask."""

    #: Whoever started a process waits for it at once; one that lies dead for longer was somebody else's.
    PATIENCE_SECONDS = 1.0

    def __init__(self) -> None:
        self._dead_since: dict[int, float] = {}

    def reap(self, *certainly: int) -> None:
        """Reap what has been dead for a while, and the processes ``certainly`` adopted as soon as they are dead."""
        now = time.monotonic()
        dead = {child for child in children(os.getpid()) if is_dead(child)}
        self._dead_since = {child: self._dead_since.get(child, now) for child in dead}
        for child in dead:
            if child in certainly or now - self._dead_since[child] > self.PATIENCE_SECONDS:
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(child, os.WNOHANG)
