"""What a convolution saves: few weights, the same at every place of an image, against a dense layer of equal input and output."""

from __future__ import annotations

import math
import re

import numpy as np

from milestones import exhibits
from milestones.checks.outcome import Unanswered, cases, check, information, statement
from milestones.contract import Check, Measurement
from milestones.lab import Lab, compare
from milestones.networks import Layer, Network, convolution_layer, dense_chain, parameter_count
from milestones.proxy import Student
from milestones.sandbox.session import StudentFault
from milestones.source import Document, Source

# What the first edition's convolution is: one channel, one filter, no bias.
ONE_CHANNEL = convolution_layer(1, 1, 3, bias=False)
BYTES = 4  # of a float32
# The student's convolution is as slow as plain loops from this share of their time on.
AS_SLOW_AS_LOOPS = 0.2
MOST_BELIEVED = 1e4
# What a comparison speaks of, and as much of it as is shown.
_CONVOLUTIONAL = re.compile(r"\bCNN|convolution|\bconv\b|conv2d", re.I)
_DENSE = re.compile(r"\bdense|\bMLP\b|fully.connected|\blinear\b", re.I)
_COST = re.compile(r"parameter|memory|weights|\b[KM]i?B\b", re.I)
MOST_REPORTS = 3
SHOWN_CHARACTERS = 20_000


def dense_equivalent(convolution: Layer, side: int) -> int:
    """How many weights a dense layer needs that takes the same images, ``side`` × ``side``, and gives as many numbers."""
    places = (side + 2 * convolution["padding"] - convolution["kernel"]) // convolution["stride"] + 1
    return convolution["inputs"] * side**2 * convolution["outputs"] * places**2


def convolution_parameters_of(convolution: Layer, *, side: int) -> Check:
    """The check that ``convolution`` learns as few numbers as it should, over images of ``side`` × ``side``."""

    @check("convolution_parameters", "A convolution needs few weights")
    def convolution_parameters(student: Student, lab: Lab) -> Measurement:
        asked = convolution
        try:
            count = student.convolution_parameters(asked)
        except StudentFault:
            asked = ONE_CHANNEL
            count = student.convolution_parameters(asked)
        expected, dense = parameter_count(asked), dense_equivalent(asked, side)
        right = count == expected
        several = "s" * (asked["inputs"] + asked["outputs"] > 2)
        kind = f"{asked['inputs']}→{asked['outputs']} channel{several}, {asked['kernel']}×{asked['kernel']}"
        words = f"The convolution ({kind}) has {count:,} parameters"
        words += (
            f"; a dense layer of equal input and output has {dense:,} weights, {dense / expected:,.0f} times as many."
            if right
            else f", expected {expected:,}: are its weight and bias both in parameters(), and nothing else?"
        )
        return statement(
            "convolution_parameters",
            convolution_parameters.title,
            right=right,
            message=words,
            evidence={"parameters": count, "expected": expected, "dense_weights": dense},
        )

    return convolution_parameters


@check("weights_shared", "The same weights act at every place")
def weights_shared(student: Student, lab: Lab) -> Measurement:
    """An image that is moved by a row and a column gives the same result, moved: told by behaviour, not by counting."""
    random = lab.random("weights_shared")
    comparisons = []
    for layer in (ONE_CHANNEL, convolution_layer(1, 4, 3), convolution_layer(2, 3, 2)):
        shape = (layer["outputs"], layer["inputs"], layer["kernel"], layer["kernel"])
        images = random.normal(size=(2, layer["inputs"], 9, 8))
        parameters = [random.normal(size=shape), *([random.normal(size=shape[0])] if layer["bias"] else [])]
        name = f"{layer['inputs']}→{layer['outputs']} channels"
        try:
            whole = student.forward(layer, images, parameters)
            moved = student.forward(layer, np.ascontiguousarray(images[:, :, 1:, 1:]), parameters)
        except StudentFault as fault:
            comparisons.append((name, Unanswered(fault)))
            continue
        # Only a result of the right shape is taken apart.
        fits = whole.shape == (2, layer["outputs"], 10 - layer["kernel"], 9 - layer["kernel"])
        expected = whole[:, :, 1:, 1:] if fits else np.full((1,), np.nan)
        comparisons.append((name, compare(moved, expected.astype(np.float64))))
    return cases("weights_shared", weights_shared.title, comparisons)


