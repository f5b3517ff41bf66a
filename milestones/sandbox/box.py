"""One confined process and everything that belongs to it: user, job folder, control group, and the end of them all."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

from milestones.contract import OurTrouble
from milestones.sandbox import bubblewrap, places, pool
from milestones.sandbox.bubblewrap import Mount, Process
from milestones.sandbox.limits import Group, ProcessTree, SandboxLimits, Usage, new_group, remove_group
from milestones.sandbox.places import Harness
from milestones.sandbox.runtime import Runtime, ensure_runtime

SUBMISSION = "/submission"
HARNESS = "/harness"
_PATIENCE_SECONDS = 5.0


class Box:
    """A process that is started once and closed once. ``close`` must be called after a ``start`` that succeeded."""

    def __init__(self, limits: SandboxLimits) -> None:
        self.limits = limits
        self.group: Group = ProcessTree("not sandboxed")
        self._process: Process | None = None
        self._started = 0.0
        self._usage: Usage | None = None
        self._all_gone = True
        self._cleanup = contextlib.ExitStack()
        self.places_used: tuple[Path, ...] = ()

    @property
    def is_open(self) -> bool:
        """Whether it was started and not yet closed. The program in it may have ended."""
        return self._process is not None and self._usage is None

    @property
    def process(self) -> Process:
        """The process. Only between start and close."""
        assert self._process is not None
        return self._process

    @property
    def usage(self) -> Usage:
        """What has been used so far; after the end, in all."""
        if self._usage is not None:
            return self._usage
        if self._process is None:
            return Usage(limits=self.group.description)
        return self._measure()

    def start(
        self,
        submission: Path,
        *,
        command: Callable[[Runtime], Sequence[str]],
        harness: Harness | None = None,
        environment: Mapping[str, str],
        inherit: Sequence[int] = (),
        stdin: int | IO[bytes] = subprocess.DEVNULL,
        stdout: int,
        stderr: int,
    ) -> None:
        """Run ``command`` in a sandbox that shows ``submission`` (and ``harness``) read-only. Raises OurTrouble."""
        with self._undone_on_failure():
            _sweep_now_and_then()
            runtime = ensure_runtime()
            # Undone in reverse: the user is given back last, when nothing can run under it any more.
            lease = pool.lease_user()
            self._cleanup.callback(lambda: lease.release(clean=self._all_gone))
            job = places.open_job()
            self._cleanup.callback(job.remove)
            self.group = new_group(job.name)
            job.note_cgroups(self.group.paths())
            self._cleanup.callback(self.group.remove)
            self.group.make(self.limits)
            mounts = [Mount(places.submission_for(lease.uid, submission, job), SUBMISSION)]
            if harness is not None:
                mounts.append(Mount(harness.folder, HARNESS))
            self._process = bubblewrap.launch(
                command(runtime),
                runtime=runtime,
                mounts=mounts,
                limits=self.limits,
                environment=environment,
                lease=lease,
                group=self.group,
                inherit=inherit,
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
            )
            self.places_used = (job.folder, *self.group.paths())

    def start_bare(
        self, command: Sequence[str], *, environment: Mapping[str, str], inherit: Sequence[int], stdout: int
    ) -> None:
        """Run ``command`` as a plain process of ours: watched, and not confined in any way."""
        with self._undone_on_failure():
            own = {name: value for name in ("PATH", "HOME", "TMPDIR", "LANG") if (value := os.environ.get(name))}
            popen = subprocess.Popen(
                command,
                env={**own, **bubblewrap.THREADS, "MPLBACKEND": "Agg", **environment},
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stdout,
                pass_fds=inherit,
                start_new_session=True,
            )
            self.group.admit(popen.pid)
            self._process = Process(popen, popen.pid, leads_session=True)

    def close(self) -> None:
        """End everything inside and remove every trace of it; a second time does nothing.

        Raises OurTrouble when something could not be ended or removed.
        """
        if not self.is_open:
            return
        with self._cleanup:
            before = self._measure()
            ended = self.process.kill()
            deadline = time.monotonic() + _PATIENCE_SECONDS
            while self.group.processes() and time.monotonic() < deadline:
                self.group.kill()
                time.sleep(0.001)
            self._usage = self._measure(before)
            self._all_gone = ended and not self.group.processes()
            if not self._all_gone:
                raise OurTrouble("A sandbox could not be ended: processes of it are still running.")

    def _measure(self, before: Usage | None = None) -> Usage:
        cpu, peak = self.group.cpu_seconds(), self.group.peak_memory_bytes()
        wall = time.monotonic() - self._started
        rusage = self.process.rusage
        if isinstance(self.group, ProcessTree) and rusage is not None:
            # The tree was last seen a moment before its end; what was waited for is counted here to the end.
            cpu = max(cpu, rusage.ru_utime + rusage.ru_stime)
            peak = max(peak, rusage.ru_maxrss * (1 if sys.platform == "darwin" else 1024))
        if before is not None:
            cpu, peak, wall = max(cpu, before.cpu_seconds), max(peak, before.peak_memory_bytes), before.wall_seconds
        return Usage(cpu_seconds=cpu, wall_seconds=wall, peak_memory_bytes=peak, limits=self.group.description)

    @contextlib.contextmanager
    def _undone_on_failure(self) -> Iterator[None]:
        self._started = time.monotonic()
        try:
            yield
        except BaseException as error:
            self._cleanup.close()
            if isinstance(error, OSError):
                raise OurTrouble(f"The sandbox cannot be prepared: {error}.") from error
            raise


_SWEEP_SECONDS = 60.0
_next_sweep = 0.0


def _sweep_now_and_then() -> None:
    """Clear away what dead workers left behind, at the first sandbox and then at most once a minute."""
    global _next_sweep  # noqa: PLW0603 - the state of a process, and harmless if two threads meet here
    now = time.monotonic()
    if now >= _next_sweep:
        _next_sweep = now + _SWEEP_SECONDS
        places.sweep(remove_group)
