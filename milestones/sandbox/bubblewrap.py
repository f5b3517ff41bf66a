"""Starting one program inside bubblewrap: which options, in which order, and the steps of the launch.

Five findings decide how it is done: (1) bwrap never runs with user id 0, see ``pool``; (2) its environment is empty and its
options come through a descriptor, because it stays in the sandbox as process 1 and ``/proc/1`` shows both; (3) the root,
``/dev`` and ``/dev/shm`` would be writable tmpfs of half the memory each, so they are sized or made read-only; (4) the
sandbox dies with whoever started it; (5) the process limit is set inside, since outside it counts what else runs under
the user.
"""

from __future__ import annotations

import contextlib
import functools
import json
import math
import os
import resource
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from milestones.contract import OurTrouble
from milestones.sandbox import seccomp
from milestones.sandbox.limits import MEGABYTE, Group, SandboxLimits
from milestones.sandbox.pool import Lease
from milestones.sandbox.runtime import Runtime

# More address space than memory: NumPy alone reserves 97 MB, a product of matrices 137 MB, without using them.
ADDRESS_SPACE_ABOVE_MEMORY = 512 * MEGABYTE
SHARED_MEMORY_BYTES = 64 * MEGABYTE
_START_SECONDS = 20.0

# One thread per sandbox: more would only compete with the neighbour's, and the CPU budget counts them all.
THREADS = dict.fromkeys(
    (
        "OPENBLAS_NUM_THREADS",
        "OMP_NUM_THREADS",
        "MKL_NUM_THREADS",
        "BLIS_NUM_THREADS",
        "NUMEXPR_NUM_THREADS",
        "VECLIB_MAXIMUM_THREADS",
    ),
    "1",
)
ENVIRONMENT = {
    **THREADS,
    "PATH": "/usr/bin",
    "HOME": "/tmp",  # noqa: S108 - the sandbox's own tmpfs
    "TMPDIR": "/tmp",  # noqa: S108
    "LANG": "C.UTF-8",
    "LC_ALL": "C.UTF-8",
    "MPLBACKEND": "Agg",
    "MPLCONFIGDIR": "/tmp/.matplotlib",  # noqa: S108
}


@dataclass(frozen=True)
class Mount:
    """A folder of the host and where it appears inside, read-only."""

    source: Path
    inside: str


class Process:
    """A started program and, when it is sandboxed, the init of its process namespace.

    ``rusage`` is None until the program has ended and ``poll`` has seen it. ``leads_session``: it has no process namespace
    to take its children down, so its session is killed with it.
    """

    def __init__(self, popen: subprocess.Popen[bytes], inside_pid: int, *, leads_session: bool = False) -> None:
        self._popen = popen
        self._leads_session = leads_session
        self.inside_pid = inside_pid
        self.returncode: int | None = None
        self.rusage: resource.struct_rusage | None = None
        # A descriptor of the process stays true when its number is given to another one.
        self.descriptor = os.pidfd_open(inside_pid) if hasattr(os, "pidfd_open") else None

    @property
    def pid(self) -> int:
        """The process that we started: bwrap, or in bare mode the program itself."""
        return self._popen.pid

    def poll(self) -> int | None:
        """The exit code, negative for a signal, or None while it runs."""
        if self.returncode is not None:
            return self.returncode
        if hasattr(os, "waitid"):
            if not os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                return None
            # Now, since after it is reaped its number may be somebody else's.
            self._end_session()
            _pid, status, rusage = os.wait4(self.pid, 0)
        else:  # macOS before Python 3.13 can't look without reaping
            pid, status, rusage = os.wait4(self.pid, os.WNOHANG)
            if not pid:
                return None
            self._end_session()
        self.rusage, self.returncode = rusage, os.waitstatus_to_exitcode(status)
        self._popen.returncode = self.returncode
        return self.returncode

    def _end_session(self) -> None:
        """Kill what a program without a process namespace has left running."""
        if self._leads_session:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)

    def wait(self, seconds: float) -> bool:
        """Whether it has ended within ``seconds``."""
        if self.poll() is not None:
            return True
        if hasattr(os, "pidfd_open"):
            with Descriptors() as descriptors:
                _becomes_readable(descriptors.keep(os.pidfd_open(self.pid)), seconds)
            return self.poll() is not None
        deadline = time.monotonic() + seconds
        while self.poll() is None:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.002)
        return True

    def kill(self, *, patience_seconds: float = 5.0) -> bool:
        """End it and everything inside; whether all of it is gone.

        1. The inside's init is killed, and the kernel kills and reaps its whole namespace before it counts as ended.
        2. bwrap notices and ends, so that the CPU time of the inside is added up in its own; 3. if not, it is killed too.
        """
        with contextlib.suppress(ProcessLookupError):
            if self.descriptor is not None:
                signal.pidfd_send_signal(self.descriptor, signal.SIGKILL)
            elif self.returncode is None:
                os.kill(self.inside_pid, signal.SIGKILL)
        if not self.wait(patience_seconds / 2):
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)
        ended = self.wait(patience_seconds / 2)
        if self.descriptor is not None:
            ended = _becomes_readable(self.descriptor, patience_seconds / 2) and ended
            os.close(self.descriptor)
            self.descriptor = None
        return ended


