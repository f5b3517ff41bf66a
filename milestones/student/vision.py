"""Convolutions, pooling and flattening of the student's, over all generations of the course.

Images are (N, C, H, W) and weights (outputs, inputs, kernel, kernel) for the grader; how the student's layers want them is
found out here.
"""

import inspect

import numpy as np

from milestones.student.adapter import BIAS_SWITCHES, accepts
from milestones.student.operations import Fault
from milestones.student.values import StudentFault, bias_slot, gradient_of, to_array, weight_slot, write_array

STRIDES = ("stride", "strides")
PADDINGS = ("padding", "pad")
# Ways to write the sizes of a window: (kernel as a pair, stride and padding as pairs), the usual one first.
FORMS = ((False, False), (True, False), (True, True))
# Ways to store a weight, as the order of the axes (outputs, inputs, kernel, kernel), the usual one first.
LAYOUTS = ((0, 1, 2, 3), (1, 0, 2, 3), (2, 3, 1, 0), (2, 3, 0, 1), (0, 2, 3, 1))
FLATTENED, FLATTENED_COLUMNS = "rows", "columns"


# -- convolution -------------------------------------------------------------------------------------------------------


def make_convolution(adapter, settings, parameters):
    """A convolution layer over (N, C, H, W) with a weight (outputs, inputs, kernel, kernel)."""
    layer_class = adapter.find("convolution")
    if takes_one_channel(layer_class):
        return _one_channel(adapter, layer_class, settings, parameters)
    layer = _fresh_convolution(adapter, layer_class, settings)
    if parameters:
        weight = parameters.pop(0)
        slot = _required(weight_slot(layer, weight.shape), layer, "weight", weight)
        _put(adapter, slot, _as_stored(adapter, weight, np.shape(to_array(slot.held))), layer)
        if settings["bias"]:
            bias = parameters.pop(0)
            _put(adapter, _required(bias_slot(layer, len(bias)), layer, "bias", bias), bias, layer)
    return layer


def takes_one_channel(layer_class):
    """Whether a class is made from the size of its kernel alone, as the first edition's: one channel, one filter."""
    try:
        names = list(inspect.signature(layer_class).parameters)
    except (TypeError, ValueError):
        return False
    return bool(names) and ("kernel" in names[0] or names[0] == "size")


def _fresh_convolution(adapter, layer_class, settings):
    inputs, outputs, kernel = settings["inputs"], settings["outputs"], settings["kernel"]
    more = _spacing(layer_class, settings)
    switches = {}
    if not settings["bias"]:
        switch = next((name for name in BIAS_SWITCHES if accepts(layer_class, name)), None)
        if switch is None:
            raise StudentFault(Fault.MISSING, f"{layer_class.__name__} has no way to be made without a bias")
        switches = {switch: False}
    sides = kernel + settings["stride"]
    return _formed(
        adapter,
        layer_class,
        more,
        lambda pair, pairs: layer_class(inputs, outputs, _sized(kernel, pair), **_all_sized(more, pairs), **switches),
        np.zeros((1, inputs, sides, sides)),
    )


def _spacing(layer_class, settings):
    """Stride and padding as keywords of the student's, where they are not the usual ones."""
    more = {}
    for names, value, usual in ((STRIDES, settings["stride"], 1), (PADDINGS, settings["padding"], 0)):
        if value != usual:
            more[_keyword(layer_class, names)] = value
    return more


def _keyword(layer_class, names):
    """Which of some names for one thing the class takes."""
    name = next((name for name in names if accepts(layer_class, name)), None)
    if name is None:
        raise StudentFault(Fault.MISSING, f"{layer_class.__name__} takes no {names[0]}")
    return name


def _formed(adapter, layer_class, sizes, make, blank):
    """A layer made with its sizes in the first form that the class takes and that goes forward on ``blank``; the form is
    remembered for the same ``sizes``. Where none goes forward, the first layer that could be made: what is wrong with it
    shows when it is asked."""
    key = (layer_class, *sizes)
    forms = [adapter.manners[key]] if key in adapter.manners else FORMS
    made, trouble = None, None
    for form in forms:
        try:
            layer = make(*form)
            made = layer if made is None else made
            if len(forms) > 1:
                adapter.call(layer, adapter.tensor(blank))
        except StudentFault:
            return layer
        except Exception as error:
            trouble = trouble or error
        else:
            adapter.manners[key] = form
            return layer
    if made is None:
        raise trouble
    return made


