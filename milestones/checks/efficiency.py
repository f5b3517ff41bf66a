"""How fast the student's code is and how much memory it takes, always measured from outside the sandbox.

What is judged is a ratio of CPU times on the same machine at the same time, or an exponent, with wide plateaus between the
anchors: on a busy machine both sides of a ratio grow.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from milestones import exhibits, reference
from milestones.checks.outcome import check, failed
from milestones.contract import Check, Measurement, Status
from milestones.lab import Lab, compare
from milestones.networks import Layer, Network, convolution_layer
from milestones.proxy import Student
from milestones.sandbox.session import StudentFault, StudentSide
from milestones.student.operations import Fault
from milestones.student.yardstick import convolve_by_loops

ROUNDS = 3
# The loops inside may take this many times as long as the same loops out here: more is not believed.
MOST_STRETCHED = 3.0
# A convolution below this factor over plain loops works pixel by pixel in Python; a matrix product gives a thousand and more.
LOOPS_BELOW = 100.0
# CPU seconds that the next larger work may take by the speed on the smaller one.
LONGEST_WORK = 1.5
CHECKED_IMAGES = 8

# Latency of a batch goes with its size to the power of this: where a Python loop walks through the batch it is 1.
BATCHED_BELOW, LOOPED_ABOVE = 0.65, 0.8
TINY_BATCHES = (1, 8, 64)
# More than in step with the batch: something is done for every pair of images.
IN_STEP_BELOW, STEEP_ABOVE = 1.15, 1.4
# A model that takes longer for an image is asked for fewer of them (CPU seconds).
SLOW_IMAGE = 0.01

# Megabytes of working memory for one image: an im2col of a usual network takes 1 to 4.
LITTLE_MEMORY, MUCH_MEMORY = 6.0, 18.0
CALLS_BEFORE, CALLS = 4, 12
NUMBERS = 100_000
# A call that keeps what it computed keeps at least its input; less than this in all is noise of the allocator.
LEAST_GROWTH = 2 << 20


@dataclass(frozen=True)
class Work:
    """A convolution 3×3 of ``images`` images of ``size`` × ``size`` pixels."""

    images: int
    inputs: int
    outputs: int
    size: int
    bias: bool = True

    @property
    def layer(self) -> Layer:
        return convolution_layer(self.inputs, self.outputs, 3, bias=self.bias)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        return (self.images, self.outputs, self.size - 2, self.size - 2)

    @property
    def operations(self) -> int:
        """Multiply-accumulates."""
        return int(np.prod(self.shape)) * self.inputs * 9

    def draw(self, random: np.random.Generator) -> tuple[NDArray, NDArray, NDArray]:
        """Images, weight and bias, float32."""
        shapes = ((self.images, self.inputs, self.size, self.size), (self.outputs, self.inputs, 3, 3), (self.outputs,))
        images, weight, bias = (random.normal(size=shape).astype(np.float32) for shape in shapes)
        return images, weight, bias * np.float32(self.bias)

    def parameters(self, weight: NDArray, bias: NDArray) -> list[NDArray]:
        """What the layer takes of them."""
        return [weight, bias] if self.bias else [weight]


LOOPED_WORK = Work(1, 8, 8, 16)
WORKS = (LOOPED_WORK, Work(8, 16, 32, 16), Work(256, 32, 64, 16))
# For the course's first edition, whose convolution has one channel, one filter and no bias.
WORKS_OF_ONE_CHANNEL = tuple(Work(images, 1, 1, 64, bias=False) for images in (1, 32, 512))
TINY, TINY_OF_ONE_CHANNEL = Work(512, 1, 2, 6), Work(512, 1, 1, 6, bias=False)


@check("convolution_speedup", "Speed of the convolution")
def convolution_speedup(student: Student, lab: Lab) -> Measurement:
    """How many times as many multiply-accumulates a CPU second the student's convolution does as plain Python loops."""
    try:
        return _speedup(student, lab)
    except StudentSide as error:
        # A convolution that does not run has no speed: that is not the speed of zero.
        return failed("convolution_speedup", convolution_speedup.title, error, kind="accuracy")


