"""Reading and writing the numbers inside student objects: tensors and their gradients, layers and their parameters."""

import contextlib
import types
from collections.abc import Mapping

import numpy as np

from milestones.student.operations import BIAS_NAMES, WEIGHT_NAMES, Fault

# Attributes under which a tensor keeps its numbers, the usual ones first.
DATA_NAMES = ("data", "_data", "value", "values", "array", "_array", "arr")
DEEPEST = 6


class StudentFault(Exception):
    """The student's side could not answer; travels to the grader as a fault frame."""

    def __init__(self, fault, text, numbers=()):
        super().__init__(text)
        self.fault = fault
        self.text = text
        self.numbers = tuple(numbers)


# -- tensors -----------------------------------------------------------------------------------------------------------


def to_array(value, *, depth=DEEPEST):
    """The numbers inside a student's Tensor, Variable, array or list; anything else is a fault.

    ``ndarray.data`` is a memory view, so arrays are recognised before ``.data`` is followed.
    """
    for _ in range(depth):
        if isinstance(value, np.ndarray):
            if value.dtype.kind not in "fiub":
                raise StudentFault(Fault.UNSUITABLE, f"expected numbers, got an array of dtype {value.dtype}")
            return value
        if isinstance(value, (int, float, np.generic)):
            return np.asarray(value)
        if value is None:
            raise StudentFault(Fault.NOT_IMPLEMENTED, "got None where numbers were expected")
        value = _from_list(value, depth) if isinstance(value, (list, tuple)) else _inner(value)
    raise StudentFault(Fault.UNSUITABLE, "no array was found inside the answer")


def _inner(value):
    """What a student's object keeps as its numbers."""
    for name in DATA_NAMES:
        held = getattr(value, name, None)
        if isinstance(held, memoryview):
            return np.asarray(held)
        if held is not None and not callable(held):
            return held
    raise StudentFault(Fault.UNSUITABLE, f"expected numbers, got an object of type {type(value).__name__}")


def _from_list(value, depth):
    try:
        array = np.asarray(value)
        if array.dtype.kind in "fiub":
            return array
        return np.asarray([to_array(item, depth=depth - 1) for item in value])
    except ValueError as error:
        raise StudentFault(Fault.UNSUITABLE, f"got a ragged list: {error}") from error


def write_array(holder, array):
    """Put ``array`` into a student's Tensor or Variable, as it is if possible, else in place; False when it can't be written."""
    held = {
        name: value for name in DATA_NAMES if (value := getattr(holder, name, None)) is not None and not callable(value)
    }
    for name, inner in held.items():
        if not isinstance(inner, (np.ndarray, np.generic, memoryview, float, int, list, tuple)):
            return write_array(inner, array)
        try:
            setattr(holder, name, array.tolist() if isinstance(inner, (list, tuple)) else array)
        except (AttributeError, TypeError):
            continue
        kept = to_array(holder)
        if kept.shape == array.shape and np.array_equal(kept, array.astype(kept.dtype)):
            return True
    for inner in held.values():
        if isinstance(inner, np.ndarray) and inner.shape == array.shape and inner.flags.writeable:
            inner[...] = array
            return True
    return False


# -- gradients ---------------------------------------------------------------------------------------------------------


def gradient_of(holder):
    """The gradient kept beside a parameter or input as an array, or None where there is none."""
    for _ in range(DEEPEST):
        gradient = getattr(holder, "grad", None)
        if gradient is not None and not callable(gradient):
            return to_array(gradient)
        holder = getattr(holder, "data", None)
        if holder is None or isinstance(holder, (np.ndarray, memoryview)):
            break
    return None


def require_gradient(holder):
    """Mark a parameter as one that gradients are wanted for; layers of several generations forget to."""
    with contextlib.suppress(AttributeError):
        holder.requires_grad = True


def clear_gradient(holder, *, to_zero):
    """Forget a parameter's gradient: None, or zeros (``to_zero``) where the student's tensors start with zeros and add to
    them."""
    held = getattr(holder, "grad", None)
    if held is None:
        return
    try:
        if not to_zero:
            holder.grad = None
        elif not write_array(held, np.zeros_like(to_array(held))):
            holder.grad = np.zeros_like(to_array(held))
    except AttributeError:
        if callable(getattr(holder, "zero_grad", None)):
            holder.zero_grad()


