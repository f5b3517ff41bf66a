"""The start-up self-test: tries to get out of a real sandbox, and fails closed.

A worker whose probe fails takes no work and says why. Nothing is remembered between two probes, because what they test
(the kernel's settings, the container, the installed bwrap) can change under a running machine.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from milestones.contract import OurTrouble
from milestones.sandbox import places, pool, probe_inside, seccomp
from milestones.sandbox.limits import MEGABYTE, SandboxLimits
from milestones.sandbox.protocol import array_to_text, text_to_array
from milestones.sandbox.session import Expected, Sandbox, StudentOutOfMemory, StudentSide, StudentTimedOut

_LIMITS = SandboxLimits(cpu_seconds=10, memory_bytes=256 * MEGABYTE, processes=16, tmp_bytes=16 * MEGABYTE)


@dataclass(frozen=True)
class ProbeResult:
    """One property of the sandbox, whether it holds, and what was seen."""

    name: str
    passed: bool
    detail: str


def probe() -> tuple[ProbeResult, ...]:
    """Try everything, in three real sandboxes and about a second. Never raises: trouble is a failed result."""
    results = [_guarded("The system call filter is the committed one", _filter_is_ours)]
    with tempfile.TemporaryDirectory(prefix="tinytorch-probe-") as folder:
        (Path(folder) / "a_file.py").write_text("# for the probe\n")
        try:
            results += _inside(Path(folder))
            results += _limits(Path(folder))
        except Exception as error:
            results.append(ProbeResult("The sandbox starts and answers", False, f"{error}"))
    return tuple(results)


def _inside(folder: Path) -> Iterator[ProbeResult]:
    hidden = ["/root", "/home", "/var", "/etc/shadow", str(places.CHECKOUT), str(places.base_folder()), str(folder)]
    questions = (
        ("The program has no rights inside", probe_inside.not_root, ""),
        ("It cannot gain any", probe_inside.no_new_privileges, ""),
        ("Dangerous system calls are refused", probe_inside.system_calls_filtered, ""),
        ("There is no network", probe_inside.no_network, ""),
        ("Only its scratch space can be written", probe_inside.nothing_writable, ""),
        ("The student's files cannot be changed", probe_inside.submission_read_only, ""),
        ("The worker's environment cannot be read", probe_inside.process_one_tells_nothing, ""),
        ("The host's files are not there", probe_inside.host_paths_absent, "\n".join(hidden)),
        ("It is alone and was handed nothing else", probe_inside.alone, ""),
        ("Its scratch space is limited", probe_inside.sized_scratch, str(_LIMITS.tmp_bytes)),
        ("Its processes are limited", probe_inside.process_limit, str(_LIMITS.processes + 8)),
    )
    with Sandbox(folder, limits=_LIMITS, harness=Path(probe_inside.__file__)) as sandbox:
        yield ProbeResult("The sandbox starts and answers", True, sandbox.usage.limits)
        for name, check, request in questions:
            yield _guarded(name, lambda check=check, request=request: _ask(sandbox, check, request))
        # Not earlier: the answers show that bwrap has left its outer namespace for good.
        yield _guarded("On the host it is nobody", lambda: _nobody_on_the_host(sandbox))
    yield _guarded("Nothing of it is left", lambda: _nothing_left(sandbox))


def _limits(folder: Path) -> Iterator[ProbeResult]:
    def memory() -> tuple[bool, str]:
        with Sandbox(folder, limits=_LIMITS, harness=Path(probe_inside.__file__)) as sandbox:
            try:
                return _ask(sandbox, probe_inside.use_memory, str(2 * _LIMITS.memory_bytes))
            except StudentOutOfMemory:
                return True, f"ended at {sandbox.usage.peak_memory_bytes >> 20} MB"

    def processor() -> tuple[bool, str]:
        # Half a minute to get half a second of processor: a busy machine is no reason to take no work.
        limits = replace(_LIMITS, cpu_seconds=0.5, wall_seconds=30.0)
        with Sandbox(folder, limits=limits, harness=Path(probe_inside.__file__)) as sandbox:
            try:
                return _ask(sandbox, probe_inside.spin, "")
            except StudentTimedOut:
                return True, f"ended after {sandbox.usage.cpu_seconds:.2f} CPU seconds"

    yield _guarded("Its memory is limited", memory)
    yield _guarded("Its processor time is limited", processor)


def _guarded(name: str, check: Callable[[], tuple[bool, str]]) -> ProbeResult:
    try:
        passed, detail = check()
    except (StudentSide, OurTrouble, OSError) as error:
        passed, detail = False, f"{type(error).__name__}: {error}"
    return ProbeResult(name, passed, detail)


def _ask(sandbox: Sandbox, check: Callable[[str], tuple[bool, str]], request: str) -> tuple[bool, str]:
    passed, detail = sandbox.ask(
        probe_inside.CHECKS.index(check),
        [text_to_array(request)],
        expect=[Expected(np.int64, (1,), 1), Expected(np.uint8, (None,), 8000)],
    )
    return bool(passed[0] == 1), array_to_text(detail, 8000)


def _filter_is_ours() -> tuple[bool, str]:
    file = seccomp.filter_file()
    machine = file.stem.removeprefix("seccomp_")
    return file.read_bytes() == seccomp.generate(machine), file.name


def _nobody_on_the_host(sandbox: Sandbox) -> tuple[bool, str]:
    """The user as the host sees it. (Inside, ``uid_map`` shows a 0 that belongs to bwrap's own outer namespace.)"""
    inside = sandbox.process_id
    with open(f"/proc/{inside}/status", encoding="utf-8") as file:
        users = next(line.split()[1:] for line in file if line.startswith("Uid:"))
    with open(f"/proc/{inside}/uid_map", encoding="ascii") as file:
        mapped = [line.split() for line in file]
    pooled = range(pool.FIRST_UID, pool.FIRST_UID + pool.POOL_SIZE)
    good = len(set(users)) == 1 and mapped == [["65534", users[0], "1"]] and users[0] != "0"
    if os.geteuid() == 0:
        good = good and int(users[0]) in pooled
    return good, f"user {users[0]}, map {mapped}" + (
        "" if os.geteuid() == 0 else " (the worker's own: all sandboxes share it)"
    )


def _nothing_left(sandbox: Sandbox) -> tuple[bool, str]:
    left = [str(path) for path in sandbox.places_used if path.exists()]
    return not left, f"left: {left}" if left else "no process, no control group, no folder"
