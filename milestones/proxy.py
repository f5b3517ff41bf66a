"""The student's framework as the grader sees it: typed questions that travel to the sandbox, and nothing else.

Every method raises only ``StudentSide`` (the student's code is missing, stubbed, crashed, too slow …) or
``OurTrouble``. What comes back is a plain array of a size the grader allowed; whether it is right, checks decide.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from milestones.discovery import PackageLocation
from milestones.sandbox.protocol import array_to_text, text_to_array
from milestones.sandbox.session import Expected, Sandbox, StudentCrashed, StudentSide, StudentTimedOut
from milestones.student.operations import COMPONENT_NAMES, FACTS, Fact, Operation

REPORT_BYTES = 64 * 1024
LARGEST_ANSWER = 8_000_000  # numbers in one answer of a single component
MOST_RESTARTS = 3


@dataclass(frozen=True)
class LoadReport:
    """What importing the package gave: modules by how it went, and which components were found."""

    loaded: tuple[str, ...]
    failed: Mapping[str, str]
    syntax: Mapping[str, str]
    components: Mapping[str, str]
    missing: Mapping[str, str] = field(default_factory=dict)
    precision: str = "float64"

    @property
    def usable(self) -> bool:
        """Whether anything can be asked at all: without a Tensor there is nothing to hand to a layer."""
        return "tensor" in self.components

    @classmethod
    def parse(cls, text: str) -> LoadReport:
        """Read the tab-separated lines of the LOAD answer. The text is hostile: malformed lines are dropped."""
        loaded, failed, syntax, components, missing = [], {}, {}, {}, {}
        precision = "float64"
        for line in text.split("\n")[:1000]:
            parts = line.split("\t")
            if len(parts) != 3:
                continue
            name, status, detail = parts[0][:200], parts[1], parts[2][:1000]
            if name.startswith("component:"):
                (components if status == "ok" else missing)[name.removeprefix("component:")] = detail
            elif name == "precision:":
                precision = "float32" if status in ("float32", "float16") else "float64"
            elif status == "ok":
                loaded.append(name)
            elif status == "syntax":
                syntax[name] = detail
            else:
                failed[name] = detail
        return cls(tuple(loaded), failed, syntax, components, missing, precision)


@dataclass(frozen=True)
class ModelFacts:
    """What BUILD says about the model. Claims of the sandboxed side: they choose the road, never the score."""

    parameter_count: int
    parameter_arrays: int
    own_model: bool
    supplied_weights: bool
    own_train: bool
    dense_only: bool
    has_autograd: bool
    used_sequential: bool
    structure: str


class Student:
    """Typed questions to one sandbox, which is started at the first question and again after a crash.

    ``open_sandbox(cpu_seconds)`` starts one; ``cpu_seconds`` is what remains of the group's budget.
    """

    def __init__(
        self,
        *,
        open_sandbox: Callable[[float], Sandbox],
        location: PackageLocation,
        cpu_seconds: float,
        seed: int,
        on_wait: Callable[[], None] | None = None,
    ) -> None:
        self._open = open_sandbox
        self._location = location
        self._budget = cpu_seconds
        self._seed = seed
        self._on_wait = on_wait
        self._sandbox: Sandbox | None = None
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
    def out_of_time(self) -> bool:
        return self._spent_up

    def close(self) -> None:
        """End the sandbox and keep what it used and printed."""
        if self._sandbox is not None:
            self._sandbox.__exit__(None, None, None)
            self._spent += self._sandbox.usage.cpu_seconds
            self.usages.append(self._sandbox.usage)
            self.logs.append(self._sandbox.log)
            self._sandbox = None

    def _ask(
        self, operation: Operation, settings: Mapping[str, Any], arrays: Sequence[NDArray], expect: Sequence[Expected]
    ) -> list[NDArray]:
        if self._sandbox is None and operation is not Operation.LOAD:
            self.load()
        assert self._sandbox is not None
        text = text_to_array(json.dumps({"seed": self._seed, **settings}))
        try:
            return self._sandbox.ask(operation, [text, *arrays], expect=expect, on_wait=self._on_wait)
        except StudentTimedOut:
            self._spent_up = True
            self.close()
            raise
        except StudentSide:
            if not self._sandbox.alive:
                self.close()
            raise

    def load(self) -> LoadReport:
        """Import the package in a fresh sandbox, unless one is running, and report how that went."""
        if self._sandbox is not None and self._report is not None:
            return self._report
        if self._restarts > MOST_RESTARTS:
            raise StudentCrashed("the program ended itself several times; it was not started again", None, "")
        self._restarts += 1
        self._sandbox = self._open(max(self.cpu_seconds_left, 1.0))
        self._sandbox.__enter__()
        settings = {
            "base": self._sandbox.submission_path,
            "root": self._location.root,
            "single": self._location.single,
            "notebooks": list(self._location.notebooks),
            "submission": self._location.submission,
            "weights": list(self._location.weights),
            "components": list(COMPONENT_NAMES),
        }
        (text,) = self._ask(Operation.LOAD, settings, [], [Expected(np.uint8, None, REPORT_BYTES)])
        self._report = LoadReport.parse(array_to_text(text, REPORT_BYTES))
        return self._report

    # -- single components -------------------------------------------------------------------------------------------

    def forward(self, component: Mapping[str, Any], inputs: NDArray, parameters: Sequence[NDArray] = ()) -> NDArray:
        """The output of one component for ``inputs``, with ``parameters`` put into it; any shape."""
        (answer,) = self._ask(Operation.FORWARD, component, [inputs, *parameters], [_any_numbers()])
        return self._in_working_precision(answer)

    def gradient(
        self, component: Mapping[str, Any], inputs: NDArray, upstream: NDArray, parameters: Sequence[NDArray]
    ) -> list[NDArray]:
        """Gradients of sum(output * upstream) by the inputs and each parameter; empty where the student's code left none."""
        expect = [_any_numbers()] * (1 + len(parameters))
        answers = self._ask(Operation.GRADIENT, component, [inputs, upstream, *parameters], expect)
        return [self._in_working_precision(answer) for answer in answers]

    def _in_working_precision(self, answer: NDArray) -> NDArray:
        """The answer in the precision that the framework really works in, which is what tolerances go by: a float64
        gradient of a float32 network is only good to float32."""
        assert self._report is not None
        return answer.astype(np.float32) if self._report.precision == "float32" else answer

    # -- whole models ------------------------------------------------------------------------------------------------

    def build(self, sizes: Sequence[int]) -> ModelFacts:
        """Build the model to assess; ``sizes`` are the layer widths of the standard recipe, input to classes."""
        facts, structure = self._ask(
            Operation.BUILD,
            {"sizes": list(sizes)},
            [],
            [Expected(np.int64, (FACTS,), FACTS), Expected(np.uint8, None, 4096)],
        )
        return ModelFacts(
            parameter_count=int(facts[Fact.PARAMETER_COUNT]),
            parameter_arrays=int(facts[Fact.PARAMETER_ARRAYS]),
            own_model=bool(facts[Fact.OWN_MODEL] == 1),
            supplied_weights=bool(facts[Fact.SUPPLIED_WEIGHTS] == 1),
            own_train=bool(facts[Fact.OWN_TRAIN] == 1),
            dense_only=bool(facts[Fact.DENSE_ONLY] == 1),
            has_autograd=bool(facts[Fact.HAS_AUTOGRAD] == 1),
            used_sequential=bool(facts[Fact.USED_SEQUENTIAL] == 1),
            structure=array_to_text(structure, 4096),
        )

    def logits(self, images: NDArray[np.float32], *, classes: int = 10, raw: bool = False) -> NDArray[np.float32]:
        """Class scores (n, classes) of float32 images (n, features). ``raw`` asks the model even if there is a predict()."""
        (scores,) = self._ask(
            Operation.LOGITS,
            {"classes": classes, "raw": raw},
            [np.ascontiguousarray(images, dtype=np.float32)],
            [Expected(np.float32, (len(images), classes), len(images) * classes)],
        )
        return scores

    def train_data(self, images: NDArray[np.uint8], labels: NDArray[np.int64]) -> None:
        """Hand over training images (n, features) and their (permuted) labels (n,)."""
        self._ask(Operation.TRAIN_DATA, {}, [images, labels], [Expected(np.int64, (1,), 1)])

    def train_slice(self, *, first: int, steps: int, batch: int, rate: float, order: int) -> tuple[NDArray, str]:
        """Train some steps; the losses that the student's code claims (evidence only) and by what means it trained."""
        losses, manner = self._ask(
            Operation.TRAIN_SLICE,
            {"first": first, "steps": steps, "batch": batch, "rate": rate, "order": order},
            [],
            [Expected(np.float64, (steps,), steps), Expected(np.uint8, None, 1024)],
        )
        return losses, array_to_text(manner, 1024)

    def train_own(self, images: NDArray[np.uint8], labels: NDArray[np.int64], *, budget: float) -> None:
        """Let the student's own train() work on the images within ``budget`` CPU seconds."""
        self._ask(Operation.TRAIN_OWN, {"budget": budget}, [images, labels], [Expected(np.int64, (1,), 1)])


def _any_numbers() -> Expected:
    return Expected((np.float32, np.float64), None, LARGEST_ANSWER)
