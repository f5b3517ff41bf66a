"""Which user a sandbox runs as: for root a leased user without account or rights, for anybody else oneself.

bwrap started by root is a way out of the sandbox (its user map becomes 65534 → 0 and the host's ``/proc/sys`` is
writable), so root never starts it. It leases one of 64 numbers instead, one per running sandbox: two students' programs
never share a user, and what still runs under a leased number can only be a leftover.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from milestones.contract import OurTrouble

FIRST_UID = 61000
POOL_SIZE = 64
# One folder per machine and not per installation: the numbers are shared by all who run here.
_LOCKS = Path("/run/tinytorch-sandbox")


@dataclass(frozen=True)
class Lease:
    """The user (and group of the same number) that a sandbox runs as. ``uid`` None: as ourselves, nothing was leased."""

    uid: int | None
    lock: int | None = None

    def release(self, *, clean: bool) -> None:
        """Give the number back. ``clean``: the caller has seen that nothing runs under it any more."""
        if self.lock is not None:
            if clean:
                os.ftruncate(self.lock, 0)
            os.close(self.lock)


def lease_user(*, wait_seconds: float = 60.0) -> Lease:
    """Lease a free pool user, killing whatever an earlier worker left running under it.

    Raises OurTrouble when none becomes free in time. Somebody who is not root gets the lease that means "as ourselves".
    """
    if os.geteuid() != 0:
        return Lease(None)
    _LOCKS.mkdir(mode=0o700, exist_ok=True)
    deadline = time.monotonic() + wait_seconds
    while True:
        for uid in range(FIRST_UID, FIRST_UID + POOL_SIZE):
            lock = os.open(_LOCKS / str(uid), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os.close(lock)
                continue
            # A mark in the file means that the last holder did not end cleanly; only then is a look at /proc worth it.
            if os.fstat(lock).st_size == 0 or kill_all_of(uid):
                os.pwrite(lock, b"leased\n", 0)
                return Lease(uid, lock)
            os.close(lock)
        if time.monotonic() > deadline:
            raise OurTrouble(f"All {POOL_SIZE} sandbox users are taken.")
        time.sleep(0.05)


def kill_all_of(uid: int, *, patience_seconds: float = 5.0) -> bool:
    """SIGKILL every process of a pool user until none is left; whether that was reached."""
    deadline = time.monotonic() + patience_seconds
    while processes := list(processes_of(uid)):
        if time.monotonic() > deadline:
            return False
        for pid in processes:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(0.001)
    return True


def processes_of(uid: int) -> Iterator[int]:
    """The process numbers that run under ``uid`` and are not yet dead, as this process's /proc shows them.

    Read from ``status``: the owner of the folder says root for a process that has made itself undumpable.
    """
    for entry in os.scandir("/proc"):
        if entry.name.isdecimal():
            with contextlib.suppress(OSError):
                status = Path(entry.path, "status").read_text()
                if f"\nUid:\t{uid}\t" in status and "\nState:\tZ" not in status:
                    yield int(entry.name)
