"""What a sandbox may use, what it has used, and by which means of the kernel both are known.

The means is chosen once per process, by trying it with a real process, and named in every ``Usage``:

1. cgroup v2, where a group can be made that has the memory and pids controllers;
2. cgroup v1, where the memory hierarchy can be written;
3. otherwise ``RLIMIT_AS`` per process and a look at the process tree every tenth of a second, which does not see memory
   that belongs to no process (memfd, tmpfs) and says so.
"""

from __future__ import annotations

import contextlib
import functools
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from milestones.contract import OurTrouble

MEGABYTE = 1024 * 1024
GROUP_PREFIX = "tinytorch-sandbox-"
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, kw_only=True)
class SandboxLimits:
    """What one sandbox may use in its whole life. ``wall_seconds`` (default three times ``cpu_seconds``) counts only the
    time in which an answer was waited for; ``output_bytes`` is what it may print."""

    cpu_seconds: float
    memory_bytes: int
    wall_seconds: float | None = None
    processes: int = 64
    tmp_bytes: int = 256 * MEGABYTE
    output_bytes: int = 64 * 1000 * 1000

    @property
    def wall(self) -> float:
        """The wall limit in seconds, the default filled in."""
        return 3 * self.cpu_seconds if self.wall_seconds is None else self.wall_seconds


@dataclass(frozen=True, kw_only=True)
class Usage:
    """What a sandbox has used: CPU seconds of all its processes, wall seconds since its start, peak memory of all
    together, and ``limits``: by which means that is known and was limited."""

    cpu_seconds: float = 0.0
    wall_seconds: float = 0.0
    peak_memory_bytes: int = 0
    limits: str = ""


class Group:
    """The processes of one sandbox: a control group, or without one the tree below its first process.

    Life: made before the launch; ``before_exec`` runs in the new process before bwrap; ``admit`` is called with the first
    inside process before it may go on; at the end ``kill``, then ``remove``.
    """

    description = ""

    def paths(self) -> list[Path]:
        """The control groups' folders, for the job's notes."""
        return []

    def make(self, limits: SandboxLimits) -> None:
        """Create the group and set its limits."""

    def before_exec(self) -> Callable[[], None] | None:
        """What the forked child must do before it becomes bwrap: system calls on open descriptors and nothing else."""
        return None

    def admit(self, pid: int) -> None:
        """Make sure that ``pid`` is under the limits. Raises OurTrouble."""

    def processes(self) -> list[int]:
        """The live processes of the group."""
        raise NotImplementedError

    def cpu_seconds(self) -> float:
        """CPU time of all processes so far, dead ones included."""
        raise NotImplementedError

    def peak_memory_bytes(self) -> int:
        """The most memory that the group has held at once."""
        raise NotImplementedError

    def resident_bytes(self) -> int:
        """What the processes of the group hold in memory now; what they share with one another is counted in each."""
        held = 0
        for pid in self.processes():
            with contextlib.suppress(OSError, IndexError):
                held += int(_read(Path(f"/proc/{pid}/statm")).split()[1]) * _PAGE
        return held

    def out_of_memory(self) -> bool:
        """Whether the memory limit was hit: the kernel killed a process for it, or the tree is found above it."""
        raise NotImplementedError

    def kill(self) -> None:
        """SIGKILL all processes, once."""
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def remove(self) -> None:
        """Delete the group. Raises OurTrouble when something is left in it."""

    def waiting_by_thread(self) -> dict[int, float]:
        """For every live thread of the group, how many seconds it has stood ready and got no processor, in all
        (``/proc/*/schedstat``)."""
        waited = {}
        for pid in self.processes():
            with contextlib.suppress(OSError):
                for thread in os.listdir(f"/proc/{pid}/task"):
                    with contextlib.suppress(OSError, IndexError, ValueError):
                        nanoseconds = int(_read(Path(f"/proc/{pid}/task/{thread}/schedstat")).split()[1])
                        waited[int(thread)] = nanoseconds / 1e9
        return waited


# -- cgroup v1 -------------------------------------------------------------------------------------------------------------


