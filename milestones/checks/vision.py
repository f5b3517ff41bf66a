"""Convolution, pooling and flattening, compared with the reference over a grid of shapes.

A package that can't do one of the shapes (a first edition's convolution has one channel) loses that case and no other. What
is wrong is compared with well-known mistakes: ``matches`` are those that explain every answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from milestones import exhibits, reference
from milestones.checks.outcome import Unanswered, cases, check, sentence_of
from milestones.contract import Check, Exhibit, Measurement, Status
from milestones.lab import Comparison, Lab, compare, constant_factor
from milestones.networks import FLATTEN, RELU, Layer, convolution_layer, dense_layer, max_pool_layer
from milestones.proxy import Student
from milestones.sandbox.session import StudentFault
from milestones.student.operations import Fault

Array = NDArray[np.float64]
Named = list[tuple[str, Comparison | Unanswered]]
GRADIENT_NAMES = ("inputs", "weight", "bias")


@dataclass(frozen=True, kw_only=True)
class Shape:
    """One place on the grid: a batch of images and a convolution over it."""

    items: int = 2
    inputs: int
    outputs: int
    kernel: int
    stride: int = 1
    padding: int = 0
    bias: bool = True
    # Never square, so that rows and columns can't be exchanged unseen.
    height: int = 7
    width: int = 6

    def __str__(self) -> str:
        channels = f"{self.inputs}→{self.outputs} channel{'s' * (self.inputs + self.outputs > 2)}"
        words = f"{channels}, {self.kernel}×{self.kernel}"
        words += f", stride {self.stride}" * (self.stride != 1) + f", padding {self.padding}" * (self.padding != 0)
        return words + ", no bias" * (not self.bias)

    @property
    def layer(self) -> Layer:
        """The convolution, described."""
        return convolution_layer(
            self.inputs, self.outputs, self.kernel, stride=self.stride, padding=self.padding, bias=self.bias
        )

    @property
    def spacing(self) -> dict[str, int]:
        return {"stride": self.stride, "padding": self.padding}


@dataclass(frozen=True)
class Draw:
    """Numbers for one shape. ``bias`` is zero where the layer has none."""

    shape: Shape
    images: Array
    weight: Array
    bias: Array

    @classmethod
    def of(cls, shape: Shape, random: np.random.Generator) -> Draw:
        images = random.normal(size=(shape.items, shape.inputs, shape.height, shape.width))
        weight = random.normal(size=(shape.outputs, shape.inputs, shape.kernel, shape.kernel))
        return cls(shape, images, weight, random.normal(size=shape.outputs) * shape.bias)

    @property
    def parameters(self) -> list[Array]:
        return [self.weight, self.bias] if self.shape.bias else [self.weight]

    def expected(self, **changes: Any) -> Array:
        """What the convolution answers; ``changes`` make it another convolution."""
        settings = {"images": self.images, "weight": self.weight, "bias": self.bias, **self.shape.spacing, **changes}
        return reference.convolution(settings.pop("images"), settings.pop("weight"), settings.pop("bias"), **settings)


CHANNEL = (
    Shape(inputs=1, outputs=1, kernel=3, bias=False),
    Shape(inputs=1, outputs=1, kernel=2, bias=False, items=1),
    Shape(inputs=1, outputs=1, kernel=3),
    Shape(inputs=1, outputs=4, kernel=3, items=3),
    Shape(inputs=1, outputs=2, kernel=5, height=9, width=8),
    Shape(inputs=1, outputs=3, kernel=1),
    Shape(inputs=1, outputs=2, kernel=3, height=3, width=3),
)
CHANNELS = (
    Shape(inputs=2, outputs=1, kernel=3),
    Shape(inputs=3, outputs=2, kernel=3),
    Shape(inputs=2, outputs=3, kernel=1),
    Shape(inputs=4, outputs=4, kernel=2, items=1, bias=False),
)
STRIDES = (
    Shape(inputs=1, outputs=1, kernel=3, stride=2, bias=False),
    Shape(inputs=1, outputs=2, kernel=3, stride=2),
    Shape(inputs=2, outputs=2, kernel=2, stride=2),
    Shape(inputs=2, outputs=1, kernel=3, stride=3, height=10, width=9),
)
PADDINGS = (
    Shape(inputs=1, outputs=1, kernel=3, padding=1, bias=False),
    Shape(inputs=1, outputs=2, kernel=3, padding=1),
    Shape(inputs=2, outputs=2, kernel=5, padding=2),
    Shape(inputs=2, outputs=1, kernel=3, padding=1, stride=2),
)


# -- forward -----------------------------------------------------------------------------------------------------------

Mutants = Mapping[str, Callable[[Draw], Array]]

FORWARD_MUTANTS: Mutants = {
    "kernel flipped": lambda draw: draw.expected(weight=draw.weight[:, :, ::-1, ::-1]),
    "kernel transposed": lambda draw: draw.expected(weight=draw.weight.swapaxes(2, 3)),
    "bias not added": lambda draw: draw.expected(bias=None),
    "bias added for each weight": lambda draw: draw.expected(bias=draw.bias * draw.weight[0].size),
}
CHANNEL_MUTANTS: Mutants = {
    "only the first channel": lambda draw: draw.expected(images=draw.images[:, :1], weight=draw.weight[:, :1]),
    "only the last channel": lambda draw: draw.expected(images=draw.images[:, -1:], weight=draw.weight[:, -1:]),
    "the mean over channels": lambda draw: draw.expected(weight=draw.weight / draw.shape.inputs),
    "the first channel's weights for all": lambda draw: draw.expected(
        weight=np.repeat(draw.weight[:, :1], draw.shape.inputs, axis=1)
    ),
    "the largest channel": lambda draw: _by_channel(draw).max(axis=0) + draw.bias[:, None, None],
}
STRIDE_MUTANTS: Mutants = {
    "stride ignored": lambda draw: draw.expected(stride=1),
    "stride along rows only": lambda draw: draw.expected(stride=1)[:, :, :: draw.shape.stride],
    "stride along columns only": lambda draw: draw.expected(stride=1)[:, :, :, :: draw.shape.stride],
    "last place left out": lambda draw: draw.expected()[:, :, :-1, :-1],
}
PADDING_MUTANTS: Mutants = {
    "padding ignored": lambda draw: draw.expected(padding=0),
    "edge pixels repeated": lambda draw: draw.expected(images=_padded(draw, mode="edge"), padding=0),
    "padding of ones": lambda draw: draw.expected(images=_padded(draw, constant_values=1), padding=0),
    "padding twice": lambda draw: draw.expected(padding=2 * draw.shape.padding),
    "padding before, not after": lambda draw: draw.expected(images=_padded(draw, sides=(1, 0)), padding=0),
    "padding after, not before": lambda draw: draw.expected(images=_padded(draw, sides=(0, 1)), padding=0),
}


def _by_channel(draw: Draw) -> Array:
    """What each input channel adds, (C, N, O, R, S)."""
    channels = range(draw.shape.inputs)
    return np.stack(
        [draw.expected(images=draw.images[:, [c]], weight=draw.weight[:, [c]], bias=None) for c in channels]
    )


def _padded(draw: Draw, *, sides: tuple[int, int] = (1, 1), **how: Any) -> Array:
    around = (draw.shape.padding * sides[0], draw.shape.padding * sides[1])
    return np.pad(draw.images, ((0, 0), (0, 0), around, around), **how)


class Suspects:
    """Well-known mistakes, and which of them explain all the answers that were given."""

    def __init__(self, names: Sequence[str]) -> None:
        self._left = set(names)
        self._seen = False

    def confront(self, answer: NDArray, expected: Array, mutants: Mapping[str, Array]) -> None:
        """A mistake that would have shown and did not is acquitted; where none shows, nothing is learnt."""
        # A mistake that can't be seen in this case neither explains it nor is refuted.
        if compare(answer, expected).equal:
            self._left -= {name for name, mutant in mutants.items() if not compare(mutant, expected).equal}
            return
        self._seen = True
        self._left &= {name for name, mutant in mutants.items() if compare(answer, mutant).equal}

    @property
    def matches(self) -> list[str]:
        return sorted(self._left) if self._seen else []


def _forward_check(key: str, title: str, grid: tuple[Shape, ...], mutants: Mutants) -> Check:
    """A check of the convolution's answers over ``grid`` with injected weights and biases."""

    @check(key, title)
    def convolution_forward(student: Student, lab: Lab) -> Measurement:
        random = lab.random(key)
        comparisons: Named = []
        suspects = Suspects(list(mutants))
        for shape in grid:
            draw = Draw.of(shape, random)
            try:
                answer = student.forward(shape.layer, draw.images, draw.parameters)
            except StudentFault as fault:
                comparisons.append((str(shape), Unanswered(fault)))
                continue
            comparisons.append((str(shape), compare(answer, draw.expected())))
            suspects.confront(answer, draw.expected(), {name: make(draw) for name, make in mutants.items()})
        return cases(key, title, comparisons, evidence={"matches": suspects.matches})

    return convolution_forward


