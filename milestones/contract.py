"""What passes between the parts of an evaluation: frozen values and nothing else.

The flow: ``Milestone`` (groups of checks and a rubric) + a package -> ``Measurement`` s -> ``Diagnosis`` es and
``CriterionResult`` s -> ``Evaluation``. Everything here can be written as JSON (``dataclasses.asdict``) and be read back,
because measurements are stored and scored again whenever a rubric changes.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Json = None | bool | int | float | str | list[Any] | dict[str, Any]


class Status(enum.StrEnum):
    """How a check ended. All of these are results of the student's work; trouble of ours is an exception."""

    PASSED = "passed"
    PARTIAL = "partial"
    WRONG = "wrong"
    MISSING = "missing"
    NOT_IMPLEMENTED = "not_implemented"
    CRASHED = "crashed"
    TIMED_OUT = "timed_out"
    NOT_RUN = "not_run"
    INFORMATION = "information"
    BORDERLINE = "borderline"


class Level(enum.StrEnum):
    """Performance level of a total or of one criterion, by its share of the maximum."""

    EXEMPLARY = "exemplary"
    PROFICIENT = "proficient"
    DEVELOPING = "developing"
    BEGINNING = "beginning"
    INSUFFICIENT = "insufficient"

    @classmethod
    def of(cls, share: float) -> Level:
        """The level of ``share`` (0 to 1), by the guide's bands 90, 80, 70, 60.

        The share is rounded to four places first, so that 0.1 + 0.2 style sums never lose a level.
        """
        share = round(share, 4)
        for floor, level in ((0.9, cls.EXEMPLARY), (0.8, cls.PROFICIENT), (0.7, cls.DEVELOPING), (0.6, cls.BEGINNING)):
            if share >= floor:
                return level
        return cls.INSUFFICIENT


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One thing found out about one package.

    ``kind`` tells how to read ``value``: ``share`` (0 to 1 of the cases right), ``accuracy`` (0 to 1 over ``n`` items, with
    the 95 % Wilson interval ``low`` to ``high``), ``quantity`` (in ``unit``). ``message`` is one sentence for the student.
    ``evidence`` is small JSON that diagnoses and pages read; ``exhibits`` names larger pieces kept beside the evaluation.
    """

    key: str
    title: str
    kind: str
    status: Status
    value: float | None = None
    unit: str = ""
    n: int | None = None
    low: float | None = None
    high: float | None = None
    passed: bool | None = None
    message: str = ""
    evidence: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Exhibit:
    """A larger piece of evidence for people: a curve, a matrix, a grid of images. Plain JSON, made by ``exhibits``; never
    scored."""

    key: str
    kind: str
    title: str
    data: Json


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """A recognised mistake: its cause in the terms of the student's code, the proof, and what to do about it."""

    code: str
    message: str
    advice: str
    evidence: Mapping[str, Json] = field(default_factory=dict)
    symptom: bool = False


@dataclass(frozen=True, kw_only=True)
class CriterionResult:
    """Points for one rubric criterion. ``points`` is None when a person must mark it: not yet marked, which is not 0."""

    key: str
    title: str
    points: float | None
    maximum: float
    level: Level | None
    explanation: str


@dataclass(frozen=True, kw_only=True)
class Resources:
    """What the evaluation used. CPU seconds and peak memory are those of the sandboxes, not of the grader."""

    wall_seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_memory_bytes: int = 0
    limits: str = ""


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """The whole result of one run of one submission. ``score`` counts what is marked; ``benchmark_met`` is None when the
    interval reaches the mark from below and a person decides. ``log`` is all that the student's code printed, for staff;
    ``open_log`` is the part that its author may read: of groups without hidden inputs."""

    milestone: str
    number: int
    score: float
    maximum: float
    level: Level
    benchmark_met: bool | None
    needs_human: tuple[str, ...]
    criteria: tuple[CriterionResult, ...]
    measurements: tuple[Measurement, ...]
    diagnoses: tuple[Diagnosis, ...]
    exhibits: tuple[Exhibit, ...]
    resources: Resources
    seed: int
    counts: Mapping[str, int]
    dataset: str
    practice_data: bool
    evaluator_version: str
    log: str
    open_log: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Progress:
    """One step of a running evaluation, as shown live. ``checks`` are (key, title, status or None) in running order.

    ``printed`` is the end of what the student's code has printed in groups without hidden inputs; ``output_hidden`` says
    that one with hidden inputs runs now. ``curves`` are exhibits that still grow, in the order they began.
    """

    phase: str
    message: str
    checks: tuple[tuple[str, str, str | None], ...] = ()
    curves: tuple[Exhibit, ...] = ()
    done: float = 0.0
    printed: str = ""
    output_hidden: bool = False

    @property
    def curve(self) -> list[tuple[float, float]]:
        """The finite points of the newest curve's first series."""
        series = self.curves[-1].data["series"] if self.curves else []
        return [(x, y) for _, points in series[:1] for x, y in points if y is not None]


@dataclass(frozen=True, kw_only=True)
class Check:
    """One question to the student's code: ``function(student, lab)`` answers one measurement or a list of them. ``also`` are
    the keys of those that it makes beside its own."""

    key: str
    title: str
    function: Callable[..., Measurement | list[Measurement]]
    also: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Group:
    """Checks that share one sandbox and one CPU budget. Groups run one after the other and each can fail alone.

    ``hidden_inputs``: the sandbox gets images or texts that students must not see, so what the code prints there, live or
    afterwards, is for staff alone: it could print them. A group must say that it is open.
    """

    key: str
    title: str
    cpu_seconds: float
    checks: tuple[Check, ...]
    executes_student_code: bool = True
    hidden_inputs: bool = True
    memory_bytes: int = 1024 * 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Criterion:
    """One rubric criterion as ``rubric.toml`` states it."""

    key: str
    title: str
    percent: float
    measure: str
    measurements: Mapping[str, float]
    anchors: tuple[tuple[float, float], ...]
    texts: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """The headline benchmark: the measurement it reads, the mark to reach (in the measurement's own unit), its words, and
    what else must hold: ``requires`` maps further measurements to the least value that each must have."""

    measurement: str
    mark: float
    title: str
    requires: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Rubric:
    """All that a milestone states about itself and how its measurements become points."""

    number: int
    slug: str
    title: str
    capability: str
    module: str
    weight: float
    badge: str
    benchmark: Benchmark
    criteria: tuple[Criterion, ...]
    texts: Mapping[str, Json]


@dataclass(frozen=True, kw_only=True)
class Milestone:
    """A folder of the catalogue: its rubric and its groups of checks."""

    rubric: Rubric
    groups: tuple[Group, ...]
    folder: Path


class UnusableInput(Exception):
    """The upload can't be evaluated at all; the message is one clear sentence for the student. No attempt is used."""


class OurTrouble(Exception):
    """Our own machinery failed (sandbox, data, disk). Never a result, never a score; retried, then a person looks."""
