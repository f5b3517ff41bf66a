"""What a known mistake is: how it is recognised in the measurements, what proves it, and what to do about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from milestones.contract import Measurement

Evidence = dict[str, Any]
Found = tuple[str, Evidence] | None
Recogniser = Callable[[Mapping[str, Measurement]], Found]


@dataclass(frozen=True)
class Cause:
    """One known mistake. ``recognise`` gets the measurements by key and answers (message, evidence) or None."""

    code: str
    advice: str
    recognise: Recogniser
    symptom: bool = False


def cause(code: str, advice: str, *, symptom: bool = False) -> Callable[[Recogniser], Cause]:
    """Make a function that recognises a mistake the ``Cause`` of that mistake."""

    def named(recognise: Recogniser) -> Cause:
        return Cause(code, advice, recognise, symptom)

    return named


def causes_of(module: ModuleType) -> list[Cause]:
    """The causes that a module defines, in its order."""
    return [thing for thing in vars(module).values() if isinstance(thing, Cause)]


def evidence_of(measurements: Mapping[str, Measurement], key: str) -> Mapping[str, Any]:
    """The evidence of one measurement; empty where it was not made."""
    return measurements[key].evidence if key in measurements else {}


def headline(measurements: Mapping[str, Measurement]) -> Measurement | None:
    """The accuracy that the milestone is about; that on training images is there for comparison."""
    accuracies = (m for key, m in measurements.items() if m.kind == "accuracy" and key != "training_image_accuracy")
    return next(accuracies, None)


def evidence_of_headline(measurements: Mapping[str, Measurement]) -> Mapping[str, Any]:
    """The evidence of that accuracy; empty where none was measured."""
    measured = headline(measurements)
    return {} if measured is None else measured.evidence


def where(measurement: Measurement) -> Evidence:
    """The largest error and its place, as the check recorded them."""
    names = ("largest_relative_error", "index", "got", "expected", "got_shape", "expected_shape", "case")
    return {name: measurement.evidence[name] for name in names if name in measurement.evidence}