convolution_forward = _forward_check(
    "convolution_forward", "Convolution computes the weighted sums", CHANNEL, FORWARD_MUTANTS
)
convolution_channels = _forward_check(
    "convolution_channels", "Convolution sums over all channels", CHANNELS, FORWARD_MUTANTS | CHANNEL_MUTANTS
)
convolution_stride = _forward_check(
    "convolution_stride", "Convolution with a stride", STRIDES, FORWARD_MUTANTS | STRIDE_MUTANTS
)
convolution_padding = _forward_check(
    "convolution_padding", "Convolution with padding", PADDINGS, FORWARD_MUTANTS | PADDING_MUTANTS
)


# -- gradients ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class NoGradient:
    """A gradient that did not arrive, among others that may have."""

    equal: bool = False

    def sentence(self) -> str:
        """In words for the student."""
        return "no gradient arrived"

    def evidence(self) -> dict[str, Any]:
        return {}


def carries_gradients(student: Student) -> bool:
    """Whether anything in the package goes backward: asked of a dense layer."""
    try:
        student.gradient(dense_layer(2, 2), np.ones((1, 2)), np.ones((1, 2)), [np.eye(2), np.zeros(2)])
    except StudentFault as fault:
        return fault.code not in (Fault.NO_GRADIENT, Fault.MISSING)
    return True


