"""The line to one sandbox: starting it, loading the package in it, asking, and what it used."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from milestones.discovery import PackageLocation
from milestones.sandbox.protocol import array_to_text, text_to_array
from milestones.sandbox.session import (
    Expected,
    Sandbox,
    StudentCrashed,
    StudentFault,
    StudentOutOfMemory,
    StudentSide,
    StudentTimedOut,
)
from milestones.student.operations import COMPONENT_NAMES, REPORT_BYTES, Operation

LARGEST_ANSWER = 8_000_000  # numbers in one answer of a single component
MOST_RESTARTS = 3
MOST_MODULES = 400
MOST_LOADS = 8
# CPU seconds that importing one module may take, as the inside counts them, and how much more patient we are outside:
# what is still running then can't be interrupted from inside, so its sandbox is given up.
IMPORT_SECONDS = 5.0
PATIENCE = 1.6


@dataclass(frozen=True)
class LoadReport:
    """What importing the package gave: modules by how it went, and which components were found. ``exported`` maps modules
    that the package lacked to the sources they were taken from, ``stopped`` those that took too long.
    All names and texts are the sandboxed side's words."""

    loaded: tuple[str, ...]
    failed: Mapping[str, str]
    syntax: Mapping[str, str]
    components: Mapping[str, str]
    missing: Mapping[str, str] = field(default_factory=dict)
    exported: Mapping[str, str] = field(default_factory=dict)
    stopped: Mapping[str, str] = field(default_factory=dict)
    precision: str = "float64"

    @property
    def usable(self) -> bool:
        """Whether anything can be asked at all: without a Tensor there is nothing to hand to a layer."""
        return "tensor" in self.components

    @classmethod
    def parse(cls, text: str) -> LoadReport:
        """Read the tab-separated lines of the REPORT answer. The text is hostile: malformed lines are dropped, later ones of
        the same name too."""
        rows: dict[str, dict[str, str]] = {status: {} for status in ("ok", "failed", "syntax", "exported", "stopped")}
        components: dict[str, str] = {}
        missing: dict[str, str] = {}
        precision = "float64"
        seen = set()
        for line in text.split("\n")[: MOST_MODULES + 100]:
            parts = [one_line(part) for part in line.split("\t")]
            if len(parts) != 3 or not parts[0] or parts[0] in seen:
                continue
            name, status, detail = parts[0][:200], parts[1], parts[2]
            seen.add(name)
            component = name.removeprefix("component:")
            if component in COMPONENT_NAMES and component != name:
                (components if status == "ok" else missing)[component] = detail
            elif name == "precision:":
                precision = "float32" if status in ("float32", "float16") else "float64"
            elif status in rows:
                rows[status][name] = detail
        return cls(
            loaded=tuple(rows["ok"]),
            failed=rows["failed"] | rows["stopped"],
            syntax=rows["syntax"],
            components=components,
            missing=missing,
            exported=rows["exported"],
            stopped=rows["stopped"],
            precision=precision,
        )


@dataclass(frozen=True)
class _Culprit:
    """A module in whose import the sandbox was lost. The name is the sandboxed side's word."""

    name: str
    reason: str
    is_package: bool