def _speedup(student: Student, lab: Lab) -> Measurement:
    random = lab.random("convolution_speedup")
    looped, own = [], []
    works = WORKS_OF_ONE_CHANNEL if _has_one_channel(student) else WORKS
    work = _largest_work(student, lab, random, works)
    for _ in range(ROUNDS):
        images, weight, bias = LOOPED_WORK.draw(random)
        looped.append(_seconds_of_loops(student, images, weight, bias))
        images, weight, bias = work.draw(random)
        seconds, wrong = _seconds_of_convolution(student, work, images, weight, bias, random)
        if wrong:
            return _wrong_convolution(wrong)
        own.append(seconds)
    loops, theirs = min(looped) / LOOPED_WORK.operations, min(own) / work.operations
    factor = loops / theirs
    product = _seconds_of_matrix_product(random) / WORKS[1].operations
    lab.figure(
        "Convolution", f"{_microseconds(theirs)} a multiply-accumulate, {factor:,.3g} times as fast as plain loops"
    )
    return Measurement(
        key="convolution_speedup",
        title=convolution_speedup.title,
        kind="quantity",
        unit="times as fast as plain loops",
        status=Status.PASSED if factor >= LOOPS_BELOW else Status.PARTIAL,
        value=float(f"{factor:.3g}"),
        passed=factor >= LOOPS_BELOW,
        message=f"Your convolution takes {_microseconds(theirs)} for a multiply-accumulate, plain loops here "
        f"{_microseconds(loops)}: {factor:,.3g} times as fast.",
        evidence={
            "microseconds": theirs * 1e6,
            "microseconds_of_loops": loops * 1e6,
            "microseconds_of_matrix_product": product * 1e6,
            "factor": factor,
            "operations": work.operations,
            "looped": factor < LOOPS_BELOW,
        },
    )


def _has_one_channel(student: Student) -> bool:
    """Whether the student's convolution says that it has no more channels."""
    images, weight, bias = np.zeros((1, 2, 4, 4)), np.zeros((2, 2, 3, 3)), np.zeros(2)
    try:
        student.forward(convolution_layer(2, 2, 3), images, [weight, bias])
    except StudentFault as fault:
        if fault.code == Fault.MISSING:
            return True
        raise
    return False


def _largest_work(student: Student, lab: Lab, random: np.random.Generator, works: tuple[Work, ...]) -> Work:
    """The largest of the works that takes no longer than is worth it; which one is replayed."""
    step = 0
    while not lab.is_replay("convolution_work") and step + 1 < len(works):
        work, larger = works[step], works[step + 1]
        images, weight, bias = work.draw(random)
        seconds, _ = _seconds_of_convolution(student, work, images, weight, bias, random)
        if seconds / work.operations * larger.operations > LONGEST_WORK:
            break
        step += 1
    return works[min(lab.settle_exactly("convolution_work", step), len(works) - 1)]


def _seconds_of_convolution(
    student: Student, work: Work, images: NDArray, weight: NDArray, bias: NDArray, random: np.random.Generator
) -> tuple[float, str]:
    """(CPU seconds, what is wrong with the answer or nothing). A few images, chosen after the answer, are looked at."""
    parameters = work.parameters(weight, bias)
    seconds, answer = student.seconds_of(lambda: student.forward(work.layer, images, parameters))
    if answer.shape != work.shape:
        return seconds, f"the answer has shape {answer.shape}, expected {work.shape}"
    chosen = random.permutation(work.images)[:CHECKED_IMAGES]
    expected = reference.convolution(images[chosen].astype(np.float64), weight.astype(np.float64), bias)
    comparison = compare(answer[chosen].astype(np.float32), expected)
    return seconds, "" if comparison.equal else comparison.sentence()


def _seconds_of_loops(student: Student, images: NDArray, weight: NDArray, bias: NDArray) -> float:
    """CPU seconds of the grader's loops inside, as far as they can be believed: they share a process with the student's
    code, which could slow them down."""
    inside, _ = student.seconds_of(lambda: student.yardstick(images, weight, bias, shape=LOOPED_WORK.shape))
    started = time.thread_time()
    convolve_by_loops(images, weight, bias)
    return min(inside, MOST_STRETCHED * (time.thread_time() - started))


def _seconds_of_matrix_product(random: np.random.Generator) -> float:
    """CPU seconds of the second of the works as one matrix product, in the grader: what could be had."""
    images, weight, bias = WORKS[1].draw(random)
    taken = []
    for _ in range(ROUNDS):
        started = time.process_time()
        reference.convolution(images, weight, bias)
        taken.append(max(time.process_time() - started, 1e-6))
    return min(taken)


