"""Questions whose answers are timed: the time is the CPU time of the sandbox, read from outside around the question."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from numpy.typing import NDArray

from milestones.networks import Layer
from milestones.proxy.connection import Connection, any_numbers
from milestones.sandbox.answers import Expected
from milestones.student.operations import Operation


class PerformanceQuestions(Connection):
    """Timed questions, and those that tell what is made smaller."""

    def seconds_of(self, question: Callable[[], Any]) -> tuple[float, Any]:
        """(CPU seconds that the whole sandbox takes for a question, its answer): handing over the arrays is in it."""
        if self._sandbox is None:
            self.load()
        before = self.cpu_seconds_used
        answer = question()
        return max(self.cpu_seconds_used - before, 1e-6), answer

    def yardstick(self, images: NDArray, weight: NDArray, bias: NDArray, *, shape: tuple[int, ...]) -> NDArray:
        """A convolution by the grader's plain loops, in the sandbox of the student."""
        (answer,) = self._question(Operation.YARDSTICK, {}, [images, weight, bias], [_exactly(shape)])
        return answer

    def in_batches(self, layer: Layer, inputs: NDArray, parameters: Sequence[NDArray], *, batch: int) -> NDArray:
        """The output of one component for all ``inputs``, asked ``batch`` at a time."""
        settings = {"layer": dict(layer), "batch": batch}
        (answer,) = self._question(Operation.IN_BATCHES, settings, [inputs, *parameters], [any_numbers()])
        return answer


def _exactly(shape: tuple[int, ...]) -> Expected:
    size = 1
    for length in shape:
        size *= length
    return Expected("float32", shape, size)
