"""Layers and networks as the grader describes them to the sandboxed side, which builds them of the student's components.

A layer is a small table of settings; its weights and biases are sent as arrays, in the order of the layers: a dense weight is
(inputs, outputs), a convolution's (outputs, inputs, kernel, kernel).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Layer = Mapping[str, Any]


def dense_layer(inputs: int, outputs: int, *, bias: bool = True) -> Layer:
    """A dense layer of ``inputs`` into ``outputs`` features."""
    return {"component": "dense", "inputs": inputs, "outputs": outputs, "bias": bias}


def convolution_layer(
    inputs: int, outputs: int, kernel: int, *, stride: int = 1, padding: int = 0, bias: bool = True
) -> Layer:
    """A convolution of ``inputs`` into ``outputs`` channels with a square kernel, over images (N, C, H, W)."""
    return {
        "component": "convolution",
        "inputs": inputs,
        "outputs": outputs,
        "kernel": kernel,
        "stride": stride,
        "padding": padding,
        "bias": bias,
    }


def max_pool_layer(size: int, *, stride: int | None = None) -> Layer:
    """The maximum over windows of ``size`` × ``size``, moved by ``stride`` (by default ``size``)."""
    return {"component": "max_pool", "size": size, "stride": size if stride is None else stride}


FLATTEN: Layer = {"component": "flatten"}
RELU: Layer = {"component": "relu"}


def dense_chain(*sizes: int) -> tuple[Layer, ...]:
    """Dense layers from size to size with ReLU in between."""
    layers: list[Layer] = []
    for inputs, outputs in itertools.pairwise(sizes):
        layers += [RELU] if layers else []
        layers.append(dense_layer(inputs, outputs))
    return tuple(layers)


def parameter_count(layer: Layer) -> int:
    """How many numbers a layer learns."""
    if layer["component"] == "dense":
        return (layer["inputs"] + layer["bias"]) * layer["outputs"]
    if layer["component"] == "convolution":
        return (layer["inputs"] * layer["kernel"] ** 2 + layer["bias"]) * layer["outputs"]
    return 0


@dataclass(frozen=True, kw_only=True)
class Network:
    """A standard network. It takes images of shape ``image``, (C, H, W), flattened where it begins with a dense layer; a
    student's own model gets images of shape ``full_image``, by default the same."""

    layers: tuple[Layer, ...]
    image: tuple[int, int, int]
    classes: int = 10
    full_image: tuple[int, int, int] | None = None

    @property
    def own_image(self) -> tuple[int, int, int]:
        return self.full_image or self.image

    def features(self, *, own: bool) -> int:
        """Numbers in one image, of the standard network or of the student's ``own``."""
        return math.prod(self.own_image if own else self.image)

    @property
    def parameter_count(self) -> int:
        return sum(parameter_count(layer) for layer in self.layers)
