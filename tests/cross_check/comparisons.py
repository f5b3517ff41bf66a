"""What is compared, function by function. Each comparison draws its inputs and yields (what, ours, PyTorch's), in float64.

PyTorch is imported by the comparisons only, so that the list of them can be read without it.
"""

from __future__ import annotations

import importlib
import inspect
import math
from collections.abc import Callable, Iterator

import numpy as np

# By name: the package offers a function called attention as well.
attention, layers, losses, optimizers, training, vision = MODULES = tuple(
    importlib.import_module(f"milestones.reference.{name}")
    for name in ("attention", "layers", "losses", "optimizers", "training", "vision")
)
Pairs = Iterator[tuple[str, object, object]]
Comparison = Callable[[np.random.Generator], Pairs]

#: Functions that are wrong on purpose, or that only arrange numbers for others compared here.
NOT_COMPARED = {
    "optimizers.descent_mutants": "ways to get it wrong",
    "optimizers.momentum_mutants": "ways to get it wrong",
    "optimizers.adam_mutants": "ways to get it wrong",
    "optimizers.adamw_mutants": "ways to get it wrong",
    "optimizers.decay_after": "the course's own variant, which PyTorch does not have",
    "training.pass_mutants": "ways to get it wrong",
    "vision.put_back": "how gradients of windows are added up: part of every gradient there",
    "vision.windows": "how windows are cut: part of every function there",
}
COMPARED: dict[str, Comparison] = {}


def public_functions() -> set[str]:
    """All functions that the modules of the reference define for others, as ``module.function``."""
    return {
        f"{module.__name__.rpartition('.')[2]}.{name}"
        for module in MODULES
        for name, thing in vars(module).items()
        if inspect.isfunction(thing) and thing.__module__ == module.__name__ and not name.startswith("_")
    }


def compares(*names: str) -> Callable[[Comparison], Comparison]:
    """Enter a comparison for the functions that it covers."""

    def entered(comparison: Comparison) -> Comparison:
        COMPARED.update(dict.fromkeys(names, comparison))
        return comparison

    return entered


def tensors(*arrays):
    import torch

    return [torch.tensor(array, dtype=torch.float64, requires_grad=True) for array in arrays]


def backward(output, upstream, *inputs):
    """Gradients of sum(output * upstream), as arrays."""
    import torch

    given = torch.autograd.grad((output * torch.tensor(upstream)).sum(), inputs)
    return [gradient.numpy() for gradient in given]


def plain(tensor) -> np.ndarray:
    return tensor.detach().numpy()


# -- layers ------------------------------------------------------------------------------------------------------------


@compares("layers.dense", "layers.dense_gradients")
def dense(random) -> Pairs:
    from torch.nn.functional import linear

    for items, inputs, outputs in ((1, 3, 2), (7, 5, 9), (32, 64, 10)):
        x, weight, bias = (
            random.normal(size=(items, inputs)),
            random.normal(size=(inputs, outputs)),
            random.normal(size=outputs),
        )
        upstream = random.normal(size=(items, outputs))
        tx, tw, tb = tensors(x, weight, bias)
        answer = linear(tx, tw.T, tb)
        yield "value", layers.dense(x, weight, bias), plain(answer)
        yield "value without bias", layers.dense(x, weight), plain(linear(tx, tw.T))
        for name, ours, theirs in zip(
            ("inputs", "weight", "bias"),
            layers.dense_gradients(x, weight, upstream),
            backward(answer, upstream, tx, tw, tb),
            strict=True,
        ):
            yield f"gradient of the {name}", ours, theirs


@compares("layers.relu", "layers.sigmoid", "layers.tanh", "layers.softmax")
def activations(random) -> Pairs:
    import torch

    for scale in (1.0, 30.0, 1e4):
        x = random.normal(scale=scale, size=(6, 11))
        (tx,) = tensors(x)
        for name in ("relu", "sigmoid", "tanh"):
            yield name, layers.ACTIVATIONS[name](x), plain(getattr(torch, name)(tx))
        yield "softmax", layers.softmax(x), plain(torch.softmax(tx, dim=-1))


# -- losses ------------------------------------------------------------------------------------------------------------