def memory_of(network: Network, *, dense: tuple[int, ...]) -> Check:
    """The figures of the assessed model against a network of dense layers alone, with the sizes ``dense``."""

    @check("network_memory", "Memory of the network's weights")
    def network_memory(student: Student, lab: Lab) -> Measurement:
        facts = student.build(network)
        count = facts.parameter_count
        against = sum(map(parameter_count, dense_chain(*dense)))
        names = " → ".join(map(str, dense))
        rows: list[list[str | int]] = [
            [f"Your model ({facts.structure})" if facts.own_model else "The standard network of your layers", count],
            [f"Dense network {names}", against],
        ]
        for layer in network.layers:
            if layer["component"] == "convolution":
                rows += [
                    ["One convolution 1→4, 3×3", parameter_count(layer)],
                    ["Dense layer of its input and output, weights", dense_equivalent(layer, network.image[1])],
                ]
        lab.exhibit(
            exhibits.table(
                "parameters",
                "How many parameters does a convolution save?",
                ["What", "Parameters", "KiB as float32"],
                [[name, number, round(number * BYTES / 1024, 1)] for name, number in rows],
            )
        )
        return information(
            "network_memory",
            network_memory.title,
            f"{'Your model' if facts.own_model else 'The standard network'} has {count:,} parameters "
            f"({count * BYTES / 1024:,.0f} KiB as float32); a dense network {names} has {against:,}.",
            evidence={"parameters": count, "dense_network": against, "own_model": facts.own_model},
        )

    return network_memory


@check("comparison_report", "Your comparison of a convolutional with a dense network")
def comparison_report(source: Source, lab: Lab) -> Measurement:
    """The texts that compare the two, laid before the person who marks them beside the figures measured here."""
    found = [document for document in source.documents() if _compares(document)][:MOST_REPORTS]
    if not found:
        return information(
            "comparison_report",
            comparison_report.title,
            "No text that compares a convolutional with a dense network was found: add one, such as compare_cnn_vs_dense.md, "
            "with your figures.",
            evidence={"documents": []},
        )
    lab.exhibit(
        exhibits.text(
            "comparison", "What does your comparison say?", {d.name: d.text[:SHOWN_CHARACTERS] for d in found}
        )
    )
    names = [document.name for document in found]
    return information(
        "comparison_report",
        comparison_report.title,
        f"Found {', '.join(names)}; a person reads it.",
        evidence={"documents": names},
    )


def _compares(document: Document) -> bool:
    """Whether a text speaks of convolutions, of dense layers and of what they cost."""
    return all(words.search(document.text) for words in (_CONVOLUTIONAL, _DENSE, _COST))


def convolution_speed_of(convolution: Layer, *, side: int) -> Check:
    """How fast ``convolution`` is against plain loops and one product of matrices in the same sandbox: information."""

    @check("convolution_speed", "Speed of the convolution")
    def convolution_speed(student: Student, lab: Lab) -> Measurement:
        try:
            speed = student.convolution_speed(convolution, side=side)
        except StudentFault:
            speed = student.convolution_speed(ONE_CHANNEL, side=side)
        figures = (speed.student, speed.plain_loops, speed.one_product)
        if not all(math.isfinite(seconds) and 0 < seconds < MOST_BELIEVED for seconds in figures):
            return information("convolution_speed", convolution_speed.title, "The speed could not be measured.")
        factor = speed.student / speed.one_product
        loops = speed.student > AS_SLOW_AS_LOOPS * speed.plain_loops
        words = f"{speed.student * 1e6:.3g} µs of CPU time for each multiply-add"
        words += f"; here plain loops take {speed.plain_loops * 1e6:.2g} µs and one product of matrices "
        words += f"{speed.one_product * 1e6:.2g} µs."
        return information(
            "convolution_speed",
            convolution_speed.title,
            words,
            evidence={
                "microseconds": round(speed.student * 1e6, 6),
                "factor": round(factor, 1),
                "as_slow_as_loops": loops,
            },
        )

    return convolution_speed