def options(
    *,
    root: Path,
    mounts: Sequence[Mount],
    limits: SandboxLimits,
    environment: Mapping[str, str],
    seccomp_fd: int,
    info_fd: int,
    block_fd: int,
) -> list[str]:
    """bwrap's options. The order matters: a later mount hides an earlier one, and read-only comes last."""
    binds = [word for mount in mounts for word in ("--ro-bind", str(mount.source), mount.inside)]
    variables = [word for name, value in environment.items() for word in ("--setenv", name, value)]
    return [
        *("--unshare-user", "--disable-userns", "--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts"),
        *("--unshare-cgroup-try", "--die-with-parent", "--new-session", "--clearenv", "--cap-drop", "ALL"),
        *("--ro-bind", str(root), "/", *binds),
        *("--proc", "/proc", "--dev", "/dev"),
        *("--size", str(limits.tmp_bytes), "--tmpfs", "/tmp"),  # noqa: S108
        *("--size", str(min(SHARED_MEMORY_BYTES, limits.tmp_bytes)), "--tmpfs", "/dev/shm"),  # noqa: S108
        *("--chdir", "/tmp", "--remount-ro", "/dev", "--remount-ro", "/"),  # noqa: S108
        *("--uid", "65534", "--gid", "65534", "--hostname", "sandbox", *variables),
        *("--seccomp", str(seccomp_fd), "--info-fd", str(info_fd), "--block-fd", str(block_fd)),
    ]


def resource_limits(prlimit: str, limits: SandboxLimits) -> list[str]:
    """The ``prlimit`` prefix of the inside command. CPU seconds are ended by the grader; here only as a second lock."""
    return [
        prlimit,
        f"--nproc={limits.processes}",
        f"--as={limits.memory_bytes + ADDRESS_SPACE_ABOVE_MEMORY}",
        f"--cpu={math.ceil(limits.cpu_seconds) + 2}",
        "--core=0",
        "--nofile=256",
        f"--fsize={limits.tmp_bytes}",
        "--",
    ]