@compares(
    "losses.log_softmax",
    "losses.cross_entropies",
    "losses.cross_entropy",
    "losses.cross_entropy_gradient",
    "losses.one_hot",
)
def cross_entropy(random) -> Pairs:
    import torch
    from torch.nn import functional

    for scale in (1.0, 20.0, 1e3):
        logits, labels = random.normal(scale=scale, size=(9, 10)), random.integers(0, 10, size=9)
        (tx,), ty = tensors(logits), torch.tensor(labels)
        loss = functional.cross_entropy(tx, ty)
        each = functional.cross_entropy(tx, ty, reduction="none")
        yield "log softmax", losses.log_softmax(logits), plain(functional.log_softmax(tx, dim=-1))
        yield "each", losses.cross_entropies(logits, labels), plain(each)
        yield "mean", losses.cross_entropy(logits, labels), plain(loss)
        yield "gradient", losses.cross_entropy_gradient(logits, labels), backward(loss, 1.0, tx)[0]
        yield "one-hot", losses.one_hot(labels, 10), functional.one_hot(ty, 10).double().numpy()


@compares("losses.mean_squared_error", "losses.mean_squared_error_gradient")
def mean_squared_error(random) -> Pairs:
    from torch.nn.functional import mse_loss

    for shape in ((5,), (4, 3), (2, 3, 4)):
        predictions, targets = random.normal(size=shape), random.normal(size=shape)
        tp, tt = tensors(predictions, targets)
        loss = mse_loss(tp, tt)
        yield "value", losses.mean_squared_error(predictions, targets), plain(loss)
        yield "gradient", losses.mean_squared_error_gradient(predictions, targets), backward(loss, 1.0, tp)[0]


@compares(
    "losses.binary_cross_entropy",
    "losses.binary_cross_entropy_gradient",
    "losses.binary_cross_entropy_of_logits",
    "losses.binary_cross_entropy_of_logits_gradient",
)
def binary_cross_entropy(random) -> Pairs:
    from torch.nn import functional

    for shape in ((7,), (5, 3)):
        targets = random.integers(0, 2, size=shape).astype(np.float64)
        probabilities = random.uniform(0.01, 0.99, size=shape)
        tp, tt = tensors(probabilities, targets)
        loss = functional.binary_cross_entropy(tp, tt.detach())
        yield "of probabilities", losses.binary_cross_entropy(probabilities, targets), plain(loss)
        ours = losses.binary_cross_entropy_gradient(probabilities, targets)
        yield "gradient by probabilities", ours, backward(loss, 1.0, tp)[0]
        for scale in (1.0, 50.0, 1e4):
            logits = random.normal(scale=scale, size=shape)
            (tx,) = tensors(logits)
            loss = functional.binary_cross_entropy_with_logits(tx, tt.detach())
            yield "of logits", losses.binary_cross_entropy_of_logits(logits, targets), plain(loss)
            ours = losses.binary_cross_entropy_of_logits_gradient(logits, targets)
            yield "gradient by logits", ours, backward(loss, 1.0, tx)[0]


# -- optimizers and training -------------------------------------------------------------------------------------------


def trajectory(make, start, gradients) -> np.ndarray:
    """A PyTorch optimizer's parameter after each step, (steps, *shape), under given gradients."""
    import torch

    parameter = torch.nn.Parameter(torch.tensor(start))
    optimizer, seen = make([parameter]), []
    for gradient in gradients:
        parameter.grad = torch.tensor(gradient)
        optimizer.step()
        seen.append(plain(parameter).copy())
    return np.array(seen)


