"""Hides how the generations of the course differ: which class is the student's what, how tensors are made, layers built
and networks composed. See the table of generations in the design notes."""

import contextlib
import inspect
import sys
import types

import numpy as np

from milestones.student.operations import COMPONENT_NAMES, Fault
from milestones.student.roads import find_road
from milestones.student.values import (
    StudentFault,
    bias_slot,
    layers_of,
    parameters_of,
    require_gradient,
    to_array,
    weight_slot,
    write_array,
)

# Where each component is usually defined; a class in such a module beats one of the same name elsewhere.
_LAYER_MODULES = ("layers", "layer", "modules", "nn")
_ACTIVATION_MODULES = ("activations", "activation", *_LAYER_MODULES)
_LOSS_MODULES = ("losses", "loss", "training", "nn")
_OPTIMIZER_MODULES = ("optimizers", "optimizer", "optim")
_VISION_MODULES = ("spatial", "convolutions", "convolution", "conv", "pooling", "cnn", *_LAYER_MODULES)
_DATA_MODULES = ("dataloader", "loader", "dataset", "data")
_LANGUAGE_MODULES = ("transformer", "transformers", "tinygpt", "attention")
HOME_MODULES = {
    "tensor": ("tensor",),
    "variable": ("autograd",),
    "dense": ("linear", "dense", *_LAYER_MODULES),
    "relu": _ACTIVATION_MODULES,
    "sigmoid": _ACTIVATION_MODULES,
    "tanh": _ACTIVATION_MODULES,
    "softmax": _ACTIVATION_MODULES,
    "sequential": ("networks", "containers", "container", "sequential", *_LAYER_MODULES),
    "cross_entropy": _LOSS_MODULES,
    "mean_squared_error": _LOSS_MODULES,
    "binary_cross_entropy": _LOSS_MODULES,
    "sgd": ("sgd", *_OPTIMIZER_MODULES),
    "adam": ("adam", *_OPTIMIZER_MODULES),
    "adamw": ("adamw", "adam", *_OPTIMIZER_MODULES),
    "convolution": _VISION_MODULES,
    "max_pool": _VISION_MODULES,
    "average_pool": _VISION_MODULES,
    "batch_norm": _VISION_MODULES,
    "flatten": _VISION_MODULES,
    "trainer": ("training", "trainer"),
    "accuracy": ("training", "metrics", "trainer"),
    "data_loader": _DATA_MODULES,
    "tensor_dataset": _DATA_MODULES,
    "gelu": (*_ACTIVATION_MODULES, *_LANGUAGE_MODULES),
    "layer_norm": ("normalization", *_LANGUAGE_MODULES, *_LAYER_MODULES),
    "embedding": ("embeddings", "embedding", *_LANGUAGE_MODULES),
    "positions": ("embeddings", "embedding", *_LANGUAGE_MODULES),
    "attention": ("attention", *_LANGUAGE_MODULES),
    "gpt": ("gpt", "models", *_LANGUAGE_MODULES),
    "tokenizer": ("tokenization", "tokenizer", "tokenizers", *_LANGUAGE_MODULES),
}
ACTIVATIONS = frozenset({"relu", "sigmoid", "tanh", "softmax", "gelu"})
LAYERS = ACTIVATIONS | {
    "dense",
    "sequential",
    "convolution",
    "max_pool",
    "average_pool",
    "batch_norm",
    "flatten",
    "layer_norm",
    "embedding",
    "positions",
    "attention",
    "gpt",
}
LOSSES = frozenset({"cross_entropy", "mean_squared_error", "binary_cross_entropy"})
BIAS_SWITCHES = ("bias", "use_bias", "has_bias")


