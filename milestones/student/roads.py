"""How one goes backward through what a student built: what carries gradients, and how ``backward`` wants to be called."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from milestones.student.operations import Fault
from milestones.student.values import (
    StudentFault,
    bias_slot,
    gradient_of,
    require_gradient,
    to_array,
    weight_slot,
)


@dataclass(frozen=True)
class Road:
    """``through_variables``: inputs and weights go into the student's Variable. ``way(adapter, output, upstream)`` sends
    the gradient ``upstream`` (an array of the output's shape) backward from ``output``."""

    through_variables: bool
    way: Callable

    def input(self, adapter, array, *, requires_grad=False):
        """An input that gradients can pass, or arrive at with ``requires_grad``."""
        if self.through_variables:
            return adapter.variable(array, requires_grad=requires_grad)
        return adapter.tensor(array, requires_grad=requires_grad)

    def back(self, adapter, output, upstream):
        """Go backward from ``output``."""
        dtype = to_array(output).dtype
        self.way(adapter, output, upstream.astype(dtype if dtype.kind == "f" else np.float64))


# In the order of the generations: an array, the student's Tensor, the student's Variable, and last a single number made
# with the student's own multiplication and sum.
def _by_array(adapter, output, upstream):
    output.backward(upstream)


def _by_tensor(adapter, output, upstream):
    output.backward(adapter.tensor(upstream))


def _by_variable(adapter, output, upstream):
    output.backward(adapter.variable(upstream, requires_grad=False))


def _by_sum(adapter, output, upstream):
    (output * adapter.tensor(upstream)).sum().backward()


def _by_sum_of_variables(adapter, output, upstream):
    (output * adapter.variable(upstream, requires_grad=False)).sum().backward()


def find_road(adapter):
    """Try the roads on a small dense layer. The one that brings the right gradient to its weight is taken; where none does,
    the first that brings any, to the weight or at least to the bias or the input: a wrong gradient, or a missing one, is
    for the checks to judge.

    Raises StudentFault NO_GRADIENT where nothing carries gradients, otherwise what the student's backward raised.
    """
    roads = []
    if callable(getattr(adapter.find("tensor"), "backward", None)):
        roads += [Road(False, way) for way in (_by_array, _by_tensor, _by_sum)]
    if adapter.has("variable"):
        ways = (_by_variable, _by_array, _by_tensor, _by_sum_of_variables)
        roads += [Road(True, way) for way in ways]
    if not roads:
        raise StudentFault(Fault.NO_GRADIENT, "neither Tensor nor anything else has backward()")
    second_best, quiet, trouble = {}, False, {}
    for road in roads:
        try:
            arrival = _try(adapter, road)
        except StudentFault:
            raise
        except (_Refused, NotImplementedError) as error:
            # Early modules define backward() for a later one to fill in: forward only, not broken.
            trouble.setdefault("refused", error.__cause__ or error)
        except Exception as error:
            # A way that is refused for its form fails in our own line; what fails further in says what is wrong.
            trouble["raised" if adapter.package.is_in_students_code(error) else "form"] = error
        else:
            if arrival == RIGHT:
                return road
            quiet = quiet or arrival == NOWHERE
            second_best.setdefault(arrival, road)
    best_left = second_best.get(WRONG) or second_best.get(ELSEWHERE)
    if best_left is not None:
        return best_left
    if "raised" in trouble and not quiet:
        raise trouble["raised"]
    if "refused" in trouble:
        reason = adapter.package.describe(trouble["refused"])
        raise StudentFault(Fault.NO_GRADIENT, f"nothing that carries gradients passes a layer ({reason})")
    raise StudentFault(Fault.NO_GRADIENT, "backward() ran, but no gradient arrived at the weight of a dense layer")


# What one way back brought to the weight of a small dense layer: the right gradient, a wrong one, none although its bias or
# its input got one, nothing anywhere.
RIGHT, WRONG, ELSEWHERE, NOWHERE = range(4)


class _Refused(Exception):
    """The layer does not take what carries gradients on this road."""


def _try(adapter, road):
    """What arrives on ``road``."""
    random = np.random.RandomState(5)
    x, weight, bias, upstream = (random.normal(size=size) for size in ((3, 4), (4, 2), 2, (3, 2)))
    layer = adapter.dense(4, 2)
    adapter.set_dense(layer, weight, bias)
    if road.through_variables:
        adapter.wrap_parameters(layer)
    holder, bias_holder = (slot.held for slot in (weight_slot(layer, weight.shape), bias_slot(layer, 2)))
    require_gradient(holder)
    require_gradient(bias_holder)
    start = road.input(adapter, x, requires_grad=True)
    try:
        output = adapter.call(layer, start)
    except StudentFault:
        raise
    except Exception as error:
        raise _Refused from error
    if not callable(getattr(output, "backward", None)):
        return NOWHERE
    road.back(adapter, output, upstream)
    gradient = gradient_of(holder)
    if not _arrived(gradient):
        return ELSEWHERE if _arrived(gradient_of(bias_holder)) or _arrived(gradient_of(start)) else NOWHERE
    truth = x.T @ upstream
    right = any(
        np.shape(gradient) == np.shape(wanted) and np.allclose(gradient, wanted, rtol=1e-3, atol=1e-4)
        for wanted in (truth, truth.T)
    )
    return RIGHT if right else WRONG


def _arrived(gradient):
    return gradient is not None and bool(np.any(gradient))