# -- layers ------------------------------------------------------------------------------------------------------------


class Slot:
    """Where a layer keeps one parameter: an attribute, or an entry of a dictionary that is an attribute."""

    def __init__(self, place, key):
        self.place = place
        self.key = key

    @property
    def held(self):
        return self.place[self.key] if isinstance(self.place, dict) else getattr(self.place, self.key)

    @held.setter
    def held(self, value):
        if isinstance(self.place, dict):
            self.place[self.key] = value
        else:
            setattr(self.place, self.key, value)


def weight_slot(layer, shape=None):
    """Where a layer keeps its weight: under a usual name, else the first attribute of ``shape``, either way round; or None."""
    shapes = [] if shape is None else [tuple(shape), tuple(shape)[::-1]]
    return _named_slot(layer, WEIGHT_NAMES) or _slot_of_shape(layer, shapes)


def bias_slot(layer, size=None):
    """Where a layer keeps its bias: under a usual name, else the first attribute of one row of ``size`` numbers; or None."""
    shapes = [] if size is None else [(size,), (1, size), (size, 1)]
    return _named_slot(layer, BIAS_NAMES) or _slot_of_shape(layer, shapes)


def slot_named(layer, names):
    """Where a layer keeps something under the first of ``names`` that it has; or None."""
    return _named_slot(layer, names)


def _named_slot(layer, names):
    places = [layer, *(value for value in _attributes(layer).values() if isinstance(value, dict))]
    for name in names:
        for place in places:
            held = place.get(name) if isinstance(place, dict) else getattr(place, name, None)
            if held is not None and not callable(held) and not isinstance(held, (bool, int, float, str)):
                return Slot(place, name)
    return None


def _slot_of_shape(layer, shapes):
    for name, value in _attributes(layer).items():
        # Names such as dW and grad_weights are gradients of the same shape; plain tuples are sizes.
        if (
            not shapes
            or "grad" in name.lower()
            or name.startswith("d")
            or isinstance(value, (str, list, tuple, Mapping))
        ):
            continue
        try:
            if np.shape(to_array(value)) in shapes:
                return Slot(layer, name)
        except StudentFault:
            continue
    return None


def _attributes(thing):
    return vars(thing) if hasattr(thing, "__dict__") else {}


def is_layer(thing):
    """Whether a thing can be a layer of a model: an object, not a class or function, that goes forward."""
    if isinstance(thing, (type, types.FunctionType, types.MethodType, types.ModuleType)):
        return False
    return callable(getattr(thing, "forward", None)) or (callable(thing) and hasattr(thing, "__dict__"))


def layers_of(model, *, depth=5):
    """The layers inside a model in order, found through the containers students use. Containers are left out; a layer that
    has a weight of its own comes before its parts."""
    if depth == 0:
        return []
    found, seen = [], {id(model)}
    for value in _attributes(model).values():
        items = value if isinstance(value, (list, tuple)) else value.values() if isinstance(value, dict) else [value]
        for item in items:
            if is_layer(item) and id(item) not in seen:
                seen.add(id(item))
                parts = layers_of(item, depth=depth - 1)
                found += [item, *parts] if not parts or _named_slot(item, WEIGHT_NAMES) else parts
    return found


def parameters_of(model):
    """Every trainable parameter holder of a model, once each and in order.

    The model's own ``parameters()`` is asked first; where there is none, or what it gives is no list of numbers, weights
    and biases are collected from the layers that can be found inside.
    """
    return _once(_stated_parameters(model)) or _once(
        slot.held for layer in layers_of(model) or [model] for slot in (weight_slot(layer), bias_slot(layer)) if slot
    )


def _stated_parameters(model):
    method = getattr(model, "parameters", None)
    try:
        held = _flat(method() if callable(method) else method)
        for holder in held:
            to_array(holder)
    except Exception:
        return []
    return held


def _flat(held):
    """Holders out of what ``parameters()`` gave: a list, a generator, a dictionary, (name, holder) pairs, nested lists."""
    if isinstance(held, Mapping):
        held = held.values()
    found = []
    for item in held:
        if isinstance(item, (list, tuple, Mapping)):
            found += _flat(item)
        elif not isinstance(item, str):
            found.append(item)
    return found


def _once(holders):
    return list({id(holder): holder for holder in holders}.values())