class Arrivals:
    """What became of the gradients of one component by its inputs and parameters, over all cases."""

    def __init__(self, *mutants: str) -> None:
        self.comparisons: Named = []
        self._arrived: set[str] = set()
        self._missing: set[str] = set()
        self._suspects = {name: Suspects(mutants) for name in GRADIENT_NAMES}
        self._factors: dict[str, list[float]] = {}
        self._reason = ""
        #: The answer with the largest error among the weight's gradients: error by (output × input, kernel × kernel).
        self.worst: tuple[float, Array, str] | None = None

    def fault(self, names: Sequence[str], case: str, fault: StudentFault) -> None:
        """No answer at all for one case."""
        self.comparisons += [(f"gradient of the {name}, {case}", Unanswered(fault)) for name in names]
        if fault.code == Fault.NO_GRADIENT:
            self._missing.update(names)
            self._reason = self._reason or sentence_of(fault)

    def note(self, name: str, case: str, answer: NDArray, truth: Array, mutants: Mapping[str, Array]) -> None:
        """One gradient of one case. A gradient of zeros throughout is one that was never filled in."""
        if not np.any(answer):
            self._missing.add(name)
            self.comparisons.append((f"gradient of the {name}, {case}", NoGradient()))
            return
        self._arrived.add(name)
        if answer.size == truth.size and name == "bias":
            answer = answer.reshape(truth.shape)
        comparison = compare(answer, truth)
        self.comparisons.append((f"gradient of the {name}, {case}", comparison))
        self._suspects[name].confront(answer, truth, mutants)
        if comparison.same_shape and not comparison.equal:
            self._factors.setdefault(name, []).append(constant_factor(answer, truth))
        if (
            comparison.same_shape
            and name == "weight"
            and (self.worst is None or comparison.largest_error > self.worst[0])
        ):
            error = np.abs(answer - truth) / np.abs(truth).max()
            self.worst = (comparison.largest_error, error.reshape(truth.shape[0] * truth.shape[1], -1), case)

    @property
    def nothing_arrives(self) -> bool:
        return bool(self._missing) and not self._arrived

    def measured(self, key: str, title: str, student: Student) -> Measurement:
        """The measurement: what agrees, what is missing, what is wrong by a factor or by a well-known mistake."""
        if self.nothing_arrives:
            reason = self._reason or "no gradient arrived anywhere"
            can_otherwise = carries_gradients(student)
            return Measurement(
                key=key,
                title=title,
                kind="share",
                status=Status.WRONG if can_otherwise else Status.MISSING,
                value=0.0,
                passed=False,
                message=f"No gradient passes: {reason}." if can_otherwise else f"Forward only: {reason}.",
                evidence={"lost": can_otherwise, "forward_only": not can_otherwise, "missing": sorted(self._missing)},
            )
        factors = {
            name: [round(value, 6) for value in values]
            for name, values in self._factors.items()
            if np.isfinite(values).all()
        }
        return cases(
            key,
            title,
            self.comparisons,
            evidence={
                "missing": sorted(self._missing - self._arrived),
                "factors": factors,
                "matches": {name: found.matches for name, found in self._suspects.items() if found.matches},
            },
        )


