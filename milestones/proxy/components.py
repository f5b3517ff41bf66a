"""Questions about single components: what they answer, and the gradients that they send back."""

from __future__ import annotations

from collections.abc import Sequence

from numpy.typing import NDArray

from milestones.networks import Layer
from milestones.proxy.connection import Connection, any_numbers
from milestones.student.operations import Operation


class ComponentQuestions(Connection):
    """Components are described as in ``milestones.networks``."""

    def forward(self, component: Layer, inputs: NDArray, parameters: Sequence[NDArray] = ()) -> NDArray:
        """The output of one component for ``inputs``, with ``parameters`` put into it; any shape."""
        (answer,) = self._question(Operation.FORWARD, component, [inputs, *parameters], [any_numbers()])
        return self._in_working_precision(answer)

    def gradient(
        self, component: Layer, inputs: NDArray, upstream: NDArray, parameters: Sequence[NDArray]
    ) -> list[NDArray]:
        """Gradients of sum(output * upstream) by the inputs and each parameter; empty where the student's code left none."""
        expect = [any_numbers()] * (1 + len(parameters))
        answers = self._question(Operation.GRADIENT, component, [inputs, upstream, *parameters], expect)
        return [self._in_working_precision(answer) for answer in answers]
