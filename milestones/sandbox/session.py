"""A sandbox as the grader sees it: questions go in, arrays or typed failures of the student's side come out.

::

    with Sandbox(folder, limits=SandboxLimits(cpu_seconds=20, memory_bytes=1 << 30)) as sandbox:
        (output,) = sandbox.ask(operation, [inputs], expect=[Expected(np.float32, (10, None), 1000)])

Inside runs ``/harness/milestones/student/harness.py FD FOLDER…``: the number of its socket, then the folders to import
from. The student's files are at ``sandbox.submission_path``. Everything that comes out is hostile: a frame is refused by
its header, before memory is taken for it, unless it is the awaited answer to the awaited question in an expected shape.
"""

from __future__ import annotations

import contextlib
import functools
import os
import secrets
import selectors
import signal
import socket
import sys
import sysconfig
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

import numpy as np

from milestones.contract import OurTrouble
from milestones.sandbox import places
from milestones.sandbox.answers import (
    Expected,
    StudentCrashed,
    StudentFault,
    StudentOutOfMemory,
    StudentProtocolViolation,
    StudentSide,
    StudentTimedOut,
)
from milestones.sandbox.box import HARNESS, SUBMISSION, Box
from milestones.sandbox.bubblewrap import Descriptors
from milestones.sandbox.limits import SandboxLimits, Usage
from milestones.sandbox.output import Output
from milestones.sandbox.protocol import (
    MAX_FAULT_NUMBERS,
    MAX_FAULT_TEXT,
    Decoder,
    Frame,
    FrameHeader,
    FrameLimits,
    Kind,
    ProtocolError,
    check_fault,
    encode,
    read_fault,
)
from milestones.sandbox.runtime import Runtime

__all__ = [
    "Expected",
    "Sandbox",
    "SandboxLimits",
    "StudentCrashed",
    "StudentFault",
    "StudentOutOfMemory",
    "StudentProtocolViolation",
    "StudentSide",
    "StudentTimedOut",
    "Usage",
]

_CHUNK = 256 * 1024
_LOOK_SECONDS = 0.1  # how often CPU time and memory are looked at
_HEARTBEAT_SECONDS = 0.25
_OVERSLEPT_SECONDS = 1.0  # later than this after a time-out, we were not running
# How many times the wall limit is waited for when the program would work and gets no processor.
_BUSY_FACTOR = 5
_FAULT_BYTES = 8 * MAX_FAULT_NUMBERS + MAX_FAULT_TEXT

# The same as -I without its -E: the environment holds nothing but what is set here, and the hash seed comes through it.
_PYTHON_FLAGS = ("-P", "-s", "-S")