@compares("optimizers.momentum", "optimizers.adam")
def optimizer_steps(random) -> Pairs:
    from torch import optim

    start, gradients = random.normal(size=(4, 3)), random.normal(size=(20, 4, 3))
    for name, rule, settings, make in (
        ("SGD", optimizers.momentum, {"rate": 0.1}, lambda p: optim.SGD(p, lr=0.1)),
        ("momentum", optimizers.momentum, {"rate": 0.1, "momentum": 0.9}, lambda p: optim.SGD(p, lr=0.1, momentum=0.9)),
        ("Adam", optimizers.adam, {"rate": 0.01}, lambda p: optim.Adam(p, lr=0.01)),
        (
            "Adam with other settings",
            optimizers.adam,
            {"rate": 0.02, "first": 0.8, "second": 0.95, "epsilon": 1e-6},
            lambda p: optim.Adam(p, lr=0.02, betas=(0.8, 0.95), eps=1e-6),
        ),
        (
            "AdamW",
            optimizers.adam,
            {"rate": 0.01, "decay": 0.1},
            lambda p: optim.AdamW(p, lr=0.01, weight_decay=0.1),
        ),
    ):
        ours = rule(start, gradients, optimizers.Settings(**settings))
        yield f"{name}, 20 steps", ours, trajectory(make, start, gradients)


@compares("training.scores", "training.gradients", "training.one_pass")
def training_pass(random) -> Pairs:
    import torch
    from torch.nn import functional

    parameters = [random.normal(size=size) for size in ((6, 5), (5,), (5, 3), (3,))]
    batches = [(random.normal(size=(8, 6)), random.integers(0, 3, size=8)) for _ in range(4)]
    given = tensors(*parameters)

    def scores(inputs):
        hidden = torch.relu(torch.tensor(inputs) @ given[0] + given[1])
        return hidden @ given[2] + given[3]

    inputs, labels = batches[0]
    yield "scores", training.scores(parameters, inputs), plain(scores(inputs))
    found = torch.autograd.grad(functional.cross_entropy(scores(inputs), torch.tensor(labels)), given)
    for ours, theirs in zip(training.gradients(parameters, batches[0]), found, strict=True):
        yield "gradients", ours, theirs.numpy()
    optimizer = torch.optim.SGD(given, lr=0.1)
    for inputs, labels in batches:
        optimizer.zero_grad()
        functional.cross_entropy(scores(inputs), torch.tensor(labels)).backward()
        optimizer.step()
    for ours, theirs in zip(training.one_pass(parameters, batches, 0.1), given, strict=True):
        yield "one pass", ours, plain(theirs)


# -- vision ------------------------------------------------------------------------------------------------------------


@compares("vision.convolution", "vision.convolution_gradients", "vision.pad")
def convolution(random) -> Pairs:
    from torch.nn import functional

    for channels, outputs, kernel, stride, padding in (
        (1, 4, 3, 1, 0),
        (3, 2, 5, 2, 1),
        (2, 3, 3, 3, 2),
        (4, 4, 1, 1, 0),
    ):
        images, weight = (
            random.normal(size=(2, channels, 11, 9)),
            random.normal(size=(outputs, channels, kernel, kernel)),
        )
        bias = random.normal(size=outputs)
        tx, tw, tb = tensors(images, weight, bias)
        answer = functional.conv2d(tx, tw, tb, stride=stride, padding=padding)
        moved = {"stride": stride, "padding": padding}
        yield "value", vision.convolution(images, weight, bias, **moved), plain(answer)
        yield "padding", vision.pad(images, padding), plain(functional.pad(tx, (padding,) * 4))
        upstream = random.normal(size=answer.shape)
        ours = vision.convolution_gradients(images, weight, upstream, **moved)
        for name, mine, theirs in zip(
            ("images", "weight", "bias"), ours, backward(answer, upstream, tx, tw, tb), strict=True
        ):
            yield f"gradient of the {name}", mine, theirs


@compares("vision.max_pool", "vision.max_pool_gradient", "vision.average_pool", "vision.average_pool_gradient")
def pooling(random) -> Pairs:
    from torch.nn import functional

    for size, stride in ((2, 2), (3, 2), (2, 1), (3, 3)):
        images = random.normal(size=(2, 3, 9, 8))
        for name, theirs in (("max_pool", functional.max_pool2d), ("average_pool", functional.avg_pool2d)):
            (tx,) = tensors(images)
            answer = theirs(tx, size, stride=stride)
            upstream = random.normal(size=answer.shape)
            yield name, getattr(vision, name)(images, size, stride=stride), plain(answer)
            ours = getattr(vision, f"{name}_gradient")(images, upstream, size, stride=stride)
            yield f"gradient of {name}", ours, backward(answer, upstream, tx)[0]


