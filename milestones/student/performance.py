"""Questions whose answers are timed from outside: plain loops to compare with, and one component asked batch by batch."""

import numpy as np

from milestones.student.components import make, numbers
from milestones.student.operations import Operation
from milestones.student.state import Desk
from milestones.student.yardstick import convolve_by_loops


class Performance(Desk):
    """What is done here is told apart by the CPU time that the grader reads off the sandbox, never by a clock in here."""

    operations = {Operation.YARDSTICK: "yardstick", Operation.IN_BATCHES: "in_batches"}

    def yardstick(self, settings, images, weight, bias):
        """A convolution by the grader's plain loops."""
        return [convolve_by_loops(images, weight, bias)]

    def in_batches(self, settings, inputs, *parameters):
        """The output of one component for all ``inputs``, which it gets ``batch`` at a time."""
        adapter = self.state.components()
        component = make(adapter, settings["layer"], list(parameters))
        size = settings["batch"]
        batches = [inputs[start : start + size] for start in range(0, len(inputs), size)]
        answers = [adapter.call(component, adapter.tensor(batch)) for batch in batches]
        return [np.concatenate([numbers(answer) for answer in answers])]
