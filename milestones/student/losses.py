"""The student's loss functions: what they answer and the gradient that they send back."""

import numpy as np

from milestones.sandbox import protocol
from milestones.student.components import NOTHING, numbers
from milestones.student.operations import FORWARD_ONLY, STRUCTURE_BYTES, Fault, Operation
from milestones.student.state import Desk
from milestones.student.values import StudentFault, gradient_of, to_array


class Losses(Desk):
    """Questions about one loss at a time."""

    operations = {Operation.LOSS: "loss"}

    def loss(self, settings, predictions, targets):
        """The loss, its gradient by the predictions, and in words why there is none."""
        adapter = self.state.components()
        criterion = adapter.find(settings["loss"])()
        if settings["one_hot"]:
            targets = one_hot(targets, predictions.shape[1])
        road, why = None, ""
        try:
            road = adapter.road
        except StudentFault as fault:
            why = f"{FORWARD_ONLY}: {fault.text}"
        start = road.input(adapter, predictions, requires_grad=True) if road else adapter.tensor(predictions)
        loss = adapter.call(criterion, start, wrapped(adapter, targets, settings["targets"]))
        value = numbers(loss)
        gradient = None
        if road:
            try:
                gradient = _sent_back(criterion, loss, start)
            except Exception as error:
                why = error.text if isinstance(error, StudentFault) else self.state.opened().describe(error)
        answers = [value, NOTHING if gradient is None else numbers(gradient)]
        return [*answers, protocol.text_to_array(why)[:STRUCTURE_BYTES]]


def _sent_back(criterion, loss, start):
    """The gradient that arrives at the predictions; some early frameworks have the loss itself compute it."""
    if callable(getattr(loss, "backward", None)):
        loss.backward()
        gradient = gradient_of(start)
        if gradient is not None:
            return gradient
    if callable(getattr(criterion, "backward", None)):
        returned = criterion.backward()
        if returned is not None and np.shape(to_array(returned)) == np.shape(to_array(start)):
            return to_array(returned)
    if not callable(getattr(loss, "backward", None)):
        raise StudentFault(Fault.NO_GRADIENT, f"the loss is a {type(loss).__name__} without backward()")
    return None


def wrapped(adapter, array, wrap):
    """An array as the student's tensor, in the student's Variable, or as it is."""
    if wrap == "tensor":
        return adapter.tensor(array)
    return adapter.variable(array, requires_grad=False) if wrap == "variable" else array


def one_hot(labels, classes):
    """Class numbers as rows of zeros and a one."""
    return (np.asarray(labels)[:, None] == np.arange(classes)).astype(np.float32)