def _wrong_convolution(wrong: str) -> Measurement:
    return Measurement(
        key="convolution_speedup",
        title=convolution_speedup.title,
        kind="quantity",
        unit="times as fast as plain loops",
        status=Status.WRONG,
        passed=False,
        message=f"The speed of a wrong convolution does not count: {wrong}.",
        evidence={"wrong": wrong},
    )


def _microseconds(seconds: float) -> str:
    return f"{seconds * 1e6:.2g} µs"


# -- the batch ---------------------------------------------------------------------------------------------------------


@check("batch_scaling", "A batch is computed at once")
def batch_scaling(student: Student, lab: Lab) -> Measurement:
    """How the time of a convolution of tiny images grows with the batch: where a loop walks through it, in step with it."""
    random = lab.random("batch_scaling")
    tiny = TINY_OF_ONE_CHANNEL if _has_one_channel(student) else TINY
    images, weight, bias = tiny.draw(random)
    parameters = tiny.parameters(weight, bias)
    points = _latencies(
        student, TINY_BATCHES, tiny.images, lambda size: student.in_batches(tiny.layer, images, parameters, batch=size)
    )
    power = exponent(points)
    return _on_scale(
        "batch_scaling",
        batch_scaling.title,
        power,
        best=BATCHED_BELOW,
        worst=LOOPED_ABOVE,
        message=f"The time of a small convolution grows as the batch to the power of {power:.2f}"
        f"{': each image is computed by itself' if power >= LOOPED_ABOVE else ''}.",
        evidence={"points": [[size, seconds] for size, seconds in points], "looped": power >= LOOPED_ABOVE},
    )


def latency_scaling_of(network: Network) -> Check:
    """The check that the assessed model's time grows no faster than the batch."""

    @check("latency_scaling", "Latency grows no faster than the batch")
    def latency_scaling(student: Student, lab: Lab) -> Measurement:
        facts = student.build(network)
        random = lab.random("latency_scaling")
        features = network.features(own=facts.own_model)
        count = _affordable_images(student, lab, features, "latency_images", (32, 4))
        images = random.uniform(size=(count, features)).astype(np.float32)
        sizes = [2**power for power in range(count.bit_length())]
        points = _latencies(
            student,
            sizes,
            count,
            lambda size: student.logits(images, raw=True, batch=size),
            rounds=2 if count > 4 else 1,
        )
        power = exponent(points)
        each = points[-1][1] / points[-1][0]
        lab.figure(
            "Latency", f"{points[0][1] * 1e3:.3g} ms for one image, {each * 1e3:.3g} ms each in a batch of {count}"
        )
        lab.figure("Growth of latency", f"as the batch to the power of {power:.2f}")
        lab.exhibit(
            exhibits.scatter(
                "latency",
                "How does the time of a batch grow with its size?",
                {"Your model": [(size, seconds * 1e3) for size, seconds in points]},
                x_title="Images in the batch",
                y_title="CPU time (ms)",
                logarithmic=True,
            )
        )
        return _on_scale(
            "latency_scaling",
            latency_scaling.title,
            power,
            best=IN_STEP_BELOW,
            worst=STEEP_ABOVE,
            message=f"{points[0][1] * 1e3:.3g} ms for one image and {each * 1e3:.3g} ms for each of {count}: the time grows as "
            f"the batch to the power of {power:.2f}.",
            evidence={"points": [[size, seconds] for size, seconds in points], "steep": power >= STEEP_ABOVE},
        )

    return latency_scaling


def _affordable_images(student: Student, lab: Lab, features: int, name: str, sizes: tuple[int, int]) -> int:
    """The larger number of images, or for a slow model the smaller; which one is replayed."""
    two = np.zeros((2, features), dtype=np.float32)
    student.logits(two, raw=True)
    seconds, _ = student.seconds_of(lambda: student.logits(two, raw=True))
    return lab.settle_exactly(name, sizes[seconds / 2 > SLOW_IMAGE])


def _latencies(
    student: Student, sizes: Sequence[int], items: int, ask: Callable[[int], Any], *, rounds: int = ROUNDS
) -> list[tuple[int, float]]:
    """(batch size, CPU seconds of one batch), the least of several rounds; every size does the same ``items`` in all."""
    if rounds > 1:
        ask(sizes[0])
    least = {size: min(student.seconds_of(lambda size=size: ask(size))[0] for _ in range(rounds)) for size in sizes}
    return [(size, seconds * size / items) for size, seconds in least.items()]


