"""Hides how the generations of the course differ: how tensors are made and read, what layers are called, where their
weights lie and how one goes backward. See the table of generations in the design notes."""

import inspect

import numpy as np

from milestones.student.operations import BIAS_NAMES, COMPONENT_NAMES, WEIGHT_NAMES, Fault

# Where each component is usually defined; a class in such a module beats one of the same name elsewhere.
HOME_MODULES = {
    "tensor": ("tensor",),
    "variable": ("autograd",),
    "dense": ("layers", "linear", "dense", "modules"),
    "relu": ("activations", "layers", "modules"),
    "sigmoid": ("activations", "layers", "modules"),
    "tanh": ("activations", "layers", "modules"),
    "softmax": ("activations", "layers", "modules"),
    "sequential": ("layers", "networks", "containers", "modules"),
    "cross_entropy": ("losses", "training", "loss"),
    "sgd": ("optimizers", "sgd", "optim"),
}


LAYERS = frozenset({"dense", "relu", "sigmoid", "tanh", "softmax", "sequential"})


class StudentFault(Exception):
    """The student's side could not answer; travels to the grader as a fault frame."""

    def __init__(self, fault, text, numbers=()):
        super().__init__(text)
        self.fault = fault
        self.text = text
        self.numbers = tuple(numbers)