class Sandbox:
    """One sandbox with one run of the harness in it; a context manager. Not to be shared between threads.

    ``bare=True`` runs the same harness as a plain process with the same protocol and no isolation at all, for benchmarks
    and for people's own machines. ``harness`` replaces our harness by another program. ``hash_seed`` fixes the order of
    Python's sets of strings.
    """

    def __init__(
        self,
        submission: Path,
        *,
        limits: SandboxLimits,
        harness: Path | None = None,
        bare: bool = False,
        hash_seed: int = 0,
    ) -> None:
        self.limits = limits
        self._submission = Path(submission).resolve()
        self._program = harness
        self._bare = bare
        self._hash_seed = hash_seed
        self._output = Output()
        self._box = Box(limits)
        self._waited = 0.0  # wall seconds spent in ask(), those aside in which no processor was free
        self._heard = False  # whether the harness has ever taken in a whole question
        self._end: Exception | None = None  # why no more can be asked
        self._cleanup = contextlib.ExitStack()
        self._connection: socket.socket
        self._log: int
        self._selector: selectors.BaseSelector

    @property
    def submission_path(self) -> str:
        """Where the student's files are, as the harness sees them."""
        return str(self._submission) if self._bare else SUBMISSION

    @property
    def alive(self) -> bool:
        """Whether another question can be asked."""
        return self._box.is_open and self._end is None

    @property
    def log(self) -> str:
        """What the program has printed: the first and last 64 KB of both its outputs, without control characters."""
        return self._output.text()

    def log_tail(self, characters: int) -> str:
        """The end of :attr:`log`."""
        return self._output.tail(characters)

    @property
    def usage(self) -> Usage:
        """What has been used so far; after the end, in all."""
        return self._box.usage

    @property
    def resident_bytes(self) -> int:
        """What the inside holds in memory now, as the host sees it."""
        return self._box.group.resident_bytes() if self._box.is_open else 0

    @property
    def process_id(self) -> int:
        """The first process of the inside, as the host numbers it."""
        return self._box.process.inside_pid

    @property
    def processes(self) -> list[int]:
        """All processes of the sandbox that run now, as the host numbers them."""
        return sorted({self.process_id, *self._box.group.processes()}) if self._box.is_open else []

    @property
    def places_used(self) -> tuple[Path, ...]:
        """The folders that exist on the host for as long as the sandbox is open: its job's and its control groups'."""
        return self._box.places_used

    # -- life --------------------------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        with Descriptors() as theirs:
            connection, log = self._open_channels(theirs)
            try:
                harness = places.harness_folder(self._program)
                if self._bare:
                    # NumPy's own folder first: it may have been found by a road that the bare interpreter does not know.
                    found = str(Path(np.__file__).parents[1])
                    packages = dict.fromkeys((found, sysconfig.get_path("purelib"), sysconfig.get_path("platlib")))
                    program = str(harness.folder / harness.program)
                    command = [sys.executable, *_PYTHON_FLAGS, program, str(connection), str(harness.folder), *packages]
                    self._box.start_bare(command, environment=self._environment(), inherit=(connection,), stdout=log)
                else:

                    def inside(runtime: Runtime) -> list[str]:
                        program = f"{HARNESS}/{harness.program}"
                        folders = (HARNESS, runtime.site_packages)
                        return [runtime.python, *_PYTHON_FLAGS, program, str(connection), *folders]

                    self._box.start(
                        self._submission,
                        command=inside,
                        harness=harness,
                        environment=self._environment(),
                        inherit=(connection,),
                        stdout=log,
                        stderr=log,
                    )
            except BaseException as error:
                theirs.close_all()
                self._take_output()
                self._cleanup.close()
                if isinstance(error, OurTrouble | OSError):
                    raise OurTrouble(f"{error} {self._output.tail()}".strip()) from error
                raise
        if self._box.process.descriptor is not None:
            self._selector.register(self._box.process.descriptor, selectors.EVENT_READ)
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def close(self) -> None:
        """End everything inside and remove every trace of it; a second time does nothing.

        Raises OurTrouble when something could not be ended or removed.
        """
        if not self._box.is_open:
            return
        with self._cleanup:
            self._selector.close()
            try:
                self._box.close()
            finally:
                self._take_output()

    def _open_channels(self, theirs: Descriptors) -> tuple[int, int]:
        """Make the private socket and the log pipe; the ends that the program gets, left in the care of ``theirs``."""
        self._connection, other = socket.socketpair()
        connection = theirs.keep(other.detach())
        self._cleanup.callback(self._connection.close)
        self._log, write = os.pipe()
        log = theirs.keep(write)
        self._cleanup.callback(os.close, self._log)
        self._connection.setblocking(False)
        os.set_blocking(self._log, False)
        self._selector = selectors.DefaultSelector()
        self._cleanup.callback(self._selector.close)
        self._selector.register(self._connection, selectors.EVENT_READ)
        self._selector.register(self._log, selectors.EVENT_READ)
        return connection, log

    def _environment(self) -> dict[str, str]:
        return {
            "PYTHONHASHSEED": str(self._hash_seed % (1 << 32)),
            "PYTHONUNBUFFERED": "1",  # what is printed right before a crash is worth the most
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONFAULTHANDLER": "1",
        }

    # -- questions ---------------------------------------------------------------------------------------------------

    def ask(
        self,
        operation: int,
        arrays: Sequence[np.ndarray],
        *,
        expect: Sequence[Expected],
        cpu_seconds: float | None = None,
        on_wait: Callable[[], None] | None = None,
    ) -> list[np.ndarray]:
        """Put one question and return the arrays of its answer, each as ``expect`` says.

        ``cpu_seconds`` limits this one question, beside what the sandbox has left. ``on_wait`` is called about four
        times a second; what it raises ends the sandbox and comes through.

        Raises StudentFault, after which more can be asked; any other StudentSide, or OurTrouble, after which the sandbox
        is gone and asking again raises the same once more.
        """
        if self._end is not None:
            raise self._end
        if not self._box.is_open:
            raise OurTrouble("A question was put to a sandbox that is not open.")
        request = Frame(Kind.REQUEST, operation, secrets.randbits(64), tuple(arrays))
        try:
            outgoing = [memoryview(part) for part in encode(request)]
        except ProtocolError as error:
            raise OurTrouble(f"The question cannot be written: {error}") from error
        clock = _Clock(self, cpu_seconds)
        try:
            answer = self._exchange(request, outgoing, expect, clock, on_wait)
        except BaseException as error:
            # After anything unforeseen, an interrupt included, the conversation has no known state.
            self._end = error if isinstance(error, StudentSide | OurTrouble) else OurTrouble("The sandbox was stopped.")
            self.close()
            raise
        finally:
            self._waited += clock.own_wall_seconds()
        if answer.kind is Kind.FAULT:
            raise StudentFault(*read_fault(answer))
        return list(answer.arrays)

    def _exchange(
        self,
        request: Frame,
        outgoing: list[memoryview],
        expect: Sequence[Expected],
        clock: _Clock,
        on_wait: Callable[[], None] | None,
    ) -> Frame:
        """Send and receive in one loop, since either side may fill its buffer first, and take in what is printed."""
        self._refuse_unasked()
        decoder = Decoder(
            FrameLimits(
                arrays=max(2, len(expect)),
                total_bytes=max(_FAULT_BYTES, sum(expected.max_bytes for expected in expect)),
            ),
            objection=functools.partial(_refuse_unexpected, request, expect),
        )
        next_look = time.monotonic() + _LOOK_SECONDS
        next_beat = time.monotonic() + _HEARTBEAT_SECONDS
        self._selector.modify(self._connection, selectors.EVENT_READ | selectors.EVENT_WRITE)
        while True:
            events = self._select(min(next_look, next_beat), clock)
            answer = self._serve(events, outgoing, decoder)
            if answer is not None:
                return answer
            now = time.monotonic()
            if now >= next_look:
                next_look = now + _LOOK_SECONDS
                self._look_around(clock)
            if now >= next_beat:
                next_beat = now + _HEARTBEAT_SECONDS
                if on_wait is not None:
                    on_wait()

    def _select(self, until: float, clock: _Clock) -> list[tuple[selectors.SelectorKey, int]]:
        """What is ready by ``until``. When we ourselves were stopped meanwhile, or the whole machine was, that time is
        not the program's."""
        before = time.monotonic()
        events = self._selector.select(max(0.0, until - before))
        overslept = time.monotonic() - max(before, until)
        if overslept > _OVERSLEPT_SECONDS:
            clock.excuse(overslept)
            self._waited -= overslept
        return events

    def _serve(
        self, events: list[tuple[selectors.SelectorKey, int]], outgoing: list[memoryview], decoder: Decoder
    ) -> Frame | None:
        """Move what can be moved now; the answer when it has become complete."""
        ready = {key.fileobj: mask for key, mask in events}
        if self._log in ready:
            self._take_output(reads=1)
            if self._output.total_bytes > self.limits.output_bytes:
                megabytes = self.limits.output_bytes / 1e6
                reason = f"The program printed more than {megabytes:.0f} MB and was stopped."
                raise StudentCrashed(reason, None, self._output.tail())
        connection = ready.pop(self._connection, 0)
        if connection & selectors.EVENT_WRITE:
            self._send(outgoing)
            if not outgoing:
                self._selector.modify(self._connection, selectors.EVENT_READ)
        if connection & selectors.EVENT_READ:
            answer = self._receive(decoder, everything_sent=not outgoing)
            if answer is not None:
                self._take_output()
            return answer
        if not connection and self._box.process.descriptor in ready:
            # The program has ended, and its socket has nothing more to say.
            raise self._why_it_ended(unread=bool(outgoing))
        return None

    def _look_around(self, clock: _Clock) -> None:
        """What no descriptor tells: memory, CPU time, and the end of a program whose child still holds the socket."""
        if self._box.group.out_of_memory():
            raise self._out_of_memory()
        # Before the clock: when bwrap alone was killed, what it had begun to set up may wait for it for ever.
        code = self._box.process.poll()
        if code is not None and (code < 0 or self._box.process.descriptor is None):
            raise self._why_it_ended(unread=False)
        clock.check()

    def _send(self, outgoing: list[memoryview]) -> None:
        try:
            sent = self._connection.send(outgoing[0])
        except BlockingIOError:
            return
        except (BrokenPipeError, ConnectionResetError):
            raise self._why_it_ended(unread=True) from None
        if sent == len(outgoing[0]):
            del outgoing[0]
        else:
            outgoing[0] = outgoing[0][sent:]

    def _receive(self, decoder: Decoder, *, everything_sent: bool) -> Frame | None:
        try:
            data = self._connection.recv(_CHUNK)
        except BlockingIOError:
            return None
        except ConnectionResetError:
            # The kernel's word that the other end went away without having read all that we sent.
            raise self._why_it_ended(unread=True) from None
        if not data:
            raise self._why_it_ended(unread=not everything_sent)
        try:
            frames = decoder.feed(data)
        except ProtocolError as error:
            raise StudentProtocolViolation(str(error)) from error
        if not frames:
            return None
        if len(frames) > 1 or decoder.mid_frame:
            raise StudentProtocolViolation("More than one answer came to one question.")
        if not everything_sent:
            raise StudentProtocolViolation("An answer came before the question was complete.")
        self._heard = True
        return frames[0]

    def _refuse_unasked(self) -> None:
        with contextlib.suppress(BlockingIOError, ConnectionResetError):
            if self._connection.recv(1):
                raise StudentProtocolViolation("Something was sent that nobody had asked for.")

    def _why_it_ended(self, *, unread: bool) -> StudentSide | OurTrouble:
        """The failure that the end of the connection stands for. ``unread``: not all of our question had been read."""
        process, group = self._box.process, self._box.group
        if not process.wait(1.0):
            return StudentProtocolViolation("The program closed its connection.")
        self._take_output()
        if group.out_of_memory():
            return self._out_of_memory()
        if unread and not self._heard:
            # No student code runs before the first question has been read, so it was not the student's.
            return OurTrouble(f"The harness did not start (exit status {process.returncode}). {self.log[-2000:]}")
        return self._what_the_code_means(process.returncode or 0)

    def _what_the_code_means(self, code: int) -> StudentSide | OurTrouble:
        """The failure that an exit code stands for, when it was not for want of memory."""
        # bwrap passes a signal on as a shell does; without bwrap it is a negative number.
        number = -code if code < 0 else code - 128 if code > 128 else None
        if number == signal.SIGXCPU or self._box.group.cpu_seconds() >= self.limits.cpu_seconds:
            return StudentTimedOut(self._box.group.cpu_seconds(), self.usage.wall_seconds, sleeper=False)
        if not self._bare and (code < 0 or number == signal.SIGKILL):
            # Nothing inside reaches bwrap, and the filter lets no program send SIGKILL to itself (see ``seccomp``).
            return OurTrouble(f"The sandbox was killed from outside (exit status {code}).")
        if number is None:
            reason = f"The program ended with exit status {code} instead of answering."
            return StudentCrashed(reason, code, self._output.tail())
        name = signal.Signals(number).name if number in iter(signal.Signals) else f"signal {number}"
        return StudentCrashed(f"The program was ended by {name}.", None, self._output.tail(), number)

    def _out_of_memory(self) -> StudentOutOfMemory:
        megabytes = self.limits.memory_bytes / (1 << 20)
        return StudentOutOfMemory(f"The program needed more than the {megabytes:.0f} MB of memory that it may use.")

    def _take_output(self, *, reads: int = 16) -> None:
        """Take in what has been printed, in a bounded number of reads: a flood must not hold up the rest."""
        with contextlib.suppress(BlockingIOError, KeyError):
            for _ in range(reads):
                data = os.read(self._log, _CHUNK)
                if not data:
                    self._selector.unregister(self._log)
                    return
                self._output.add(data)


