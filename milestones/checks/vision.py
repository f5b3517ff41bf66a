"""Convolution, pooling and flattening, compared with the reference over a grid of shapes."""

from __future__ import annotations

from dataclasses import dataclass

from milestones import reference
from milestones.checks.outcome import cases, check
from milestones.contract import Measurement
from milestones.lab import Comparison, Lab, compare
from milestones.networks import Layer, convolution_layer
from milestones.proxy import Student


@dataclass(frozen=True, kw_only=True)
class Shape:
    """One place on the grid: a batch of images and a convolution over it."""

    items: int = 2
    inputs: int
    outputs: int
    kernel: int
    stride: int = 1
    padding: int = 0
    height: int = 7
    width: int = 6

    def __str__(self) -> str:
        more = f", stride {self.stride}" * (self.stride != 1) + f", padding {self.padding}" * (self.padding != 0)
        return f"{self.inputs}→{self.outputs} channels, kernel {self.kernel}{more}"

    @property
    def layer(self) -> Layer:
        return convolution_layer(self.inputs, self.outputs, self.kernel, stride=self.stride, padding=self.padding)


# Images are never square, so that rows and columns can't be exchanged unseen.
GRID = (
    Shape(inputs=1, outputs=1, kernel=3),
    Shape(inputs=1, outputs=4, kernel=3),
    Shape(inputs=3, outputs=2, kernel=3),
    Shape(inputs=2, outputs=3, kernel=1),
    Shape(inputs=2, outputs=2, kernel=2),
    Shape(inputs=1, outputs=2, kernel=5, height=9, width=8),
)


@check("convolution_forward", "Convolution computes the weighted sums")
def convolution_forward(student: Student, lab: Lab) -> Measurement:
    """Convolution forward with injected weight and bias over the grid."""
    random = lab.random("convolution_forward")
    comparisons: list[tuple[str, Comparison]] = []
    for shape in GRID:
        images = random.normal(size=(shape.items, shape.inputs, shape.height, shape.width))
        weight = random.normal(size=(shape.outputs, shape.inputs, shape.kernel, shape.kernel))
        bias = random.normal(size=shape.outputs)
        answer = student.forward(shape.layer, images, [weight, bias])
        expected = reference.convolution(images, weight, bias, stride=shape.stride, padding=shape.padding)
        comparisons.append((str(shape), compare(answer, expected)))
    return cases("convolution_forward", convolution_forward.title, comparisons)