def exponent(points: Sequence[tuple[float, float]]) -> float:
    """p where y grows as x to the power of p: the slope of a straight line through the logarithms (least squares)."""
    x, y = np.log(np.asarray(points, dtype=np.float64)).T
    x = x - x.mean()
    return float((x * y).sum() / (x * x).sum())


# -- memory ------------------------------------------------------------------------------------------------------------


def inference_memory_of(network: Network) -> Check:
    """The check of how much memory the assessed model takes for each image of a batch. Asked first in a fresh sandbox: the
    peak of a sandbox does not fall."""

    @check("inference_memory", "Working memory of inference")
    def inference_memory(student: Student, lab: Lab) -> Measurement:
        facts = student.build(network)
        features = network.features(own=facts.own_model)
        count = _affordable_images(student, lab, features, "memory_images", (32, 4))
        images = lab.random("inference_memory").uniform(size=(count, features)).astype(np.float32)
        # Before, as many answers' and questions' worth of bytes go over the line, one image at a time.
        student.logits(images, raw=True, batch=1)
        before = student.peak_memory_bytes
        student.logits(images, raw=True, batch=count)
        each = (student.peak_memory_bytes - before) / count / 1e6
        lab.figure("Working memory", f"{each:.2g} MB for each image of a batch of {count}")
        lab.figure("Parameters", f"{facts.parameter_count:,}")
        return _on_scale(
            "inference_memory",
            inference_memory.title,
            each,
            best=LITTLE_MEMORY,
            worst=MUCH_MEMORY,
            message=f"A batch of {count} images takes {each:.2g} MB of memory for each of them."
            if each > 0.01
            else f"A batch of {count} images takes hardly more memory than one image.",
            evidence={"megabytes_an_image": each, "images": count, "peak_bytes": student.peak_memory_bytes},
        )

    return inference_memory


def memory_growth_of(network: Network) -> Check:
    """The check that predicting keeps nothing: what the sandbox holds must not grow from call to call."""

    @check("memory_growth", "Memory stays the same from call to call")
    def memory_growth(student: Student, lab: Lab) -> Measurement:
        facts = student.build(network)
        random = lab.random("memory_growth")
        features = network.features(own=facts.own_model)
        # Enough that what a call keeps is seen, whatever the size of an image.
        count = _affordable_images(student, lab, features, "growth_images", (max(32, NUMBERS // features), 4))
        held: list[int] = []
        for _ in range(CALLS_BEFORE + CALLS):
            student.logits(random.uniform(size=(count, features)).astype(np.float32), raw=True, batch=count)
            held.append(student.resident_bytes)
        held = held[CALLS_BEFORE:]
        third = CALLS // 3
        grown = float(np.median(held[-third:]) - np.median(held[:third]))
        each = grown / (CALLS - third)
        grows = grown > LEAST_GROWTH and each > 0.3 * count * features * 4 and bool(np.all(np.diff(held[::third]) > 0))
        lab.figure("Memory kept by a call", f"{max(each, 0) / 1e6:.2g} MB after a batch of {count}")
        return Measurement(
            key="memory_growth",
            title=memory_growth.title,
            kind="share",
            status=Status.WRONG if grows else Status.PASSED,
            value=0.0 if grows else 1.0,
            passed=not grows,
            message=f"Each of {CALLS} calls with new images keeps {each / 1e6:.2g} MB that are never given back."
            if grows
            else f"After {CALLS} calls with {count} new images each, no more memory is held than before.",
            evidence={"held": held, "bytes_a_call": each, "grows": grows, "images": count},
        )

    return memory_growth


def _on_scale(
    key: str, title: str, value: float, *, best: float, worst: float, message: str, evidence: dict[str, Any]
) -> Measurement:
    """A share: all up to ``best``, nothing from ``worst``, and a straight line in between."""
    share = float(np.clip((worst - value) / (worst - best), 0.0, 1.0))
    return Measurement(
        key=key,
        title=title,
        kind="share",
        status=Status.PASSED if share >= 1 else Status.PARTIAL if share > 0 else Status.WRONG,
        value=round(share, 3),
        passed=share >= 0.5,
        message=message,
        evidence={"measured": value, **evidence},
    )