INPUT_MUTANTS = ("with the kernel turned round",)
WEIGHT_MUTANTS = ("flipped", "transposed")
BIAS_MUTANTS = ("the mean over the batch", "of the first image alone", "the mean over places")


def _gradient_check(key: str, title: str, grid: tuple[Shape, ...]) -> Check:
    """A check of the gradients that the convolution sends to images, weight and bias over ``grid``."""

    @check(key, title)
    def convolution_gradient(student: Student, lab: Lab) -> Measurement:
        random = lab.random(key)
        found = Arrivals(*INPUT_MUTANTS, *WEIGHT_MUTANTS, *BIAS_MUTANTS)
        for shape in grid:
            draw = Draw.of(shape, random)
            upstream = random.normal(size=draw.expected().shape)
            truths = reference.convolution_gradients(draw.images, draw.weight, upstream, **shape.spacing)
            names = GRADIENT_NAMES[: 1 + len(draw.parameters)]
            try:
                answers = student.gradient(shape.layer, draw.images, upstream, draw.parameters)
            except StudentFault as fault:
                found.fault(names, str(shape), fault)
                continue
            for name, answer, truth in zip(names, answers, truths, strict=False):
                found.note(name, str(shape), answer, truth, _wrong_gradients(name, draw, truth, upstream))
        if found.worst is not None:
            lab.exhibit(_error_map(key, title, *found.worst[1:]))
        return found.measured(key, title, student)

    return convolution_gradient


def _wrong_gradients(name: str, draw: Draw, truth: Array, upstream: Array) -> dict[str, Array]:
    """What well-known mistakes make of a gradient."""
    if name == "inputs":
        turned = draw.weight[:, :, ::-1, ::-1]
        by_turned, _, _ = reference.convolution_gradients(draw.images, turned, upstream, **draw.shape.spacing)
        return {"with the kernel turned round": by_turned}
    if name == "weight":
        return {"flipped": truth[:, :, ::-1, ::-1], "transposed": truth.swapaxes(2, 3)}
    if name == "bias":
        return {
            "the mean over the batch": truth / len(upstream),
            "of the first image alone": upstream[0].sum(axis=(1, 2)),
            "the mean over places": upstream.mean(axis=(2, 3)).sum(axis=0),
        }
    raise ValueError(name)