class GroupV1(Group):
    """One folder in each of the hierarchies memory, pids and cpuacct (where these are mounted).

    The forked child puts itself in through ``tasks`` before it becomes bwrap. Moving another process through
    ``cgroup.procs`` takes a lock of the whole machine and 5 ms per hierarchy; moving oneself does not (0.3 ms measured),
    and so there is no moment in which anything of the sandbox is outside.
    """

    def __init__(self, name: str, parents: dict[str, Path]) -> None:
        self.folders = {controller: parent / name for controller, parent in parents.items()}
        self.description = f"cgroup v1 ({', '.join(self.folders)})"
        self._tasks: list[int] = []

    def paths(self) -> list[Path]:
        return list(dict.fromkeys(self.folders.values()))

    def make(self, limits: SandboxLimits) -> None:
        for path in self.paths():
            path.mkdir()
        memory = self.folders["memory"]
        _write(memory / "memory.limit_in_bytes", limits.memory_bytes)
        with contextlib.suppress(OSError):  # without swap accounting there is no such file
            _write(memory / "memory.memsw.limit_in_bytes", limits.memory_bytes)
        if "pids" in self.folders:
            _write(self.folders["pids"] / "pids.max", limits.processes + 8)
        self._tasks = [os.open(path / "tasks", os.O_WRONLY | os.O_CLOEXEC) for path in self.paths()]

    def before_exec(self) -> Callable[[], None] | None:
        def join() -> None:
            for task in self._tasks:
                os.write(task, b"0")

        return join

    def admit(self, pid: int) -> None:
        self._close_tasks()
        for path in self.paths():
            if str(pid) not in _read(path / "cgroup.procs").split():
                raise OurTrouble(f"The sandbox did not enter its control group {path}.")

    def processes(self) -> list[int]:
        pids: set[int] = set()
        for path in self.paths():
            with contextlib.suppress(FileNotFoundError):
                pids.update(map(int, _read(path / "cgroup.procs").split()))
        return sorted(pids)

    def cpu_seconds(self) -> float:
        if "cpuacct" not in self.folders:
            return 0.0
        return int(_read(self.folders["cpuacct"] / "cpuacct.usage")) / 1e9

    def peak_memory_bytes(self) -> int:
        return int(_read(self.folders["memory"] / "memory.max_usage_in_bytes"))

    def out_of_memory(self) -> bool:
        return _counter(self.folders["memory"] / "memory.oom_control", "oom_kill") > 0

    def remove(self) -> None:
        self._close_tasks()
        for path in self.paths():
            remove_group(path)

    def _close_tasks(self) -> None:
        for task in self._tasks:
            os.close(task)
        self._tasks = []


# -- cgroup v2 -------------------------------------------------------------------------------------------------------------


class GroupV2(Group):
    """One folder in the unified hierarchy. A process is moved into it from outside while it is still blocked."""

    description = "cgroup v2 (memory, pids)"

    def __init__(self, name: str, parent: Path) -> None:
        self.folder = parent / name
        self._peak = 0

    def paths(self) -> list[Path]:
        return [self.folder]

    def make(self, limits: SandboxLimits) -> None:
        self.folder.mkdir()
        _write(self.folder / "memory.max", limits.memory_bytes)
        with contextlib.suppress(OSError):  # without swap there is no such file
            _write(self.folder / "memory.swap.max", 0)
        _write(self.folder / "memory.oom.group", 1)
        _write(self.folder / "pids.max", limits.processes + 8)

    def admit(self, pid: int) -> None:
        _write(self.folder / "cgroup.procs", pid)

    def processes(self) -> list[int]:
        try:
            return [int(pid) for pid in _read(self.folder / "cgroup.procs").split()]
        except FileNotFoundError:
            return []

    def cpu_seconds(self) -> float:
        return _counter(self.folder / "cpu.stat", "usage_usec") / 1e6

    def peak_memory_bytes(self) -> int:
        try:
            return int(_read(self.folder / "memory.peak"))
        except FileNotFoundError:  # before Linux 5.19: the highest that was seen
            self._peak = max(self._peak, int(_read(self.folder / "memory.current")))
            return self._peak

    def out_of_memory(self) -> bool:
        return _counter(self.folder / "memory.events", "oom_kill") > 0

    def kill(self) -> None:
        try:
            _write(self.folder / "cgroup.kill", 1)
        except OSError:  # before Linux 5.14
            super().kill()

    def remove(self) -> None:
        remove_group(self.folder)