def launch(
    command: Sequence[str],
    *,
    runtime: Runtime,
    mounts: Sequence[Mount],
    limits: SandboxLimits,
    environment: Mapping[str, str],
    lease: Lease,
    group: Group,
    inherit: Sequence[int] = (),
    stdin: int | IO[bytes] = subprocess.DEVNULL,
    stdout: int,
    stderr: int,
) -> Process:
    """Start ``command`` inside and return when its limits are in force. Raises OurTrouble with bwrap's own words.

    1. bwrap starts as the leased user and makes its namespaces and mounts. 2. It names its first inside process on the
    info descriptor, and that process waits at the block descriptor. 3. The process is put under the group's limits.
    4. The block descriptor is released, and only now does the command run.
    """
    with Descriptors() as descriptors:
        seccomp_fd = descriptors.keep(seccomp.open_filter())
        info_read, info_write = map(descriptors.keep, os.pipe2(os.O_CLOEXEC))
        block_read, block_write = map(descriptors.keep, os.pipe2(os.O_CLOEXEC))
        words = options(
            root=runtime.path,
            mounts=mounts,
            limits=limits,
            environment={**ENVIRONMENT, **environment},
            seccomp_fd=seccomp_fd,
            info_fd=info_write,
            block_fd=block_read,
        )
        options_fd = descriptors.keep(_file_of("\0".join(words).encode() + b"\0"))
        user = {} if lease.uid is None else {"user": lease.uid, "group": lease.uid, "extra_groups": []}
        arguments = [bwrap(), "--args", str(options_fd), "--", *resource_limits(runtime.prlimit, limits), *command]
        try:
            popen = subprocess.Popen(
                arguments,
                env={},
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                pass_fds=(options_fd, seccomp_fd, info_write, block_read, *inherit),
                # Writes to open descriptors and nothing else, so it is safe beside threads.
                preexec_fn=group.before_exec(),  # noqa: PLW1509
                cwd="/",
                **user,
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise OurTrouble(f"bwrap cannot be started: {error}.") from None
        for descriptor in (info_write, block_read):
            descriptors.close(descriptor)
        try:
            inside_pid = _read_info(info_read)
            process = Process(popen, inside_pid)
            try:
                group.admit(inside_pid)
                os.write(block_write, b"1")
            except BaseException:
                process.kill()
                raise
        except BaseException:
            popen.kill()
            with contextlib.suppress(ChildProcessError):
                popen.wait()
            raise
        return process


@functools.cache
def bwrap() -> str:
    """The path of bubblewrap's program. Raises OurTrouble when it is not installed or is set-user-id."""
    found = shutil.which("bwrap", path="/usr/bin:/usr/local/bin:/bin")
    if found is None:
        raise OurTrouble("bubblewrap is not installed (Debian: apt install bubblewrap).")
    return found


def _read_info(descriptor: int) -> int:
    """The process number that bwrap announces. Read to its end: bwrap closes it when the number is final."""
    deadline = time.monotonic() + _START_SECONDS
    text = b""
    while True:
        if not _becomes_readable(descriptor, max(0.0, deadline - time.monotonic())):
            raise OurTrouble(f"bwrap did not start within {_START_SECONDS:.0f} seconds.")
        piece = os.read(descriptor, 4096)
        if not piece:
            break
        text += piece
    try:
        return int(json.loads(text)["child-pid"])
    except (ValueError, KeyError, TypeError):
        raise OurTrouble("bwrap ended before it had made a sandbox.") from None


def _becomes_readable(descriptor: int, seconds: float) -> bool:
    """``poll`` and not ``select``, which knows no descriptor above 1023."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(math.ceil(1000 * seconds)))


def _file_of(data: bytes) -> int:
    descriptor = os.memfd_create("options")
    os.write(descriptor, data)
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


class Descriptors:
    """Open descriptors that are closed at the end of a ``with`` block at the latest, and never twice."""

    def __init__(self) -> None:
        self._open: list[int] = []

    def keep(self, descriptor: int) -> int:
        """Take care of ``descriptor``."""
        self._open.append(descriptor)
        return descriptor

    def close(self, descriptor: int) -> None:
        """Close one of them now."""
        self._open.remove(descriptor)
        os.close(descriptor)

    def close_all(self) -> None:
        """Close all that are still open."""
        while self._open:
            os.close(self._open.pop())

    def __enter__(self) -> Descriptors:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close_all()
