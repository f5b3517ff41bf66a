"""One evaluation from file to result: read the upload, ask the sandboxed code group by group, diagnose, score.

The command line, the workers and the tests call this same function. It knows nothing of who asked.
"""

from __future__ import annotations

import functools
import hashlib
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from milestones import __version__, archive, registry, rubric
from milestones.checks.outcome import TOOL_MISSING, failed, not_run, sentence_of
from milestones.contract import (
    Check,
    Evaluation,
    Exhibit,
    Group,
    Measurement,
    Milestone,
    Progress,
    Resources,
    Status,
)
from milestones.datasets.store import open_store
from milestones.diagnosis import diagnose
from milestones.discovery import PackageLocation, find_package
from milestones.lab import Lab
from milestones.proxy import Student
from milestones.sandbox.bare_tool import ToolIsMissing, run_bare_tool
from milestones.sandbox.box import SUBMISSION
from milestones.sandbox.places import opened_folder
from milestones.sandbox.session import Sandbox, SandboxLimits, StudentSide, Usage
from milestones.sandbox.tools import ToolResult, run_tool
from milestones.source import Source

LOG_BYTES = 64 * 1024
#: Characters of output that a page shows while the run goes on.
LIVE_TAIL = 4_096
# Reasons for a person to look that a measurement's evidence can give.
HUMAN_REASONS = {
    "better_on_unseen": "the supplied weights do better on unseen images than on training images",
    "text_of_supplied_weights": "a person reads the text that the supplied weights write: real words are no sense yet",
    "one_function_dominates": "a single function makes most of the calls that count as component reuse",
}


def inspect(path: Path) -> tuple[archive.Upload, PackageLocation]:
    """Read an upload and find the framework in it, running nothing.

    Raises UnusableInput with one clear sentence where it can't be assessed.
    """
    upload = archive.read(path)
    return upload, find_package(upload.files)


def evaluate(
    milestone: str | int | Milestone,
    path: Path,
    *,
    seed: int | None = None,
    datasets: Path | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    counts: Mapping[str, int] | None = None,
    identity: bytes = b"",
    benchmark_mark: float | None = None,
    time_factor: float = 1.0,
    bare: bool = False,
) -> Evaluation:
    """Assess the framework at ``path`` (archive, folder or file) on one milestone.

    Parameters
    ----------
    seed: of every random draw; fresh from ``secrets`` unless given. The same seed and counts give the same score.
    datasets: folder of data sets; ``DATASETS_DIR`` unless given; practice data where there is none.
    on_progress: called at every step and about four times a second while the sandbox works; what it raises ends the
        evaluation and goes through.
    counts: sizes that an earlier run of this evaluation settled on, replayed.
    identity: secret per student, fixes small draws over attempts.
    benchmark_mark: a course's own mark instead of the rubric's.
    time_factor: multiplies CPU budgets (accommodations).
    bare: without a sandbox, for measuring its cost and for a student's own machine.

    Raises
    ------
    UnusableInput: the upload can't be assessed. OurTrouble: our own machinery failed. KeyError: no such milestone.
    """
    milestone = milestone if isinstance(milestone, Milestone) else registry.get(milestone)
    started = time.monotonic()
    upload, location = inspect(path)
    run = _Run(
        milestone=milestone,
        upload=upload,
        location=location,
        lab=Lab(
            seed=secrets.randbits(62) if seed is None else seed,
            datasets=open_store(datasets),
            identity=identity,
            package_digest=upload.digest,
            counts=counts,
            mark=milestone.rubric.benchmark.mark if benchmark_mark is None else benchmark_mark,
        ),
        report=on_progress or (lambda progress: None),
        time_factor=time_factor,
        bare=bare,
    )
    with opened_folder() as folder:
        run.folder = archive.write(upload, folder / "submission")
        run.all_groups()
    return run.result(wall_seconds=time.monotonic() - started, mark=benchmark_mark)