def _error_map(key: str, title: str, error: Array, case: str) -> Exhibit:
    side = round(np.sqrt(error.shape[1]))
    return exhibits.heat_map(
        f"{key}_error",
        f"Where is the weight's gradient wrong? {title}, {case}",
        error,
        x_title="Place in the kernel (row, column)",
        y_title="Filter and channel, one below the other",
        value_title="Error relative to the largest gradient",
        x_labels=[f"{i // side}, {i % side}" for i in range(error.shape[1])],
        y_labels=[str(i) for i in range(len(error))],
    )


convolution_gradient = _gradient_check(
    "convolution_gradient",
    "Gradients of the convolution",
    (CHANNEL[0], CHANNEL[3], CHANNEL[4], CHANNELS[1], CHANNELS[3]),
)
convolution_gradient_spaced = _gradient_check(
    "convolution_gradient_spaced",
    "Gradients of the convolution with stride and padding",
    (STRIDES[1], PADDINGS[1], PADDINGS[3]),
)


# -- pooling -----------------------------------------------------------------------------------------------------------

# (size, stride, height, width): the usual one, with rows left over, and windows that overlap.
POOLS = ((2, 2, 8, 6), (2, 2, 7, 5), (3, 3, 9, 7), (3, 2, 7, 9))
POOL_MUTANTS = (
    "the mean",
    "the smallest",
    "never below zero",
    "windows moved by one",
    "windows moved by one where no stride is named",
    "rows and columns left over kept",
)


def _pool_name(size: int, stride: int, height: int, width: int) -> str:
    moved = f", stride {stride}" if stride != size else ""
    return f"{size}×{size}{moved} over {height}×{width}"


@check("max_pool_forward", "Pooling takes the largest number of each window")
def max_pool_forward(student: Student, lab: Lab) -> Measurement:
    """MaxPool over several windows, strides and sizes; of negative numbers as well."""
    random = lab.random("max_pool_forward")
    comparisons: Named = []
    suspects = Suspects(POOL_MUTANTS)
    for size, stride, height, width in POOLS:
        for shift in (0.0, -5.0):
            images = random.normal(size=(2, 3, height, width)) + shift
            name = _pool_name(size, stride, height, width) + ", negative numbers" * (shift < 0)
            try:
                answer = student.forward(max_pool_layer(size, stride=stride), images)
            except StudentFault as fault:
                comparisons.append((name, Unanswered(fault)))
                continue
            expected = reference.max_pool(images, size, stride=stride)
            comparisons.append((name, compare(answer, expected)))
            left_over = -(height - size) % stride, -(width - size) % stride
            whole = np.pad(images, ((0, 0), (0, 0), *((0, more) for more in left_over)), constant_values=-np.inf)
            mutants = {
                "the mean": reference.average_pool(images, size, stride=stride),
                "the smallest": -reference.max_pool(-images, size, stride=stride),
                "never below zero": np.maximum(expected, 0),
                "windows moved by one": reference.max_pool(images, size, stride=1),
                "windows moved by one where no stride is named": reference.max_pool(
                    images, size, stride=1 if stride == size else stride
                ),
                "rows and columns left over kept": reference.max_pool(whole, size, stride=stride),
            }
            suspects.confront(answer, expected, mutants)
    return cases("max_pool_forward", max_pool_forward.title, comparisons, evidence={"matches": suspects.matches})


@check("max_pool_gradient", "Pooling sends the gradient to the largest number")
def max_pool_gradient(student: Student, lab: Lab) -> Measurement:
    """Gradient of MaxPool. Where a window has its largest number twice, only the sum of the gradient is judged."""
    random = lab.random("max_pool_gradient")
    found = Arrivals("spread over the window")
    for size, stride, height, width in POOLS:
        images = random.normal(size=(2, 2, height, width))
        name, layer = _pool_name(size, stride, height, width), max_pool_layer(size, stride=stride)
        upstream = random.normal(size=reference.max_pool(images, size, stride=stride).shape)
        try:
            (answer,) = student.gradient(layer, images, upstream, [])
        except StudentFault as fault:
            found.fault(["inputs"], name, fault)
            continue
        truth = reference.max_pool_gradient(images, upstream, size, stride=stride)
        spread = reference.average_pool_gradient(images, upstream, size, stride=stride)
        found.note("inputs", name, answer, truth, {"spread over the window": spread})
    if not found.nothing_arrives:
        _judge_ties(student, found, random)
    return found.measured("max_pool_gradient", max_pool_gradient.title, student)


