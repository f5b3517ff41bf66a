"""What may come back from the student's side: the arrays that are expected, or one of the typed failures."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike


class StudentSide(Exception):
    """The student's side did not answer. A result, not trouble."""


class StudentFault(StudentSide):
    """A typed refusal: ``code`` and ``numbers`` as the harness defines them, and a clean ``text`` of at most 16 KB."""

    def __init__(self, code: int, numbers: tuple[int, ...], text: str) -> None:
        super().__init__(text or f"fault {code}")
        self.code, self.numbers, self.text = code, numbers, text


class StudentCrashed(StudentSide):
    """The program ended by itself, or was ended for what it printed. ``signal`` is set when a signal ended it, and then
    ``exit_code`` is None. ``log_tail`` is the end of what it had printed."""

    def __init__(self, reason: str, exit_code: int | None, log_tail: str, signal: int | None = None) -> None:
        super().__init__(reason)
        self.reason, self.exit_code, self.log_tail, self.signal = reason, exit_code, log_tail, signal


class StudentTimedOut(StudentSide):
    """The CPU budget was spent, or (``sleeper``) the wall limit passed while the program hardly ran."""

    def __init__(self, cpu_seconds: float, wall_seconds: float, sleeper: bool) -> None:
        if sleeper:
            text = f"The program waited for {wall_seconds:.1f} seconds and computed for only {cpu_seconds:.1f} of them."
        else:
            text = f"The program was stopped after {cpu_seconds:.1f} seconds of computing."
        super().__init__(text)
        self.cpu_seconds, self.wall_seconds, self.sleeper = cpu_seconds, wall_seconds, sleeper


class StudentOutOfMemory(StudentSide):
    """The program needed more memory than it may use."""


class StudentProtocolViolation(StudentSide):
    """What came out of the sandbox is not the awaited answer. ``reason`` says what was wrong with it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Expected:
    """One array of an awaited answer: its dtype (or one of several), its shape with None for a free size (None as the
    whole: any shape), and the most elements it may have."""

    dtype: DTypeLike | tuple[DTypeLike, ...]
    shape: tuple[int | None, ...] | None
    max_elements: int

    @property
    def dtypes(self) -> tuple[np.dtype, ...]:
        """The accepted dtypes."""
        given = self.dtype if isinstance(self.dtype, tuple) else (self.dtype,)
        return tuple(np.dtype(dtype) for dtype in given)

    @property
    def max_bytes(self) -> int:
        """The most bytes that an accepted array can have."""
        return self.max_elements * max(dtype.itemsize for dtype in self.dtypes)

    def accepts(self, dtype: np.dtype, shape: tuple[int, ...]) -> bool:
        """Whether an array of this dtype and shape is what was asked for."""
        if dtype not in self.dtypes or math.prod(shape) > self.max_elements:
            return False
        if self.shape is None:
            return True
        return len(shape) == len(self.shape) and all(
            wanted in (None, size) for wanted, size in zip(self.shape, shape, strict=True)
        )

    def __str__(self) -> str:
        dtypes = " or ".join(map(str, self.dtypes))
        if self.shape is None:
            return f"{dtypes} of any shape, at most {self.max_elements} numbers"
        return f"{dtypes} ({', '.join('any' if size is None else str(size) for size in self.shape)})"