class Adapter:
    """The student's components behind one face. ``loaded`` is what ``package.load`` returned."""

    def __init__(self, loaded):
        self.loaded = loaded
        self._classes = {}
        self._weight_is_transposed = None

    # -- finding ---------------------------------------------------------------------------------------------------

    def has(self, component):
        try:
            self.find(component)
        except StudentFault:
            return False
        return True

    def find(self, component):
        """The student's class for ``component``; a missing one is a fault that says what was looked for."""
        if component not in self._classes:
            self._classes[component] = self._search(component)
        found = self._classes[component]
        if found is None:
            names = " or ".join(COMPONENT_NAMES[component])
            raise StudentFault(Fault.MISSING, f"no class named {names} was found in the package")
        return found

    def _search(self, component):
        best = None
        for preference, name in enumerate(COMPONENT_NAMES[component]):
            for dotted, module in self.loaded.modules.items():
                thing = vars(module).get(name)
                if not inspect.isclass(thing) or not self.loaded.is_students(thing):
                    continue
                # Fallback stand-ins that some modules define for a failed import can't do anything.
                if component in LAYERS and not (hasattr(thing, "forward") or hasattr(thing, "__call__")):  # noqa: B004
                    continue
                defined_in = thing.__module__.rsplit(".", 1)[-1]
                at_home = defined_in in HOME_MODULES.get(component, ())
                # Defined where the course puts it, then the better name, then the module where it was defined.
                rank = (not at_home, preference, thing.__module__ != dotted, dotted)
                if best is None or rank < best[0]:
                    best = (rank, thing)
        return best and best[1]

    # -- tensors ---------------------------------------------------------------------------------------------------

    def tensor(self, array, *, requires_grad=False):
        """Wrap ``array`` in the student's Tensor (or Variable, where that is what has gradients)."""
        tensor_class = self.find("tensor")
        if requires_grad:
            try:
                return tensor_class(array, requires_grad=True)
            except TypeError:
                if self.has("variable"):
                    return self.find("variable")(tensor_class(array), requires_grad=True)
        made = tensor_class(array)
        if requires_grad:
            require_gradient(made)
        return made

    def precision(self):
        """The precision that the student's Tensor keeps numbers in when it is given float64; float64 if it can't be told."""
        try:
            return str(to_array(self.tensor(np.zeros(2))).dtype)
        except Exception:
            return "float64"

    def differentiable_input(self, array):
        """An input that a training pass may start from: plain in later generations, a Variable in the early one."""
        if self.has("variable") and not _accepts(self.find("tensor"), "requires_grad"):
            return self.find("variable")(self.find("tensor")(array), requires_grad=False)
        return self.tensor(array)

    def call(self, thing, *arguments):
        """Call a layer the way it can be called: directly, or through ``.forward``."""
        if callable(thing):
            answer = thing(*arguments)
        elif hasattr(thing, "forward"):
            answer = thing.forward(*arguments)
        else:
            raise StudentFault(Fault.MISSING, f"{type(thing).__name__} can neither be called nor has it .forward")
        if answer is None:
            raise StudentFault(Fault.NOT_IMPLEMENTED, f"{type(thing).__name__} returned None")
        return answer

    # -- components ------------------------------------------------------------------------------------------------

    def dense(self, inputs, outputs, *, bias=True):
        """A fresh dense layer of the student's, whatever its bias switch is called."""
        layer_class = self.find("dense")
        if bias:
            return layer_class(inputs, outputs)
        for keyword in ("bias", "use_bias", "has_bias"):
            if _accepts(layer_class, keyword):
                return layer_class(inputs, outputs, **{keyword: False})
        layer = layer_class(inputs, outputs)
        if parameter(layer, BIAS_NAMES) is None:
            return layer
        raise StudentFault(Fault.MISSING, f"{layer_class.__name__} has no way to be made without a bias")

    def set_dense(self, layer, weight, bias):
        """Give a dense layer its weight, (inputs, outputs), and bias, (outputs,), in the orientation it stores."""
        holder = parameter(layer, WEIGHT_NAMES)
        if holder is None:
            raise StudentFault(
                Fault.MISSING, f"{type(layer).__name__} keeps no weight under any of {', '.join(WEIGHT_NAMES)}"
            )
        shape = tuple(np.shape(to_array(holder)))
        transposed = shape == weight.shape[::-1] and (shape != weight.shape or self.stores_transposed())
        self._assign(layer, WEIGHT_NAMES, np.ascontiguousarray(weight.T) if transposed else weight)
        if bias is not None:
            held = parameter(layer, BIAS_NAMES)
            if held is None:
                raise StudentFault(
                    Fault.MISSING, f"{type(layer).__name__} keeps no bias under any of {', '.join(BIAS_NAMES)}"
                )
            self._assign(layer, BIAS_NAMES, bias.reshape(np.shape(to_array(held))))

    def stores_transposed(self):
        """Whether dense weights are stored (out, in); told from a layer that is not square."""
        if self._weight_is_transposed is None:
            holder = parameter(self.dense(5, 3), WEIGHT_NAMES)
            self._weight_is_transposed = holder is not None and np.shape(to_array(holder)) == (3, 5)
        return self._weight_is_transposed

    def _assign(self, layer, names, array):
        name = next(name for name in names if getattr(layer, name, None) is not None)
        holder = getattr(layer, name)
        if isinstance(holder, np.ndarray):
            setattr(layer, name, array)
        elif not write_array(holder, array):
            setattr(layer, name, self.tensor(array))

    def activation(self, component):
        return self.find(component)()

    def sequential(self, layers):
        """(callable network, whether the student's own Sequential was used). Accepts a list or varargs."""
        if self.has("sequential"):
            for arguments in ((list(layers),), tuple(layers)):
                try:
                    network = self.find("sequential")(*arguments)
                except TypeError:
                    continue
                held = getattr(network, "layers", None)
                # Sequential(*layers) given one list keeps that list as its only layer: not what was meant.
                if isinstance(held, (list, tuple)) and len(held) == 1 and isinstance(held[0], (list, tuple)):
                    continue
                return network, True
        return Chain(self, layers), False

    # -- gradients -------------------------------------------------------------------------------------------------

    def backward(self, output, upstream):
        """Send ``upstream`` (an array of the output's shape) backward through whatever the student built.

        Tried in the order of the generations: an array, the student's Tensor, the student's Variable, and last a
        scalar made with the student's own multiplication and sum.
        """
        method = getattr(output, "backward", None)
        if not callable(method):
            raise StudentFault(Fault.NO_GRADIENT, f"{type(output).__name__} has no backward()")
        ways = [lambda: method(upstream), lambda: method(self.find("tensor")(upstream))]
        if self.has("variable"):
            ways.insert(0, lambda: method(self.find("variable")(self.find("tensor")(upstream))))
        ways.append(lambda: (output * self.find("tensor")(upstream)).sum().backward())
        first_error = None
        for way in ways:
            try:
                way()
            except Exception as error:
                first_error = first_error or error
            else:
                return
        raise first_error


