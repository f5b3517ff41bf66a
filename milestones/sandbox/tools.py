"""Running a trusted tool over a student's files inside the sandbox: the tool reads hostile input, no student code runs."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from milestones.contract import OurTrouble
from milestones.sandbox.answers import StudentCrashed, StudentOutOfMemory, StudentTimedOut
from milestones.sandbox.box import HARNESS, Box
from milestones.sandbox.bubblewrap import Descriptors
from milestones.sandbox.limits import SandboxLimits, Usage
from milestones.sandbox.places import harness_folder
from milestones.sandbox.protocol import clean_text
from milestones.sandbox.runtime import Runtime

MAX_OUTPUT_BYTES = 4 * 1024 * 1024
#: What looks at the structure of Python texts; it is a program and never imported by us.
INSPECTOR = Path(__file__).with_name("inspector.py")
_CHUNK = 256 * 1024
_LOOK_SECONDS = 0.1


@dataclass(frozen=True)
class ToolResult:
    """How a tool ended. The texts are at most 4 MB each and hold no control characters; ``truncated`` says that one was
    longer. ``exit_code`` is the tool's own, 128 + n after signal n."""

    exit_code: int
    stdout: str
    stderr: str
    usage: Usage
    truncated: bool = False


def run_tool(
    program: Sequence[str], submission: Path, *, limits: SandboxLimits, stdin: bytes | str | None = None
) -> ToolResult:
    """Run ``program`` with the student's files at ``/submission``, read-only.

    The first word is ``ruff``, ``inspector`` (``sandbox/inspector.py``), ``python`` (standard library only), or a path inside
    the runtime.
    Raises StudentTimedOut, StudentOutOfMemory and StudentCrashed (for a flood of output) when the files are too much for
    the tool, and OurTrouble when the sandbox does not work or the tool is not in it.
    """
    box = Box(limits)
    with Descriptors() as ours, Descriptors() as theirs:
        read_out, write_out = os.pipe()
        read_error, write_error = os.pipe()
        for descriptor in (read_out, read_error):
            os.set_blocking(ours.keep(descriptor), False)
        for descriptor in (write_out, write_error):
            theirs.keep(descriptor)
        given = theirs.keep(_file_of(stdin)) if stdin is not None else subprocess.DEVNULL
        box.start(
            Path(submission).resolve(),
            command=lambda runtime: _command(program, runtime),
            harness=harness_folder(INSPECTOR) if program[0] == "inspector" else None,
            environment={"RUFF_NO_CACHE": "true", "RUFF_CACHE_DIR": "/tmp/.ruff"},  # noqa: S108
            stdin=given,
            stdout=write_out,
            stderr=write_error,
        )
        theirs.close_all()
        try:
            collected = _collect(box, (read_out, read_error), limits)
            if not box.process.wait(5.0):
                raise OurTrouble("A tool closed its output and did not end.")
            if box.group.out_of_memory():
                raise _out_of_memory(limits)
            exit_code = box.process.returncode or 0
        finally:
            box.close()
    if exit_code < 0 or exit_code == 128 + signal.SIGKILL:
        raise OurTrouble(f"A tool's sandbox was killed from outside (exit status {exit_code}).")
    if exit_code == 127 or (exit_code == 1 and collected[read_error].startswith(b"bwrap: ")):
        raise OurTrouble(f"The tool did not start: {clean_text(collected[read_error].decode('utf-8', 'replace'))}")
    texts = [clean_text(collected[end][:MAX_OUTPUT_BYTES].decode("utf-8", "replace")) for end in (read_out, read_error)]
    truncated = any(len(data) > MAX_OUTPUT_BYTES for data in collected.values())
    return ToolResult(exit_code, *texts, usage=box.usage, truncated=truncated)


def _command(program: Sequence[str], runtime: Runtime) -> list[str]:
    name, *arguments = program
    needed = {"ruff": runtime.ruff, "inspector": runtime.tools}.get(name)
    if needed and not (runtime.path / needed.lstrip("/")).exists():
        tool = "Radon" if name == "inspector" else name
        raise OurTrouble(f"{tool} is not in the sandbox runtime: install it beside the project and build it again.")
    if name == "ruff":
        return [runtime.ruff, *arguments]
    if name == "inspector":
        return [runtime.python, "-I", "-S", "-X", "utf8", f"{HARNESS}/{INSPECTOR.name}", *arguments]
    if name == "python":
        return [runtime.python, "-I", "-S", *arguments]
    return [name, *arguments]


def _collect(box: Box, ends: tuple[int, int], limits: SandboxLimits) -> dict[int, bytearray]:
    """Read both outputs to their ends, within the limits; of each, one byte more than the limit at most."""
    collected = {end: bytearray() for end in ends}
    total = 0
    started = time.monotonic()
    with selectors.DefaultSelector() as selector:
        for end in ends:
            selector.register(end, selectors.EVENT_READ)
        next_look = started + _LOOK_SECONDS
        while selector.get_map():
            for key, _ready in selector.select(max(0.0, next_look - time.monotonic())):
                data = os.read(key.fd, _CHUNK)
                if not data:
                    selector.unregister(key.fd)
                total += len(data)
                collected[key.fd] += data[: max(0, MAX_OUTPUT_BYTES + 1 - len(collected[key.fd]))]
            if total > limits.output_bytes:
                raise StudentCrashed("A tool wrote far too much about these files.", None, "")
            now = time.monotonic()
            if now >= next_look:
                next_look = now + _LOOK_SECONDS
                if box.group.out_of_memory():
                    raise _out_of_memory(limits)
                cpu = box.group.cpu_seconds()
                if cpu >= limits.cpu_seconds:
                    raise StudentTimedOut(cpu, now - started, sleeper=False)
                if now - started >= limits.wall:
                    raise OurTrouble(f"A tool was not done after {limits.wall:.0f} seconds ({cpu:.1f} of computing).")
    return collected


def _out_of_memory(limits: SandboxLimits) -> StudentOutOfMemory:
    return StudentOutOfMemory(f"A tool needed more than {limits.memory_bytes >> 20} MB of memory for these files.")


def _file_of(data: bytes | str) -> int:
    """A descriptor to read ``data`` from: an unnamed file, since a pipe could fill up."""
    with tempfile.TemporaryFile() as file:
        file.write(data.encode() if isinstance(data, str) else data)
        file.seek(0)
        return os.dup(file.fileno())
