"""How checks state their result, and how the student's failures become results."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from milestones.contract import Check, Measurement, Status
from milestones.intervals import wilson
from milestones.lab import Comparison
from milestones.proxy import one_line
from milestones.sandbox.session import StudentCrashed, StudentFault, StudentOutOfMemory, StudentSide, StudentTimedOut
from milestones.student.operations import Fault

#: Marks in the evidence of a measurement that it could not be made for want of a tool; only on people's own machines.
TOOL_MISSING = "tool_missing"

CheckFunction = Callable[..., Measurement | list[Measurement]]


def check(key: str, title: str, *, also: tuple[str, ...] = ()) -> Callable[[CheckFunction], Check]:
    """Make a function a ``Check``. The function may let ``StudentSide`` escape: the group turns it into a measurement.

    Students answer with infinities and with numbers that overflow; NumPy's warnings about them would tell nobody anything.
    """

    def decorate(function: CheckFunction) -> Check:
        @functools.wraps(function)
        def quietly(*arguments: Any, **more: Any) -> Measurement | list[Measurement]:
            with np.errstate(all="ignore"):
                return function(*arguments, **more)

        return Check(key=key, title=title, function=quietly, also=also)

    return decorate


_FAULT_STATUS = {
    Fault.MISSING: Status.MISSING,
    Fault.NOT_IMPLEMENTED: Status.NOT_IMPLEMENTED,
    Fault.RAISED: Status.CRASHED,
    Fault.UNSUITABLE: Status.WRONG,
    Fault.NO_GRADIENT: Status.MISSING,
}


def status_of(error: StudentSide) -> Status:
    """The status that stands for a failure of the student's side."""
    if isinstance(error, StudentFault):
        return _FAULT_STATUS.get(error.code, Status.CRASHED)
    if isinstance(error, StudentTimedOut):
        return Status.TIMED_OUT
    return Status.CRASHED


def sentence_of(error: StudentSide) -> str:
    """One sentence for the student about a failure of their side, in one line whatever their side wrote."""
    return one_line(_words_of(error))


def _words_of(error: StudentSide) -> str:
    if isinstance(error, StudentFault):
        words = {Fault.NOT_IMPLEMENTED: "not implemented yet", Fault.RAISED: "your code raised"}
        lead = words.get(error.code)
        return f"{lead}: {error.text}" if lead else error.text
    if isinstance(error, StudentTimedOut):
        if error.sleeper:
            return f"waited {error.wall_seconds:.0f} seconds without working (sleeping or blocked) and was stopped"
        return f"took longer than {error.cpu_seconds:.0f} CPU seconds and was stopped"
    if isinstance(error, StudentOutOfMemory):
        return "used more memory than allowed and was stopped"
    if isinstance(error, StudentCrashed):
        return f"your program ended itself: {error.reason}"
    return f"your program broke the exchange with the grader: {error}"


def failed(key: str, title: str, error: StudentSide, *, kind: str = "share") -> Measurement:
    """The measurement of a check that the student's code did not survive."""
    evidence: dict[str, Any] = {"fault": type(error).__name__}
    if isinstance(error, StudentFault):
        evidence |= {"fault_code": int(error.code), "text": one_line(error.text, most=600)}
    return Measurement(
        key=key,
        title=title,
        kind=kind,
        status=status_of(error),
        # An accuracy that could not be measured is unknown, not 0 %.
        value=None if kind == "accuracy" else 0.0,
        passed=False,
        message=_capitalised(sentence_of(error)),
        evidence=evidence,
    )


def not_run(key: str, title: str, reason: str, *, evidence: dict[str, Any] | None = None) -> Measurement:
    """The measurement of a check that could not be reached; ``reason`` says why."""
    return Measurement(
        key=key,
        title=title,
        kind="share",
        status=Status.NOT_RUN,
        value=0.0,
        passed=False,
        message=f"Did not run: {reason}.",
        evidence=evidence or {},
    )


@dataclass(frozen=True)
class Unanswered:
    """A case that the student's code had no answer for, among others that it may have."""

    fault: StudentFault
    equal: bool = False

    def sentence(self) -> str:
        """In words for the student."""
        return sentence_of(self.fault)

    def evidence(self) -> dict[str, Any]:
        return {"fault_code": int(self.fault.code), "text": one_line(self.fault.text, most=600)}


def cases(
    key: str,
    title: str,
    comparisons: Sequence[tuple[str, Comparison | Unanswered]],
    *,
    evidence: dict[str, Any] | None = None,
) -> Measurement:
    """The share of named cases that agree with the reference; the first one that does not is shown. Where none at all was
    answered, the first fault is raised: it is the whole answer then."""
    if comparisons and all(isinstance(comparison, Unanswered) for _, comparison in comparisons):
        raise comparisons[0][1].fault
    wrong = [(name, comparison) for name, comparison in comparisons if not comparison.equal]
    right = len(comparisons) - len(wrong)
    details: dict[str, Any] = {"cases": len(comparisons), "right": right, **(evidence or {})}
    if not wrong:
        message = f"All {right} cases agree with the reference." if right > 1 else "Agrees with the reference."
    else:
        name, worst = wrong[0]
        message = f"{right} of {len(comparisons)} cases agree; {name}: {worst.sentence()}."
        details |= {"case": name, **worst.evidence()}
    return Measurement(
        key=key,
        title=title,
        kind="share",
        status=Status.PASSED if not wrong else Status.PARTIAL if right else Status.WRONG,
        value=right / len(comparisons),
        n=len(comparisons),
        passed=not wrong,
        message=_capitalised(message),
        evidence=details,
    )


def statement(
    key: str, title: str, *, right: bool, message: str, evidence: dict[str, Any] | None = None
) -> Measurement:
    """A yes-or-no finding."""
    return Measurement(
        key=key,
        title=title,
        kind="share",
        status=Status.PASSED if right else Status.WRONG,
        value=float(right),
        passed=right,
        message=message,
        evidence=evidence or {},
    )


def information(key: str, title: str, message: str, *, evidence: dict[str, Any] | None = None) -> Measurement:
    """Something worth knowing that is not judged."""
    return Measurement(
        key=key, title=title, kind="share", status=Status.INFORMATION, message=message, evidence=evidence or {}
    )


def accuracy(
    key: str,
    title: str,
    *,
    right: int,
    n: int,
    mark: float | None,
    message: str,
    evidence: dict[str, Any] | None = None,
) -> Measurement:
    """A measured accuracy with its 95 % Wilson interval against ``mark``.

    The rule: reaches the mark, passed; below it, but the interval reaches it, a person decides (``passed`` is None);
    the whole interval below it, not met. The value itself is the measured accuracy.
    """
    low, high = wilson(right, n)
    value = right / n
    passed: bool | None = None
    status = Status.INFORMATION
    if mark is not None:
        passed = True if value >= mark else None if high >= mark else False
        status = {True: Status.PASSED, None: Status.BORDERLINE, False: Status.WRONG}[passed]
    return Measurement(
        key=key,
        title=title,
        kind="accuracy",
        status=status,
        value=value,
        n=n,
        low=low,
        high=high,
        passed=passed,
        message=message,
        evidence=evidence or {},
    )


def _capitalised(sentence: str) -> str:
    return sentence[:1].upper() + sentence[1:]