def _judge_ties(student: Student, found: Arrivals, random: np.random.Generator) -> None:
    """Of equal pixels any may get the gradient, or each a part: for each image and channel the sum has to be kept."""
    images = np.repeat(random.normal(size=(2, 2, 1, 1)), 4, axis=2).repeat(4, axis=3)
    upstream = random.uniform(0.5, 1.5, size=(2, 2, 2, 2))
    name = "equal numbers, their sum"
    try:
        (answer,) = student.gradient(max_pool_layer(2), images, upstream, [])
    except StudentFault as fault:
        found.fault(["inputs"], name, fault)
        return
    total = answer.sum(axis=(2, 3)) if answer.shape == images.shape else answer
    found.comparisons.append((name, compare(total, upstream.sum(axis=(2, 3)))))


# -- flattening and the whole ----------------------------------------------------------------------------------------------


@check("flatten_keeps_batch", "Flattening keeps the batch")
def flatten_keeps_batch(student: Student, lab: Lab) -> Measurement:
    """The student's Flatten or flatten() makes one row of each item, and lets gradients pass where anything does."""
    random = lab.random("flatten_keeps_batch")
    own = {**FLATTEN, "own": True}
    comparisons: Named = []
    joined = []
    for shape in ((3, 2, 4, 5), (2, 1, 3, 3), (4, 3, 2, 2)):
        images = random.normal(size=shape)
        answer = student.forward(own, images)
        comparisons.append((f"shape {shape}", compare(answer, images.reshape(len(images), -1))))
        # A student's answer of another size is never looked into.
        joined.append(answer.size == images.size and answer.ndim <= 2 and len(answer) in (1, images.size))
    evidence: dict[str, Any] = {"joined": all(joined)}
    if not comparisons[0][1].equal:
        return cases("flatten_keeps_batch", flatten_keeps_batch.title, comparisons, evidence=evidence)
    images, upstream = random.normal(size=(3, 2, 4, 5)), random.normal(size=(3, 40))
    try:
        (answer,) = student.gradient(own, images, upstream, [])
        comparisons.append(("its gradient", compare(answer, upstream.reshape(images.shape))))
    except StudentFault as fault:
        lost = fault.code == Fault.NO_GRADIENT and carries_gradients(student)
        evidence["gradient_lost"] = lost
        if lost or fault.code != Fault.NO_GRADIENT:
            comparisons.append(("its gradient", Unanswered(fault)))
    return cases("flatten_keeps_batch", flatten_keeps_batch.title, comparisons, evidence=evidence)


@check("spatial_pipeline", "From images to class scores")
def spatial_pipeline(student: Student, lab: Lab) -> Measurement:
    """Convolution, ReLU, pooling, flattening and a dense layer in a row, against the reference."""
    random = lab.random("spatial_pipeline")
    comparisons: Named = []
    for shape, size in (
        (Shape(inputs=1, outputs=3, kernel=3, height=8, width=10), 2),
        (Shape(inputs=3, outputs=2, kernel=2, height=7, width=5), 3),
    ):
        draw = Draw.of(shape, random)
        pooled = reference.max_pool(np.maximum(draw.expected(), 0), size)
        rows = pooled.reshape(len(pooled), -1)
        weight, bias = random.normal(size=(rows.shape[1], 4)), random.normal(size=4)
        layers = [shape.layer, RELU, max_pool_layer(size), FLATTEN, dense_layer(rows.shape[1], 4)]
        name = f"{shape}, then pooling {size}×{size}"
        try:
            answer = student.forward(
                {"component": "network", "layers": layers}, draw.images, [*draw.parameters, weight, bias]
            )
        except StudentFault as fault:
            comparisons.append((name, Unanswered(fault)))
            continue
        comparisons.append((name, compare(answer, reference.dense(rows, weight, bias))))
    return cases("spatial_pipeline", spatial_pipeline.title, comparisons)