class Adapter:
    """The student's components behind one face. ``package`` is what was loaded."""

    def __init__(self, package):
        self.package = package
        self._found = {}
        self._stores_transposed = None
        self._takes_arrays = True
        self._road = None
        #: What was found out about how components want to be made and used, by whoever makes them.
        self.manners = {}

    # -- finding ---------------------------------------------------------------------------------------------------

    def has(self, component):
        try:
            self.find(component)
        except StudentFault:
            return False
        return True

    def find(self, component):
        """The student's class for ``component`` (for an activation, also a function); a missing one is a fault that says
        what was looked for."""
        if component not in self._found:
            self._found[component] = self._search(component)
        found = self._found[component]
        if found is None:
            names = " or ".join(COMPONENT_NAMES[component][:2])
            raise StudentFault(Fault.MISSING, f"no class named {names} was found in the package")
        return found

    def _search(self, component):
        if component == "tensor":
            # Where there are two, the one that the layers compute with.
            dense = self._search("dense")
            used = dense and vars(sys.modules[dense.__module__]).get("Tensor")
            if inspect.isclass(used) and self.package.is_students(used):
                return used
        best = None
        for preference, name in enumerate(COMPONENT_NAMES[component]):
            for dotted, module in self.package.modules.items():
                thing = vars(module).get(name)
                if not inspect.isclass(thing) or not self.package.is_students(thing):
                    continue
                # Fallback stand-ins that some modules define for a failed import can't do anything.
                if component in LAYERS | LOSSES and not _goes_forward(thing):
                    continue
                defined_in = thing.__module__.rsplit(".", 1)[-1]
                at_home = defined_in in HOME_MODULES.get(component, ())
                # Defined where the course puts it, then the better name, then the module where it was defined.
                rank = (not at_home, preference, thing.__module__ != dotted, dotted)
                if best is None or rank < best[0]:
                    best = (rank, thing)
        if best is None and component in ACTIVATIONS:
            return self._search_function(component)
        return best and best[1]

    def _search_function(self, name):
        """An activation written as a function, ``relu(x)``, or as a method of the tensor, ``x.relu()``."""
        return self.function_named(name, *([getattr(self.find("tensor"), name, None)] if self.has("tensor") else []))

    def function_named(self, name, *more):
        """The student's function of that name in any module, else the first of ``more`` that is one of the student's."""
        functions = [*(vars(module).get(name) for module in self.package.modules.values()), *more]
        return next((f for f in functions if inspect.isfunction(f) and self.package.is_students(f)), None)

    # -- tensors ---------------------------------------------------------------------------------------------------

    def tensor(self, array, *, requires_grad=False):
        """Wrap ``array`` in the student's Tensor."""
        tensor_class = self.find("tensor")
        if requires_grad and accepts(tensor_class, "requires_grad"):
            return self._make_tensor(array, requires_grad=True)
        made = self._make_tensor(array)
        if requires_grad:
            require_gradient(made)
        return made

    def _make_tensor(self, array, **more):
        """A Tensor of an array, or of nested lists where the student's takes nothing else."""
        tensor_class = self.find("tensor")
        if self._takes_arrays:
            try:
                return tensor_class(array, **more)
            except (TypeError, ValueError, AssertionError):
                made = tensor_class(array.tolist(), **more)
                self._takes_arrays = False
                return made
        return tensor_class(array.tolist(), **more)

    def variable(self, array, *, requires_grad):
        """Wrap ``array`` in the student's Variable, around a Tensor as its users do."""
        return self.find("variable")(self.tensor(array), requires_grad=requires_grad)

    def precision(self):
        """The precision that the student's code works in when it is given float64: by what its Tensor keeps, and by how
        exact a product with a dense layer's weight is. Float64 if it can't be told."""
        random = np.random.RandomState(6)
        x, weight = random.normal(size=(8, 6)), random.normal(size=(6, 5))
        with contextlib.suppress(Exception):
            if to_array(self.tensor(x)).dtype in (np.float32, np.float16):
                return "float32"
            layer = self.dense(6, 5)
            self.set_dense(layer, weight, np.zeros(5))
            error = np.abs(to_array(self.call(layer, self.tensor(x))) - x @ weight).max()
            # Float64 is good to about 1e-15 here; what is off by more than float32 can be is wrong, not rounded.
            if 1e-11 < error < 1e-4:
                return "float32"
        return "float64"

    def gradients_start_at_zero(self):
        """Whether a fresh tensor has a gradient of zeros to add to, instead of None."""
        return getattr(self.tensor(np.zeros(2), requires_grad=True), "grad", None) is not None

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
        switch = next((keyword for keyword in BIAS_SWITCHES if accepts(layer_class, keyword)), None)
        if bias:
            layer = layer_class(inputs, outputs)
            if switch and bias_slot(layer, outputs) is None:
                return layer_class(inputs, outputs, **{switch: True})
            return layer
        if switch:
            return layer_class(inputs, outputs, **{switch: False})
        layer = layer_class(inputs, outputs)
        if bias_slot(layer, outputs) is None:
            return layer
        raise StudentFault(Fault.MISSING, f"{layer_class.__name__} has no way to be made without a bias")

    def set_dense(self, layer, weight, bias):
        """Give a dense layer its weight, (inputs, outputs), and bias, (outputs,), in the orientation it stores."""
        slot = weight_slot(layer, weight.shape)
        if slot is None:
            # Some layers make their weight when they first see an input.
            self.call(layer, self.tensor(np.zeros((1, len(weight)))))
            slot = weight_slot(layer, weight.shape)
        kind = type(layer).__name__
        if slot is None:
            raise StudentFault(Fault.MISSING, f"{kind} keeps no weight: no attribute such as weight, weights or W")
        shape = np.shape(to_array(slot.held))
        if shape not in (weight.shape, weight.shape[::-1]):
            raise StudentFault(
                Fault.UNSUITABLE, f"{kind}({len(weight)}, {weight.shape[1]}) keeps a weight of shape {shape}", shape[:4]
            )
        transposed = shape == weight.shape[::-1] and (shape != weight.shape or self.stores_transposed())
        self._put(slot, np.ascontiguousarray(weight.T) if transposed else weight)
        if bias is not None:
            slot = bias_slot(layer, len(bias))
            if slot is None:
                raise StudentFault(Fault.MISSING, f"{kind} keeps no bias: no attribute such as bias, biases or b")
            shape = np.shape(to_array(slot.held))
            if np.prod(shape, dtype=int) != len(bias):
                raise StudentFault(Fault.UNSUITABLE, f"{kind} keeps a bias of shape {shape}", shape[:4])
            self._put(slot, bias.reshape(shape))

    def stores_transposed(self):
        """Whether dense weights are stored (out, in); told from a layer that is not square."""
        if self._stores_transposed is None:
            slot = weight_slot(self.dense(5, 3), (5, 3))
            self._stores_transposed = slot is not None and np.shape(to_array(slot.held)) == (3, 5)
        return self._stores_transposed

    def _put(self, slot, array):
        if type(slot.held) is np.ndarray:
            slot.held = array
        elif not write_array(slot.held, array):
            slot.held = self.tensor(array)

    def activation(self, component):
        """A fresh activation layer; one that is written as a function is put into a layer."""
        found = self.find(component)
        if inspect.isclass(found):
            return found()
        go = lambda self, x: found(x)  # noqa: E731
        return type(found.__name__, (), {"forward": go, "__call__": go, "parameters": lambda self: []})()

    def sequential(self, layers):
        """(callable network, whether the student's own Sequential was used). It may take a list, the layers themselves, or
        nothing and then one after the other."""
        layers = list(layers)
        if self.has("sequential"):
            sequential = self.find("sequential")
            for make in (lambda: sequential(layers), lambda: sequential(*layers), lambda: _added(sequential(), layers)):
                try:
                    network = make()
                except (TypeError, AttributeError):
                    continue
                if _holds(network, layers):
                    return network, True
        return Chain(self, layers), False

    # -- gradients -------------------------------------------------------------------------------------------------

    @property
    def road(self):
        """The way on which gradients reach the student's parameters. Raises what ``find_road`` raises."""
        if self._road is None:
            self._road = find_road(self)
        return self._road

    def wrap_parameters(self, model):
        """In the generation where only Variables have gradients, wrap a model's weights in them, as its users do."""
        for layer in layers_of(model) or [model]:
            for slot in (weight_slot(layer), bias_slot(layer)):
                if slot and not isinstance(slot.held, self.find("variable")):
                    slot.held = self.find("variable")(slot.held, requires_grad=True)