def _sized(size, pair):
    return (size, size) if pair else size


def _all_sized(sizes, pairs):
    return {name: _sized(size, pairs) for name, size in sizes.items()}


# -- where the weight of a convolution lies ------------------------------------------------------------------------------


def _layout(adapter):
    """How the student's convolution stores its weight, told from one whose axes all differ; None where that is unknown."""
    if "layout" not in adapter.manners:
        settings = {"inputs": 2, "outputs": 3, "kernel": 4, "stride": 1, "padding": 0, "bias": True}
        slot = weight_slot(_fresh_convolution(adapter, adapter.find("convolution"), settings))
        shape = () if slot is None else np.shape(to_array(slot.held))
        full = (3, 2, 4, 4)
        known = {tuple(full[axis] for axis in layout): layout for layout in reversed(LAYOUTS)}
        known |= {(3, 32): FLATTENED, (32, 3): FLATTENED_COLUMNS}
        adapter.manners["layout"] = known.get(shape)
    return adapter.manners["layout"]


def _as_stored(adapter, weight, shape):
    """A weight (outputs, inputs, kernel, kernel) as the student's layer keeps it, in ``shape``."""
    layout = _layout(adapter)
    if isinstance(layout, tuple):
        return np.ascontiguousarray(weight.transpose(layout))
    if layout == FLATTENED_COLUMNS:
        return np.ascontiguousarray(weight.reshape(len(weight), -1).T)
    return weight.reshape(shape) if np.prod(shape, dtype=int) == weight.size else weight