class Chain:
    """Layers applied one after the other, for packages that have no Sequential."""

    def __init__(self, adapter, layers):
        self.adapter = adapter
        self.layers = list(layers)

    def forward(self, value):
        for layer in self.layers:
            value = self.adapter.call(layer, value)
        return value

    __call__ = forward


def _accepts(cls, keyword):
    try:
        parameters = inspect.signature(cls).parameters
    except (TypeError, ValueError):
        return False
    return keyword in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values())


def to_array(value, *, depth=6):
    """The numbers inside a student's Tensor, Variable or array; anything else is a fault.

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
        if isinstance(value, (list, tuple)):
            try:
                value = np.asarray([to_array(item, depth=depth - 1) for item in value])
            except ValueError as error:
                raise StudentFault(Fault.UNSUITABLE, f"got a ragged list: {error}") from error
            continue
        inner = getattr(value, "data", None)
        value = inner if inner is not None else getattr(value, "_data", None)
    raise StudentFault(Fault.UNSUITABLE, "no array was found inside the answer")


def gradient_of(holder):
    """The gradient kept beside a parameter or input as an array, or None where there is none."""
    gradient = getattr(holder, "grad", None)
    return None if gradient is None else to_array(gradient)


def write_array(holder, array):
    """Put ``array`` into a student's Tensor or Variable in place; False when it can't be written."""
    inner = getattr(holder, "data", None)
    if inner is not None and not isinstance(inner, (np.ndarray, memoryview, float, int)):
        return write_array(inner, array)
    for name in ("data", "_data"):
        try:
            setattr(holder, name, array)
        except (AttributeError, TypeError):
            continue
        if np.shape(to_array(holder)) == array.shape:
            return True
    if isinstance(inner, np.ndarray) and inner.shape == array.shape and inner.flags.writeable:
        inner[...] = array
        return True
    return False


def parameter(layer, names):
    """The first attribute among ``names`` that the layer really has, or None."""
    for name in names:
        held = getattr(layer, name, None)
        if held is not None and not callable(held):
            return held
    return None


def require_gradient(holder):
    """Mark a parameter as one that gradients are wanted for; layers of several generations forget to."""
    try:
        holder.requires_grad = True
    except AttributeError:
        return False
    return True


def clear_gradient(holder):
    try:
        holder.grad = None
    except AttributeError:
        if callable(getattr(holder, "zero_grad", None)):
            holder.zero_grad()


def layers_of(model, *, depth=5):
    """The layers inside a model in order, found through the containers students use. A layer comes before its parts."""
    if depth == 0:
        return []
    found = []
    held = vars(model).values() if hasattr(model, "__dict__") else ()
    for value in held:
        items = value if isinstance(value, (list, tuple)) else value.values() if isinstance(value, dict) else [value]
        for item in items:
            if hasattr(item, "forward") and item is not model and item not in found:
                inner = layers_of(item, depth=depth - 1)
                found.extend(inner or [item])
    return found


def parameters_of(model):
    """Every trainable parameter holder of a model, once each and in order.

    The model's own ``parameters()`` is asked first; where there is none (or it is empty), weights and biases are
    collected from the layers that can be found inside.
    """
    method = getattr(model, "parameters", None)
    if callable(method):
        try:
            held = list(method())
        except Exception:
            held = []
        if held:
            return _once(held)
    found = []
    for layer in layers_of(model) or [model]:
        for names in (WEIGHT_NAMES, BIAS_NAMES):
            held = parameter(layer, names)
            if held is not None:
                found.append(held)
    return _once(found)


def _once(holders):
    seen, unique = set(), []
    for holder in holders:
        if id(holder) not in seen:
            seen.add(id(holder))
            unique.append(holder)
    return unique