# -- no control group ------------------------------------------------------------------------------------------------------


class ProcessTree(Group):
    """The processes below the sandbox's first one, looked at from outside: the fallback, and the whole of bare mode.

    Nothing escapes the tree of a sandbox: its first process is the init of its own process namespace, so orphans come
    back to it. CPU time and memory are as they were seen last, so good to a tenth of a second.
    """

    def __init__(self, description: str = "rlimits and polling (does not see memfd and tmpfs)") -> None:
        self.description = description
        self._root: int | None = None
        self._memory_bytes: int | None = None
        self._cpu = 0.0
        self._peak = 0

    def make(self, limits: SandboxLimits) -> None:
        self._memory_bytes = limits.memory_bytes

    def admit(self, pid: int) -> None:
        self._root = pid

    def processes(self) -> list[int]:
        found, waiting = [], [self._root] if self._root is not None else []
        while waiting:
            pid = waiting.pop()
            if not _is_alive(pid):
                continue
            found.append(pid)
            with contextlib.suppress(OSError):
                for thread in os.listdir(f"/proc/{pid}/task"):
                    with contextlib.suppress(OSError):
                        waiting += map(int, _read(Path(f"/proc/{pid}/task/{thread}/children")).split())
        return found

    def cpu_seconds(self) -> float:
        ticks = 0
        for pid in self.processes():
            with contextlib.suppress(OSError, IndexError):
                # After the name in brackets: utime, stime and those of waited-for children are fields 11 to 14.
                ticks += sum(map(int, _read(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()[11:15]))
        self._cpu = max(self._cpu, ticks / _TICKS)
        return self._cpu

    def peak_memory_bytes(self) -> int:
        self._look_at_memory()
        return self._peak

    def out_of_memory(self) -> bool:
        held = self._look_at_memory()
        return self._memory_bytes is not None and held > self._memory_bytes

    def kill(self) -> None:
        # Stop before killing: a tree that still forks is otherwise outrun.
        for pid in self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
        super().kill()

    def _look_at_memory(self) -> int:
        held = 0
        for pid in self.processes():
            with contextlib.suppress(OSError, IndexError):
                resident, shared = map(int, _read(Path(f"/proc/{pid}/statm")).split()[1:3])
                shared_memory = _counter(Path(f"/proc/{pid}/status"), "RssShmem:") * 1024
                held += (resident - shared) * _PAGE + shared_memory
        self._peak = max(self._peak, held)
        return held


# -- the choice ------------------------------------------------------------------------------------------------------------


def new_group(name: str) -> Group:
    """A group for one sandbox, by the best means that works here."""
    return _choice()(name)


@functools.cache
def _choice() -> Callable[[str], Group]:
    for candidate in _candidates():
        if _works(candidate):
            return candidate
    return lambda _name: ProcessTree()


def _candidates() -> Iterator[Callable[[str], Group]]:
    own = dict(_own_groups())
    unified = _mount_points().get("unified")
    if unified is not None and "" in own:
        parent = v2_parent(own=unified / own[""].lstrip("/"), top=unified)
        if parent is not None:
            yield lambda name: GroupV2(name, parent)
    parents = {}
    for controller in ("memory", "pids", "cpuacct"):
        mount = _mount_points().get(controller)
        if mount is not None and controller in own:
            folder = mount / own[controller].lstrip("/")
            # In a container the path may be the host's and the mount already its end.
            parents[controller] = folder if folder.is_dir() else mount
    if {"memory", "cpuacct"} <= parents.keys():
        yield lambda name: GroupV1(name, parents)


def v2_parent(*, own: Path, top: Path) -> Path | None:
    """Where sandbox groups can be made: ``TINYTORCH_CGROUP``, else the nearest group from ``own`` up to ``top`` that hands
    the memory and pids controllers to its children, else ``own`` after it was made to."""
    if chosen := os.environ.get("TINYTORCH_CGROUP"):
        return Path(chosen)
    for folder in (own, *own.parents):
        if folder.is_relative_to(top) and os.access(folder, os.W_OK) and _hands_down(folder):
            return folder
    return own if os.access(own, os.W_OK) and _delegate(own) else None


def _hands_down(folder: Path) -> bool:
    with contextlib.suppress(OSError):
        return {"memory", "pids"} <= set(_read(folder / "cgroup.subtree_control").split())
    return False


def _delegate(own: Path) -> bool:
    """Make a delegated group (systemd's ``Delegate=yes``, a container) hand down its controllers.

    A group that does so may hold no processes itself, so all of them move into a leaf beside the sandboxes first.
    """
    try:
        if not {"memory", "pids"} <= set(_read(own / "cgroup.controllers").split()):
            return False
        leaf = own / "tinytorch-workers"
        leaf.mkdir(exist_ok=True)
        for pid in _read(own / "cgroup.procs").split():
            with contextlib.suppress(ProcessLookupError):
                _write(leaf / "cgroup.procs", pid)
        _write(own / "cgroup.subtree_control", "+memory +pids")
    except OSError:
        return False
    return True


def _works(candidate: Callable[[str], Group]) -> bool:
    """Try the whole life of a group with a process that only waits."""
    group = candidate(f"{GROUP_PREFIX}trial-{os.getpid()}")
    waits = shutil.which("cat") or "/bin/cat"
    try:
        group.make(SandboxLimits(cpu_seconds=1, memory_bytes=64 * MEGABYTE))
        with subprocess.Popen([waits], stdin=subprocess.PIPE, preexec_fn=group.before_exec(), env={}) as process:  # noqa: PLW1509
            try:
                group.admit(process.pid)
                return process.pid in group.processes() and group.cpu_seconds() >= 0
            finally:
                process.kill()
    except (OSError, subprocess.SubprocessError, OurTrouble):
        return False
    finally:
        with contextlib.suppress(OSError, OurTrouble):
            group.remove()


def remove_group(path: Path, *, patience_seconds: float = 5.0) -> None:
    """Kill what is left in one control group of ours and delete it. Raises OurTrouble when that cannot be done.

    Refuses any folder that is not named as ours, since the path may come from a dead worker's notes.
    """
    if not path.name.startswith(GROUP_PREFIX):
        raise OurTrouble(f"{path} is not a sandbox's control group.")
    deadline = time.monotonic() + patience_seconds
    while True:
        try:
            path.rmdir()
        except FileNotFoundError:
            return
        except OSError as error:
            if time.monotonic() > deadline:
                raise OurTrouble(f"The control group {path} cannot be removed: {error.strerror}.") from None
            with contextlib.suppress(OSError):
                for pid in _read(path / "cgroup.procs").split():
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(int(pid), signal.SIGKILL)
            time.sleep(0.001)
        else:
            return


def _own_groups() -> Iterator[tuple[str, str]]:
    """(controller, path) of this process for every hierarchy; the unified one has the name ""."""
    for line in _read(Path("/proc/self/cgroup")).splitlines():
        _number, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            yield controller, path


@functools.cache
def _mount_points() -> dict[str, Path]:
    """Controller -> where its hierarchy is mounted; "unified" for version 2."""
    found: dict[str, Path] = {}
    for line in _read(Path("/proc/self/mountinfo")).splitlines():
        before, _, after = line.partition(" - ")
        kind, _source, options = after.split(" ", 2)
        mount = Path(re.sub(r"\\(\d{3})", lambda code: chr(int(code[1], 8)), before.split(" ")[4]))
        if kind == "cgroup2":
            found.setdefault("unified", mount)
        elif kind == "cgroup":
            for option in options.split(","):
                found.setdefault(option, mount)
    return found


def _read(path: Path) -> str:
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def _is_alive(pid: int) -> bool:
    """Whether a process still runs: neither gone nor a zombie that its parent has not reaped yet."""
    try:
        return _read(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()[0] not in ("Z", "X")
    except (OSError, IndexError):
        return False


def _write(path: Path, value: int | str) -> None:
    with open(path, "w", encoding="ascii") as file:
        file.write(str(value))


def _counter(path: Path, name: str) -> int:
    """The number after ``name`` in a file of lines "name number", 0 when it is not there."""
    for line in _read(path).splitlines():
        words = line.split()
        if len(words) > 1 and words[0] == name:
            return int(words[1])
    return 0