class _Clock:
    """The deadlines of one question, in CPU time and in wall time.

    Wall time in which the program stood ready and got no processor is not the program's: it is taken off, so that neither
    a busy machine ends a program that works nor a program that sleeps can pass for one that was kept waiting.
    """

    def __init__(self, sandbox: Sandbox, cpu_seconds: float | None) -> None:
        limits, group = sandbox.limits, sandbox._box.group
        self._group = group
        self._cpu_at_start = group.cpu_seconds()
        self._started = time.monotonic()
        self._waiting = group.waiting_by_thread()
        self._kept_waiting = 0.0
        self._cpu = limits.cpu_seconds - self._cpu_at_start
        self._wall = limits.wall - sandbox._waited
        if cpu_seconds is not None:
            self._cpu = min(self._cpu, cpu_seconds)
            self._wall = min(self._wall, cpu_seconds * limits.wall / limits.cpu_seconds)

    def excuse(self, seconds: float) -> None:
        """Take off wall time in which nothing could be expected of the program."""
        self._started += seconds

    def check(self) -> None:
        """Raise StudentTimedOut when the CPU budget or the program's own wall time is spent, OurTrouble when the machine
        was too busy for it to finish in time."""
        wall = time.monotonic() - self._started
        cpu = self._group.cpu_seconds() - self._cpu_at_start
        if cpu >= self._cpu:
            raise StudentTimedOut(cpu, wall, sleeper=False)
        if self.own_wall_seconds() >= self._wall:
            raise StudentTimedOut(cpu, wall, sleeper=True)
        if wall >= _BUSY_FACTOR * self._wall:
            raise OurTrouble(
                f"The machine was too busy: in {wall:.1f} seconds the program got a processor for {cpu:.1f} and waited for "
                f"one for {self._kept_waiting:.1f}."
            )

    def own_wall_seconds(self) -> float:
        """Wall seconds since the start, without those in which the program waited for a processor."""
        now, waiting = time.monotonic(), self._group.waiting_by_thread()
        # The thread that waited longest stands for all: sixty that wait for one another must not count sixty times.
        longest = max((seconds - self._waiting.get(thread, 0.0) for thread, seconds in waiting.items()), default=0.0)
        self._kept_waiting = min(self._kept_waiting + max(longest, 0.0), now - self._started)
        self._waiting = waiting
        return now - self._started - self._kept_waiting


def _refuse_unexpected(request: Frame, expect: Sequence[Expected], header: FrameHeader) -> None:
    """Raise ProtocolError unless ``header`` announces the answer to ``request``, or a fault about it."""
    if header.request_id != request.request_id or header.operation != request.operation:
        raise ProtocolError("The answer belongs to another question.")
    if header.kind is Kind.FAULT:
        check_fault(header)
        return
    if header.kind is not Kind.ANSWER:
        raise ProtocolError("The sandbox asks instead of answering.")
    if len(header.arrays) != len(expect):
        raise ProtocolError(f"The answer has {len(header.arrays)} arrays and not {len(expect)}.")
    for number, (announced, expected) in enumerate(zip(header.arrays, expect, strict=True)):
        if not expected.accepts(announced.dtype, announced.shape):
            raise ProtocolError(
                f"Array {number} of the answer is {announced.dtype} {announced.shape}; expected was {expected}."
            )