class Chain:
    """Layers applied one after the other, for packages that have no Sequential."""

    def __init__(self, adapter, layers):
        self.adapter = adapter
        self.layers = layers

    def forward(self, value):
        for layer in self.layers:
            value = self.adapter.call(layer, value)
        return value

    __call__ = forward

    def parameters(self):
        """Those of the layers, in order."""
        return [holder for layer in self.layers for holder in parameters_of(layer)]


def _goes_forward(layer_class):
    """Whether instances of a class can be called or have ``.forward``. Every class itself can be called."""
    return any(name in vars(base) for base in layer_class.__mro__ for name in ("forward", "__call__"))


def accepts(function, keyword, *, by_name=False):
    """Whether a class or function takes ``keyword``; with ``by_name`` only if it names it, and not through ``**kwargs``."""
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return False
    return keyword in parameters or (not by_name and any(p.kind is p.VAR_KEYWORD for p in parameters.values()))


def _added(network, layers):
    add = getattr(network, "add", None) or network.append
    for layer in layers:
        add(layer)
    return network


def _holds(network, layers):
    """Whether a network keeps the layers one by one. Sequential(*layers) given one list keeps that list as its only layer,
    and Sequential(layers) given two layers may take the second for something else."""
    for value in vars(network).values() if hasattr(network, "__dict__") else ():
        items = value.values() if isinstance(value, dict) else value
        if isinstance(items, (list, tuple, types.MappingProxyType)) or isinstance(value, dict):
            kept = {id(item) for item in items}
            if all(id(layer) in kept for layer in layers):
                return True
    return False