def as_sent(adapter, stored, shape):
    """An array that the student's layer keeps, such as its weight's gradient, in the grader's ``shape``; as it is where it
    does not fit."""
    layout = _layout(adapter)
    if np.size(stored) != np.prod(shape, dtype=int):
        return stored
    if isinstance(layout, tuple) and np.shape(stored) == tuple(shape[axis] for axis in layout):
        return stored.transpose(np.argsort(layout))
    if layout == FLATTENED_COLUMNS and np.shape(stored) == (stored.size // shape[0], shape[0]):
        return stored.T.reshape(shape)
    return stored.reshape(shape) if layout == FLATTENED else stored


def _required(slot, layer, name, array):
    if slot is None:
        raise StudentFault(Fault.MISSING, f"{type(layer).__name__} keeps no {name} of shape {array.shape}")
    return slot


def _put(adapter, slot, array, layer):
    shape = np.shape(to_array(slot.held))
    if np.prod(shape, dtype=int) != array.size:
        raise StudentFault(Fault.UNSUITABLE, f"{type(layer).__name__} keeps a parameter of shape {shape}", shape[:4])
    array = array.reshape(shape)
    if type(slot.held) is np.ndarray:
        slot.held = array
    elif not write_array(slot.held, array):
        slot.held = adapter.tensor(array)


# -- the first edition: one channel, one filter ---------------------------------------------------------------------------


def _one_channel(adapter, layer_class, settings, parameters):
    kernel = settings["kernel"]
    if (settings["inputs"], settings["outputs"]) != (1, 1):
        raise StudentFault(
            Fault.MISSING,
            f"{layer_class.__name__}(kernel_size) has one channel and one filter, not {settings['inputs']} channels into "
            f"{settings['outputs']}",
        )
    if settings["bias"]:
        raise StudentFault(Fault.MISSING, f"{layer_class.__name__} has no bias")
    layer = OneChannel(adapter, layer_class((kernel, kernel), **_spacing(layer_class, settings)))
    if parameters:
        weight = parameters.pop(0)
        _put(
            adapter, _required(weight_slot(layer.layer, weight.shape[2:]), layer.layer, "kernel", weight), weight, layer
        )
    return layer


class OneChannel:
    """(N, 1, H, W) -> (N, 1, R, S), through a student's layer that takes planes (N, H, W) or single ones (H, W)."""

    def __init__(self, adapter, layer):
        self.adapter = adapter
        self.layer = layer

    def forward(self, x):
        """Only forward: no layer of that generation sends gradients back."""
        planes = to_array(x)[:, 0]
        first = self._answer(planes[0])
        try:
            together = self._answer(planes)
        except Exception:
            together = first
        # What takes single planes may also answer to a batch, with something else.
        if together.shape != (len(planes), *first.shape) or not np.allclose(together[0], first):
            together = np.stack([first, *(self._answer(plane) for plane in planes[1:])])
        return self.adapter.tensor(together[:, None])

    def _answer(self, planes):
        return to_array(self.adapter.call(self.layer, self.adapter.tensor(planes)))

    __call__ = forward


# -- pooling -----------------------------------------------------------------------------------------------------------


def make_max_pool(adapter, settings, parameters):
    """A max-pooling layer over (N, C, H, W)."""
    return _pool(adapter, adapter.find("max_pool"), settings)


def make_average_pool(adapter, settings, parameters):
    """An average-pooling layer over (N, C, H, W)."""
    return _pool(adapter, adapter.find("average_pool"), settings)


def _pool(adapter, layer_class, settings):
    """A pooling layer; its stride is only named where it is not the size of the window, which is the usual one."""
    size, stride = settings["size"], settings["stride"]
    more = {} if stride == size else {_keyword(layer_class, STRIDES): stride}
    blank = np.zeros((1, 1, 2 * size, 2 * size))
    return _formed(
        adapter,
        layer_class,
        more,
        lambda pair, pairs: layer_class(_sized(size, pair), **_all_sized(more, pairs)),
        blank,
    )


# -- flattening --------------------------------------------------------------------------------------------------------


def make_flatten(adapter, settings, parameters):
    """A layer that makes one row of each item of a batch.

    Asked for the student's ``own``: their Flatten, else their function flatten, else their reshape, right or wrong. In a
    network: the first of these that does it rightly and lets gradients pass, so that what flattening costs is lost once.
    """
    candidates = _flattenings(adapter)
    if settings.get("own"):
        return candidates[0]()
    if "flatten" not in adapter.manners:
        adapter.manners["flatten"] = _best_flattening(adapter, candidates)
    return adapter.manners["flatten"]()


def _flattenings(adapter):
    found = []
    if adapter.has("flatten"):
        found.append(adapter.find("flatten"))
    function = adapter.function_named("flatten")
    if function is not None:
        found.append(lambda: Applied(function))
    return [*found, lambda: Rows(adapter)]


def _best_flattening(adapter, candidates):
    """The first way that makes rows and lets a gradient pass; else the first that makes rows; else the grader's."""
    forward_only = None
    for make in candidates:
        try:
            if _makes_rows(adapter, make()):
                if _gradient_passes(adapter, make()):
                    return make
                forward_only = forward_only or make
        except Exception:
            continue
    return forward_only or candidates[-1]


def _makes_rows(adapter, layer):
    blank = np.arange(24.0).reshape(2, 3, 2, 2)
    answer = to_array(adapter.call(layer, adapter.tensor(blank)))
    return answer.shape == (2, 12) and bool(np.allclose(answer, blank.reshape(2, 12)))


def _gradient_passes(adapter, layer):
    try:
        start = adapter.road.input(adapter, np.ones((2, 3, 2, 2)), requires_grad=True)
        adapter.road.back(adapter, adapter.call(layer, start), np.ones((2, 12)))
        return gradient_of(start) is not None
    except Exception:
        return False


class Applied:
    """A student's function as a layer."""

    def __init__(self, function):
        self.function = function

    def forward(self, x):
        """What the function makes of ``x``."""
        return self.function(x)

    __call__ = forward

    def parameters(self):
        """It learns nothing."""
        return []


class Rows:
    """(N, …) -> (N, features), by the student's own reshape where tensors have one, so that gradients pass."""

    def __init__(self, adapter):
        self.adapter = adapter

    def forward(self, x):
        """One row for each item."""
        shape = np.shape(to_array(x))
        size = int(np.prod(shape[1:]))
        reshape = getattr(x, "reshape", None)
        if callable(reshape):
            return reshape(shape[0], size)
        return self.adapter.tensor(to_array(x).reshape(shape[0], size))

    __call__ = forward

    def parameters(self):
        """It learns nothing."""
        return []


MAKERS = {
    "convolution": make_convolution,
    "max_pool": make_max_pool,
    "average_pool": make_average_pool,
    "flatten": make_flatten,
}
