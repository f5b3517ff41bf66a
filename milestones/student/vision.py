"""Convolutions, pooling and flattening of the student's, over all generations of the course."""

import numpy as np

from milestones.student.adapter import accepts
from milestones.student.operations import Fault
from milestones.student.values import StudentFault, bias_slot, to_array, weight_slot, write_array


def make_convolution(adapter, settings, parameters):
    """A convolution layer over (N, C, H, W) with a weight (outputs, inputs, kernel, kernel)."""
    layer_class = adapter.find("convolution")
    inputs, outputs, kernel = settings["inputs"], settings["outputs"], settings["kernel"]
    more = {}
    for name, usual in (("stride", 1), ("padding", 0)):
        if settings[name] != usual:
            if not accepts(layer_class, name):
                raise StudentFault(Fault.MISSING, f"{layer_class.__name__} takes no {name}")
            more[name] = settings[name]
    if not settings["bias"] and accepts(layer_class, "bias"):
        more["bias"] = False
    try:
        layer = layer_class(inputs, outputs, kernel, **more)
    except (TypeError, ValueError):
        layer = layer_class(inputs, outputs, (kernel, kernel), **more)
    if parameters:
        weight = parameters.pop(0)
        _put(adapter, weight_slot(layer, weight.shape), weight, layer)
        if settings["bias"]:
            bias = parameters.pop(0)
            _put(adapter, bias_slot(layer, len(bias)), bias, layer)
    return layer


def make_max_pool(adapter, settings, parameters):
    """A max-pooling layer over (N, C, H, W)."""
    layer_class = adapter.find("max_pool")
    size, stride = settings["size"], settings["stride"]
    if stride == size:
        try:
            return layer_class(size)
        except (TypeError, ValueError):
            return layer_class((size, size))
    return layer_class(size, stride)


def make_flatten(adapter, settings, parameters):
    """A layer that makes one row of each item of a batch: the student's Flatten, else the student's own reshape."""
    if adapter.has("flatten"):
        return adapter.find("flatten")()
    return Rows()


class Rows:
    """(N, …) -> (N, features), by the student's own reshape, so that gradients pass."""

    def forward(self, x):
        """One row for each item."""
        count = len(to_array(x))
        return x.reshape(count, int(np.prod(np.shape(to_array(x))[1:])))

    __call__ = forward

    def parameters(self):
        """It learns nothing."""
        return []


def _put(adapter, slot, array, layer):
    if slot is None:
        raise StudentFault(Fault.MISSING, f"{type(layer).__name__} keeps no parameter of shape {array.shape}")
    shape = np.shape(to_array(slot.held))
    if np.prod(shape, dtype=int) != array.size:
        raise StudentFault(Fault.UNSUITABLE, f"{type(layer).__name__} keeps a parameter of shape {shape}", shape[:4])
    array = array.reshape(shape)
    if type(slot.held) is np.ndarray:
        slot.held = array
    elif not write_array(slot.held, array):
        slot.held = adapter.tensor(array)


MAKERS = {"convolution": make_convolution, "max_pool": make_max_pool, "flatten": make_flatten}
