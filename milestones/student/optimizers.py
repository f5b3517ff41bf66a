"""The student's optimizers: made whatever their settings are called, followed step by step, and what they do to gradients."""

import contextlib
import itertools

import numpy as np

from milestones.sandbox import protocol
from milestones.student.adapter import accepts
from milestones.student.components import NOTHING, numbers
from milestones.student.operations import STRUCTURE_BYTES, Fault, Operation
from milestones.student.state import Desk
from milestones.student.values import (
    StudentFault,
    bias_slot,
    gradient_of,
    require_gradient,
    to_array,
    weight_slot,
)

# Setting -> what it is called as a keyword, over all generations.
KEYWORDS = {
    "rate": ("lr", "learning_rate", "rate"),
    "momentum": ("momentum",),
    "first": ("beta1", "beta_1", "b1"),
    "second": ("beta2", "beta_2", "b2"),
    "epsilon": ("eps", "epsilon"),
    "decay": ("weight_decay", "wd", "weight_decay_rate"),
}


class Optimizers(Desk):
    """Questions about updates of parameters."""

    operations = {Operation.OPTIMIZE: "optimize", Operation.ZERO_GRADIENT: "zero_gradient"}

    def optimize(self, settings, *arrays):
        """Each parameter after each step, (steps, …), when it is given its gradients one by one.

        How gradients lie beside a parameter differs: arrays, tensors, Variables. The first way in which the optimizer works
        and moves something is taken.
        """
        adapter = self.state.components()
        adapter.find(settings["optimizer"])
        starts, gradients = arrays[::2], arrays[1::2]
        still, trouble = None, None
        for hold, give in _manners(adapter):
            try:
                paths = _follow(adapter, settings, starts, gradients, hold, give)
            except Exception as error:
                trouble = trouble or error
                continue
            if any(np.any(path[-1] != start) for path, start in zip(paths, starts, strict=True)):
                return paths
            still = still or paths
        if still is None:
            raise trouble
        return still

    def zero_gradient(self, settings, inputs, weight, bias, upstream):
        """The gradient of a dense weight after one backward pass, after a second one, once it was cleared, and after a third;
        and by what it was cleared."""
        adapter = self.state.components()
        layer = adapter.dense(*weight.shape)
        adapter.set_dense(layer, weight, bias)
        road = adapter.road
        if road.through_variables:
            adapter.wrap_parameters(layer)
        holders = [slot.held for slot in (weight_slot(layer, weight.shape), bias_slot(layer, len(bias)))]
        for holder in holders:
            require_gradient(holder)
        answers = []

        def look():
            gradient = gradient_of(holders[0])
            answers.append(NOTHING if gradient is None else numbers(gradient).copy())

        def go_back():
            start = road.input(adapter, inputs)
            road.back(adapter, adapter.call(layer, start), upstream)
            look()

        go_back()
        go_back()
        means = _clear(adapter, layer, holders)
        look()
        go_back()
        return [*answers, protocol.text_to_array(means)[:STRUCTURE_BYTES]]


def make_optimizer(adapter, kind, holders, settings):
    """A fresh optimizer of the student's. Settings that it does not have are left out where they are 0, otherwise a fault."""
    optimizer_class = adapter.find(kind)
    given, unnamed = {}, []
    settings = dict(settings)
    if "first" in settings and accepts(optimizer_class, "betas", by_name=True):
        given["betas"] = (settings.pop("first"), settings.pop("second"))
    for name, value in settings.items():
        by_name = name != "rate"
        keyword = next((word for word in KEYWORDS[name] if accepts(optimizer_class, word, by_name=by_name)), None)
        if keyword:
            given[keyword] = value
        elif name == "rate":
            unnamed.append(value)
        elif value:
            raise StudentFault(Fault.MISSING, f"{optimizer_class.__name__} takes no {KEYWORDS[name][0]}")
    return optimizer_class(holders, *unnamed, **given)


def _manners(adapter):
    """(how a parameter is held, how its gradient is given), the usual ones first."""
    holds = [lambda array: adapter.tensor(array, requires_grad=True)]
    gives = [lambda array: array, adapter.tensor]
    if adapter.has("variable"):
        holds.append(lambda array: adapter.variable(array, requires_grad=True))
        gives.append(lambda array: adapter.variable(array, requires_grad=False))
        with contextlib.suppress(StudentFault):
            if adapter.road.through_variables:
                holds.reverse()
                gives.reverse()
    return itertools.product(holds, gives)


def _follow(adapter, settings, starts, gradients, hold, give):
    holders = [hold(start.copy()) for start in starts]
    for holder in holders:
        require_gradient(holder)
    known = {name: value for name, value in settings.items() if name in KEYWORDS}
    optimizer = make_optimizer(adapter, settings["optimizer"], holders, known)
    paths = [[] for _ in holders]
    for each in zip(*gradients, strict=True):
        for holder, gradient in zip(holders, each, strict=True):
            holder.grad = give(gradient.copy())
        optimizer.step()
        for holder, path, start in zip(holders, paths, starts, strict=True):
            now = np.array(to_array(holder))
            if now.shape != start.shape:
                raise StudentFault(
                    Fault.UNSUITABLE,
                    f"after a step a parameter of shape {start.shape} has shape {now.shape}",
                    now.shape[:4],
                )
            path.append(now)
    return [numbers(np.array(path)) for path in paths]


def _clear(adapter, layer, holders):
    """Clear the gradients as the student's programs do, and say by what."""
    if adapter.has("sgd"):
        optimizer = make_optimizer(adapter, "sgd", holders, {"rate": 0.1})
        if callable(getattr(optimizer, "zero_grad", None)):
            optimizer.zero_grad()
            return f"{type(optimizer).__name__}.zero_grad()"
    if callable(getattr(layer, "zero_grad", None)):
        layer.zero_grad()
        return f"{type(layer).__name__}.zero_grad()"
    if not all(callable(getattr(holder, "zero_grad", None)) for holder in holders):
        raise StudentFault(Fault.MISSING, "neither the optimizer nor the tensors have zero_grad()")
    for holder in holders:
        holder.zero_grad()
    return f"{type(holders[0]).__name__}.zero_grad()"
