"""Single components of the student's, made as the grader describes them, and chains of them."""

import numpy as np

from milestones.student import vision
from milestones.student.operations import Fault, Operation
from milestones.student.state import Desk
from milestones.student.values import (
    StudentFault,
    bias_slot,
    gradient_of,
    require_gradient,
    to_array,
    weight_slot,
)

NOTHING = np.empty(0, dtype=np.float64)


class Components(Desk):
    """Questions about one component, or a chain of them, with parameters of the grader's."""

    operations = {Operation.FORWARD: "forward", Operation.GRADIENT: "gradient"}

    def forward(self, settings, inputs, *parameters):
        """The output for ``inputs``."""
        adapter = self.state.components()
        component = make(adapter, settings, list(parameters))
        return [numbers(adapter.call(component, adapter.tensor(inputs)))]

    def gradient(self, settings, inputs, upstream, *parameters):
        """Gradients of sum(output * upstream) by inputs, weight and bias; an empty array where none arrived."""
        adapter = self.state.components()
        component = make(adapter, settings, list(parameters))
        road = adapter.road
        if road.through_variables:
            adapter.wrap_parameters(component)
        start = road.input(adapter, inputs, requires_grad=True)
        slots = [weight_slot(component, parameters[0].shape)] if parameters else []
        slots += [bias_slot(component, len(parameters[1]))] if len(parameters) > 1 else []
        holders = [slot and slot.held for slot in slots]
        for holder in holders:
            if holder is not None:
                require_gradient(holder)
        self._go_back(
            component, start, upstream, again=lambda: make(adapter, settings, list(parameters)), inputs=inputs
        )
        answers = [None if holder is None else gradient_of(holder) for holder in (start, *holders)]
        if all(answer is None for answer in answers):
            raise StudentFault(Fault.NO_GRADIENT, "backward() ran, but no gradient arrived anywhere")
        if settings["component"] == "convolution" and len(answers) > 1 and answers[1] is not None:
            answers[1] = vision.as_sent(adapter, answers[1], parameters[0].shape)
        return [NOTHING if answer is None else numbers(answer) for answer in answers]

    def _go_back(self, component, start, upstream, *, again, inputs):
        """Forward from ``start`` and back again. A component that only goes forward, as one made ``again`` does with plain
        ``inputs``, has no gradient."""
        adapter = self.state.components()
        # Where a layer is wrapped in one of ours, the student's own is meant.
        kind = type(getattr(component, "layer", component)).__name__
        try:
            output = adapter.call(component, start)
        except StudentFault:
            raise
        except Exception as error:
            # What carries gradients may be refused by a layer that takes plain tensors.
            if not adapter.road.through_variables or not _goes_forward(adapter, again, inputs):
                raise
            reason = adapter.package.describe(error)
            raise StudentFault(Fault.NO_GRADIENT, f"{kind} does not take what carries gradients ({reason})") from error
        if not callable(getattr(output, "backward", None)):
            raise StudentFault(Fault.NO_GRADIENT, f"what {kind} returns has no backward()")
        try:
            adapter.road.back(adapter, output, upstream)
        except StudentFault:
            raise
        except Exception as error:
            if getattr(output, "requires_grad", None) is not False:
                raise
            raise StudentFault(
                Fault.NO_GRADIENT, f"what {kind} returns is not connected to its input: requires_grad is False"
            ) from error


def _goes_forward(adapter, make_component, inputs):
    try:
        adapter.call(make_component(), adapter.tensor(inputs))
    except Exception:
        return False
    return True


def make(adapter, settings, parameters):
    """The component that ``settings`` describe (see ``milestones.networks``). It takes its weight and bias from the front of
    ``parameters``; with none left, a component keeps those it starts with."""
    kind = settings["component"]
    if kind == "network":
        layers = [make(adapter, layer, parameters) for layer in settings["layers"]]
        return _chain(adapter, layers, own_sequential=settings.get("own_sequential"))
    if kind == "dense":
        layer = adapter.dense(settings["inputs"], settings["outputs"], bias=settings["bias"])
        if parameters:
            adapter.set_dense(layer, parameters.pop(0), parameters.pop(0) if settings["bias"] else None)
        return layer
    if kind in vision.MAKERS:
        return vision.MAKERS[kind](adapter, settings, parameters)
    return adapter.activation(kind)


def _chain(adapter, layers, *, own_sequential):
    network, used = adapter.sequential(layers)
    if own_sequential and not used:
        adapter.find("sequential")
        raise StudentFault(Fault.UNSUITABLE, "Sequential takes neither a list of layers nor the layers themselves")
    return network


def numbers(value):
    """A student's answer as float32 or float64, at most four dimensions, ready for the wire."""
    array = np.asarray(to_array(value))
    if array.ndim > 4:
        raise StudentFault(Fault.UNSUITABLE, f"the answer has {array.ndim} dimensions", array.shape[:8])
    return np.ascontiguousarray(array, dtype=array.dtype if array.dtype in (np.float32, np.float64) else np.float64)