@dataclass
class _Run:
    """The state of one evaluation while it goes through its groups."""

    milestone: Milestone
    upload: archive.Upload
    location: PackageLocation
    lab: Lab
    report: Callable[[Progress], None]
    time_factor: float
    bare: bool
    folder: Path = Path()
    measurements: list[Measurement] = field(default_factory=list)
    usages: list[Usage] = field(default_factory=list)
    logs: list[str] = field(default_factory=list)
    open_logs: list[str] = field(default_factory=list)
    states: dict[str, str | None] = field(default_factory=dict)
    curves: dict[str, Exhibit] = field(default_factory=dict)
    unusable: str = ""
    blocked: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.checks = [check for group in self.milestone.groups for check in group.checks]
        self.states = {check.key: None for check in self.checks}
        self.lab.on_curve = self._show_curve
        self._now = ("", "")
        self._group: Group | None = None
        self._student: Student | None = None

    # -- progress ----------------------------------------------------------------------------------------------------

    def _tell(self, phase: str | None = None, message: str = "") -> None:
        """Report where the run is; with a ``phase``, that it has come to the check titled ``message``."""
        if phase is not None:
            self._now = (phase, message)
        done = sum(state is not None for state in self.states.values())
        self.report(
            Progress(
                phase=self._now[0],
                message=self._now[1],
                checks=tuple((check.key, check.title, self._state_of(check)) for check in self.checks),
                curves=tuple(self.curves.values()),
                done=done / max(len(self.states), 1),
                printed=self._printed(),
                output_hidden=self._group is not None and self._group.hidden_inputs,
            )
        )

    def _printed(self) -> str:
        """The end of what the code's author may read of its output by now."""
        group, student = self._group, self._student
        now = "" if student is None or group is None or group.hidden_inputs else student.log_tail(LIVE_TAIL)
        return "\n".join(log for log in (*self.open_logs, now) if log)[-LIVE_TAIL:]

    def _state_of(self, check: Check) -> str | None:
        """How the check ended, ``running`` while it does, None before."""
        return self.states[check.key] or ("running" if check.title == self._now[1] else None)

    def _show_curve(self, curve: Exhibit) -> None:
        self.curves[curve.key] = curve
        self._tell()

    # -- groups ------------------------------------------------------------------------------------------------------

    def all_groups(self) -> None:
        for group in self.milestone.groups:
            budget = group.cpu_seconds * self.time_factor
            if not group.executes_student_code:
                self._static_group(group, budget)
            elif self.unusable:
                for check in group.checks:
                    self._record(check, [not_run(check.key, check.title, self.unusable)])
            else:
                self._executing_group(group, budget)

    def _executing_group(self, group: Group, budget: float) -> None:
        limits = {"memory_bytes": group.memory_bytes}
        student = Student(
            open_sandbox=lambda seconds, hash_seed=0: Sandbox(
                self.folder,
                limits=SandboxLimits(cpu_seconds=seconds, **limits),
                bare=self.bare,
                hash_seed=hash_seed,
            ),
            location=self.location,
            cpu_seconds=budget,
            seed=self.lab.public_seed(group.key),
            on_wait=self._tell,
            blocked=self.blocked,
        )
        self._student, self._group = student, group
        spent_on: Check | None = None
        try:
            for position, check in enumerate(group.checks):
                self._tell(group.title, check.title)
                if spent_on is not None:
                    reason = f"the {budget:.0f} CPU seconds of this group were spent on “{spent_on.title}”"
                    self._record(check, [not_run(check.key, check.title, reason)])
                    continue
                if position == 0:
                    self._load(student, check)
                if self.unusable:
                    self._record(check, [self._unusable(check)])
                    continue
                self._record(check, self._run_check(check, student))
                if student.out_of_time:
                    spent_on = check
        finally:
            student.close()
            self.usages += student.usages
            self.logs += student.logs
            self.open_logs += [] if group.hidden_inputs else student.logs
            self._student = self._group = None

    def _load(self, student: Student, first: Check) -> None:
        """Import the package; one without a usable Tensor ends the evaluation of everything that executes it."""
        try:
            report = student.load()
        except StudentSide as error:
            self.unusable = f"the package can't be imported ({sentence_of(error)})"
            self._import_failure = failed(first.key, first.title, error)
            return
        if not report.usable:
            broken = {**report.syntax, **report.failed}
            reason = next((f"{name}: {why}" for name, why in broken.items()), "no class named Tensor was found")
            if first.key == "package_import":
                self._record(first, self._run_check(first, student))
            self.unusable = f"the package can't be used ({reason})"

    def _unusable(self, check: Check) -> Measurement:
        if check.key == "package_import":
            recorded = next((m for m in self.measurements if m.key == check.key), None)
            return recorded or replace(self._import_failure, status=Status.CRASHED)
        return not_run(check.key, check.title, self.unusable)

    def _run_check(self, check: Check, subject: Any) -> list[Measurement]:
        try:
            answer = check.function(subject, self.lab)
        except StudentSide as error:
            return [failed(check.key, check.title, error)]
        except ToolIsMissing as missing:
            return [not_run(check.key, check.title, str(missing), evidence={TOOL_MISSING: True})]
        return [answer] if isinstance(answer, Measurement) else list(answer)

    def _static_group(self, group: Group, budget: float) -> None:
        def run(program: Sequence[str], stdin: bytes | None = None) -> ToolResult:
            limits = SandboxLimits(cpu_seconds=budget, memory_bytes=group.memory_bytes)
            result = (run_bare_tool if self.bare else run_tool)(program, self.folder, limits=limits, stdin=stdin)
            self.usages.append(result.usage)
            return result

        source = Source(
            dict(self.upload.files), self.location, run, mounted_at=str(self.folder) if self.bare else SUBMISSION
        )
        for check in group.checks:
            self._tell(group.title, check.title)
            self._record(check, self._run_check(check, source))

    def _record(self, check: Check, measurements: list[Measurement]) -> None:
        known = {measurement.key for measurement in self.measurements}
        self.measurements += [measurement for measurement in measurements if measurement.key not in known]
        self.states[check.key] = str(measurements[-1].status)
        self._tell()

    # -- result ------------------------------------------------------------------------------------------------------

    def result(self, *, wall_seconds: float, mark: float | None) -> Evaluation:
        self._tell("Scoring", "")
        stated = self.milestone.rubric
        scored = rubric.score(stated, self.measurements, mark=mark)
        used = self.lab.used.values()
        reasons = [words for m in self.measurements for name, words in HUMAN_REASONS.items() if m.evidence.get(name)]
        reasons += rubric.open_questions(scored)
        return Evaluation(
            milestone=stated.slug,
            number=stated.number,
            score=scored.score,
            maximum=scored.maximum,
            level=scored.level,
            benchmark_met=scored.benchmark_met,
            needs_human=tuple(reasons),
            criteria=scored.criteria,
            measurements=tuple(self.measurements),
            diagnoses=diagnose(self.measurements),
            # Of two under the same key the later one holds.
            exhibits=tuple({exhibit.key: exhibit for exhibit in self.lab.exhibits}.values()),
            resources=Resources(
                wall_seconds=round(wall_seconds, 3),
                cpu_seconds=round(sum(usage.cpu_seconds for usage in self.usages), 3),
                peak_memory_bytes=max((usage.peak_memory_bytes for usage in self.usages), default=0),
                limits=self.usages[0].limits if self.usages else "",
            ),
            seed=self.lab.seed,
            counts=dict(self.lab.counts),
            dataset="; ".join(f"{data.name} {data.fingerprint[:16]}" for data in used),
            practice_data=any(data.practice for data in used),
            evaluator_version=evaluator_version(),
            log="\n".join(log for log in self.logs if log)[-LOG_BYTES:],
            open_log="\n".join(log for log in self.open_logs if log)[-LOG_BYTES:],
            notes=self.location.notes,
        )


def evaluator_version() -> str:
    """The release and a fingerprint of every file that can change a score, so that a result says what made it."""
    return _fingerprinted((Path(__file__).parent, *registry.folders()[1:]))


@functools.cache
def _fingerprinted(folders: tuple[Path, ...]) -> str:
    digest = hashlib.sha256()
    for folder in folders:
        for path in sorted([*folder.rglob("*.py"), *folder.rglob("rubric.toml")]):
            relative = path.relative_to(folder)
            if not {"samples", "starter"} & set(relative.parts):
                digest.update(str(relative).encode() + b"\0" + path.read_bytes())
    return f"{__version__}+{digest.hexdigest()[:12]}"