class Connection:
    """A sandbox that is started at the first question and again after a crash.

    ``open_sandbox(cpu_seconds)`` starts one; ``cpu_seconds`` is what remains of the group's budget; a second argument, where
    it is given, is the hash seed that the order of Python's sets comes from. ``blocked`` are modules
    that ended the program when they were imported, with the reason; it is added to, so that the next group's student
    knows them already.
    """

    def __init__(
        self,
        *,
        open_sandbox: Callable[..., Sandbox],
        location: PackageLocation,
        cpu_seconds: float,
        seed: int,
        on_wait: Callable[[], None] | None = None,
        blocked: dict[str, str] | None = None,
    ) -> None:
        self._open = open_sandbox
        self._location = location
        self._budget = cpu_seconds
        self._seed = seed
        self._on_wait = on_wait
        self._blocked = {} if blocked is None else blocked
        self._sandbox: Sandbox | None = None
        self._hash_seed: tuple[int, ...] = ()
        self._restarts = 0
        self._spent = 0.0
        self._spent_up = False
        self._report: LoadReport | None = None
        self.usages: list[Any] = []
        self.logs: list[str] = []

    # -- life --------------------------------------------------------------------------------------------------------

    @property
    def cpu_seconds_used(self) -> float:
        return self._spent + (self._sandbox.usage.cpu_seconds if self._sandbox else 0.0)

    @property
    def cpu_seconds_left(self) -> float:
        return max(0.0, self._budget - self.cpu_seconds_used)

    @property
    def resident_bytes(self) -> int:
        """What the sandbox holds in memory now, seen from outside; 0 where none runs."""
        return self._sandbox.resident_bytes if self._sandbox else 0

    @property
    def peak_memory_bytes(self) -> int:
        """The most that the running sandbox has held at once, seen from outside; 0 where none runs."""
        return self._sandbox.usage.peak_memory_bytes if self._sandbox else 0

    @property
    def out_of_time(self) -> bool:
        return self._spent_up

    def log_tail(self, characters: int) -> str:
        """The end of what the code has printed so far, over all sandboxes of this student."""
        now = self._sandbox.log_tail(characters) if self._sandbox else ""
        return "\n".join(log for log in (*self.logs, now) if log)[-characters:]

    def close(self) -> None:
        """End the sandbox and keep what it used and printed."""
        if self._sandbox is not None:
            self._sandbox.__exit__(None, None, None)
            self._spent += self._sandbox.usage.cpu_seconds
            self.usages.append(self._sandbox.usage)
            self.logs.append(self._sandbox.log)
            self._sandbox = None

    def start_afresh(self, *, hash_seed: int | None = None) -> None:
        """End the sandbox: the next question finds a new one in which nothing of this student's has run, and in which Python's
        sets have another order where ``hash_seed`` says so. That is no crash, and is not counted as one."""
        self.close()
        self._hash_seed = () if hash_seed is None else (hash_seed,)
        self._restarts = max(self._restarts - 1, 0)

    def _ask(
        self,
        operation: Operation,
        settings: Mapping[str, Any],
        arrays: Sequence[NDArray],
        expect: Sequence[Expected],
        *,
        cpu_seconds: float | None = None,
    ) -> list[NDArray]:
        text = text_to_array(json.dumps({"seed": self._seed, **settings}))
        assert self._sandbox is not None
        try:
            return self._sandbox.ask(
                operation, [text, *arrays], expect=expect, cpu_seconds=cpu_seconds, on_wait=self._on_wait
            )
        except StudentSide:
            if not self._sandbox.alive:
                self.close()
            raise

    def _question(
        self, operation: Operation, settings: Mapping[str, Any], arrays: Sequence[NDArray], expect: Sequence[Expected]
    ) -> list[NDArray]:
        """Ask once the package is loaded; running out of time in a question is the end of this student's budget."""
        if self._sandbox is None:
            self.load()
        try:
            return self._ask(operation, settings, arrays, expect)
        except StudentTimedOut:
            self._spent_up = True
            raise

    # -- loading -----------------------------------------------------------------------------------------------------

    def load(self) -> LoadReport:
        """Import the package in a fresh sandbox, unless one is running, and report how that went.

        A module that ends the program, or can't be stopped, is blocked and the rest is loaded without it:

        1. Modules are imported one by one, so it is known in which import the sandbox was lost. That module is suspected:
           it may only have imported the culprit.
        2. When a further one does the same, the earlier suspects get one more chance with that one blocked; packages,
           which import much and come first, only once a plain module was found.

        What the lost sandboxes computed is not counted.
        """
        if self._sandbox is not None and self._report is not None:
            return self._report
        if self._restarts > MOST_RESTARTS:
            raise StudentCrashed("the program ended itself several times; it was not started again", None, "")
        self._restarts += 1
        suspects: list[str] = []
        acquitted: set[str] = set()
        for _ in range(MOST_LOADS):
            spent = self._spent
            try:
                culprit = self._try_to_load()
            except StudentSide:
                # A sandbox whose package is not loaded is of no use, even where it lives and has only refused.
                self.close()
                raise
            if culprit is None:
                assert self._report is not None
                return self._report
            self._spent = spent
            if not culprit.is_package and culprit.name not in acquitted:
                for suspect in suspects:
                    self._blocked.pop(suspect, None)
                acquitted.update(suspects)
                suspects = []
            if culprit.name not in acquitted:
                suspects.append(culprit.name)
            self._blocked[culprit.name] = culprit.reason
        raise StudentCrashed("importing the package ends the program", None, "")

    def _try_to_load(self) -> _Culprit | None:
        """Import everything in a fresh sandbox; the module in whose import the sandbox was lost."""
        self._sandbox = self._open(max(self.cpu_seconds_left, 1.0), *self._hash_seed)
        self._sandbox.__enter__()
        (text,) = self._ask(Operation.LOAD, self._location_settings(), [], [text_of(REPORT_BYTES)])
        names = [one_line(name, most=200) for name in array_to_text(text, REPORT_BYTES).split("\n")[:MOST_MODULES]]
        for position, name in enumerate(names):
            try:
                self._ask(Operation.IMPORT, {"module": position}, [], [DONE], cpu_seconds=IMPORT_SECONDS * PATIENCE)
            except StudentFault:
                continue
            except StudentSide as error:
                if isinstance(error, StudentTimedOut) and not error.sleeper and error.cpu_seconds < IMPORT_SECONDS:
                    # Not this module's fault: all of them together took too long.
                    self._spent_up = True
                    raise
                return _Culprit(name, _why_blocked(error), any(other.startswith(f"{name}.") for other in names))
        (text,) = self._ask(Operation.REPORT, {}, [], [text_of(REPORT_BYTES)])
        self._report = LoadReport.parse(array_to_text(text, REPORT_BYTES))
        self._blocked.update(self._report.stopped)
        return None

    def _location_settings(self) -> dict[str, Any]:
        assert self._sandbox is not None
        location = self._location
        return {
            "base": self._sandbox.submission_path,
            "root": location.root,
            "single": location.single,
            "notebooks": list(location.notebooks),
            "sources": list(location.sources),
            "submission": location.submission,
            "weights": list(location.weights),
            "blocked": self._blocked,
            "import_seconds": IMPORT_SECONDS,
        }

    def _in_working_precision(self, answer: NDArray) -> NDArray:
        """The answer in the precision that the framework really works in, which is what tolerances go by: a float64
        gradient of a float32 network is only good to float32, and so are float64 numbers that all fit into float32."""
        assert self._report is not None
        with np.errstate(over="ignore"):
            rounded = answer.astype(np.float32)
        single = self._report.precision == "float32" or np.array_equal(rounded, answer)
        return rounded if single else answer


# What an operation answers that only does something.
DONE = Expected(np.int64, (1,), 1)


def any_numbers() -> Expected:
    """One array of floating-point numbers of any shape."""
    return Expected((np.float32, np.float64), None, LARGEST_ANSWER)


def text_of(most_bytes: int) -> Expected:
    """A text of at most so many bytes."""
    return Expected(np.uint8, (None,), most_bytes)


def one_line(text: str, *, most: int = 1_000) -> str:
    """Text of the sandboxed side in one line, every run of blanks, tabs and line breaks as one blank, and not too long."""
    return " ".join(text.split())[:most]


def _why_blocked(error: StudentSide) -> str:
    """Why a module was blocked, to be read after its name."""
    if isinstance(error, StudentTimedOut):
        return (
            "importing it takes for ever"
            if error.sleeper
            else f"importing it takes over {IMPORT_SECONDS:g} CPU seconds"
        )
    if isinstance(error, StudentOutOfMemory):
        return "importing it needs more memory than allowed"
    if isinstance(error, StudentCrashed) and error.exit_code is not None:
        return f"importing it ends the program (exit status {error.exit_code})"
    return f"importing it ends the program: {one_line(str(error), most=300)}"