# -- language ----------------------------------------------------------------------------------------------------------


@compares("attention.gelu", "attention.gelu_derivative", "attention.gelu_by_tanh", "attention.gelu_by_sigmoid")
def gelu(random) -> Pairs:
    import torch
    from torch.nn import functional

    x = random.normal(scale=2.0, size=(5, 40))
    (tx,) = tensors(x)
    exact = functional.gelu(tx)
    yield "value", attention.gelu(x), plain(exact)
    yield "derivative", attention.gelu_derivative(x), backward(exact, np.ones_like(x), tx)[0]
    yield "by tanh", attention.gelu_by_tanh(x), plain(functional.gelu(tx, approximate="tanh"))
    yield "by sigmoid", attention.gelu_by_sigmoid(x), plain(tx * torch.sigmoid(1.702 * tx))


@compares("attention.layer_norm", "attention.layer_norm_gradients")
def layer_norm(random) -> Pairs:
    from torch.nn import functional

    for shape in ((4, 6), (2, 5, 8)):
        x, scale, shift = random.normal(size=shape) + 3, random.normal(size=shape[-1]), random.normal(size=shape[-1])
        tx, ts, tb = tensors(x, scale, shift)
        answer = functional.layer_norm(tx, shape[-1:], ts, tb, eps=1e-5)
        upstream = random.normal(size=shape)
        yield "value", attention.layer_norm(x, scale, shift), plain(answer)
        ours = attention.layer_norm_gradients(x, scale, upstream)
        for name, mine, theirs in zip(
            ("inputs", "scale", "shift"), ours, backward(answer, upstream, tx, ts, tb), strict=True
        ):
            yield f"gradient of the {name}", mine, theirs


@compares("attention.embedding_gradient")
def embedding(random) -> Pairs:
    import torch
    from torch.nn import functional

    tokens, table, upstream = (
        random.integers(0, 7, size=(3, 9)),
        random.normal(size=(7, 4)),
        random.normal(size=(3, 9, 4)),
    )
    (tt,) = tensors(table)
    answer = functional.embedding(torch.tensor(tokens), tt)
    yield "gradient of the table", attention.embedding_gradient(tokens, 7, upstream), backward(answer, upstream, tt)[0]


@compares("attention.attention", "attention.attention_gradients")
def self_attention(random) -> Pairs:
    """Against PyTorch's own multi-head attention, whose weights are (out, in) and whose first three are one."""
    import torch

    for items, length, dim, heads, causal in ((2, 5, 8, 2, False), (3, 7, 12, 3, True), (1, 4, 6, 1, True)):
        x, upstream = random.normal(size=(items, length, dim)), random.normal(size=(items, length, dim))
        parameters = [random.normal(size=size) / math.sqrt(dim) for _ in range(4) for size in ((dim, dim), (dim,))]
        tx, *given = tensors(x, *parameters)
        wq, bq, wk, bk, wv, bv, wo, bo = given
        mask = torch.triu(torch.ones(length, length, dtype=torch.bool), diagonal=1) if causal else None
        answer, _ = torch.nn.functional.multi_head_attention_forward(
            *(tx.transpose(0, 1),) * 3,
            dim,
            heads,
            torch.cat([wq.T, wk.T, wv.T]),
            torch.cat([bq, bk, bv]),
            None,
            None,
            False,
            0.0,
            wo.T,
            bo,
            attn_mask=mask,
            need_weights=False,
        )
        answer = answer.transpose(0, 1)
        yield "value", attention.attention(x, parameters, heads, causal=causal), plain(answer)
        ours = attention.attention_gradients(x, parameters, heads, upstream, causal=causal)
        names = (
            "inputs",
            *(f"{kind} of the {part}" for part in ("query", "key", "value", "output") for kind in ("weight", "bias")),
        )
        # A constant added to every score changes no softmax: the key's bias has no gradient but rounding.
        for name, mine, theirs in zip(names, ours, backward(answer, upstream, tx, *given), strict=True):
            if name != "bias of the key":
                yield f"gradient of the {name}", mine, theirs
            else:
                yield "gradient of the bias of the key, above 1", mine + 1, theirs + 1
