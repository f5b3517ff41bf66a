"""Questions about whole models: building, training and asking one."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from milestones.networks import Network
from milestones.proxy.connection import DONE, Connection, one_line, text_of
from milestones.sandbox.answers import Expected
from milestones.sandbox.protocol import array_to_text
from milestones.student.operations import FACTS, REPORT_BYTES, STRUCTURE_BYTES, Fact, Operation

MOST_PARAMETERS = 500
_PARAMETER = re.compile(r"^([^\t]{1,80})\t(\d{1,9}(?: × \d{1,9}){0,7})$")


@dataclass(frozen=True)
class ModelFacts:
    """What BUILD says about the model. Claims of the sandboxed side: they choose the road, never the score."""

    parameter_count: int
    parameter_arrays: int
    own_model: bool
    supplied_weights: bool
    own_train: bool
    dense_only: bool
    has_autograd: bool
    used_sequential: bool
    structure: str


class ModelQuestions(Connection):
    """One model at a time: BUILD replaces it."""

    def build(self, network: Network) -> ModelFacts:
        """Build the model to assess: the student's own, or the standard ``network`` of the student's layers."""
        facts, structure = self._question(
            Operation.BUILD,
            {
                "layers": [dict(layer) for layer in network.layers],
                "image": network.image,
                "own_image": network.own_image,
                "classes": network.classes,
            },
            [],
            [Expected(np.int64, (FACTS,), FACTS), text_of(STRUCTURE_BYTES)],
        )
        return ModelFacts(
            parameter_count=int(facts[Fact.PARAMETER_COUNT]),
            parameter_arrays=int(facts[Fact.PARAMETER_ARRAYS]),
            own_model=bool(facts[Fact.OWN_MODEL] == 1),
            supplied_weights=bool(facts[Fact.SUPPLIED_WEIGHTS] == 1),
            own_train=bool(facts[Fact.OWN_TRAIN] == 1),
            dense_only=bool(facts[Fact.DENSE_ONLY] == 1),
            has_autograd=bool(facts[Fact.HAS_AUTOGRAD] == 1),
            used_sequential=bool(facts[Fact.USED_SEQUENTIAL] == 1),
            structure=one_line(array_to_text(structure, STRUCTURE_BYTES)),
        )

    def parameter_shapes(self) -> list[tuple[str, tuple[int, ...]]]:
        """(class of the layer, shape) of each parameter of the built model: for people to read, never scored."""
        (text,) = self._question(Operation.PARAMETER_SHAPES, {}, [], [text_of(REPORT_BYTES)])
        lines = map(_PARAMETER.match, array_to_text(text, REPORT_BYTES).splitlines())
        return [(found[1], tuple(map(int, found[2].split(" × ")))) for found in lines if found][:MOST_PARAMETERS]

    def logits(
        self,
        images: NDArray[np.float32],
        *,
        classes: int = 10,
        raw: bool = False,
        batch: int | None = None,
        seed: int | None = None,
    ) -> NDArray[np.float32]:
        """Class scores (n, classes) of float32 images (n, features). ``raw`` asks the model even if there is a predict();
        ``batch`` says how many images it gets at a time; ``seed`` is that of the inside's random numbers for once."""
        settings = {"classes": classes, "raw": raw, "batch": batch}
        (scores,) = self._question(
            Operation.LOGITS,
            settings if seed is None else {**settings, "seed": seed},
            [np.ascontiguousarray(images, dtype=np.float32)],
            [Expected(np.float32, (len(images), classes), len(images) * classes)],
        )
        return scores

    def train_data(self, images: NDArray[np.uint8], labels: NDArray[np.int64]) -> None:
        """Hand over training images (n, features) and their (permuted) labels (n,)."""
        self._question(Operation.TRAIN_DATA, {}, [images, labels], [DONE])

    def train_slice(self, *, first: int, steps: int, batch: int, rate: float, order: int) -> tuple[NDArray, str]:
        """Train some steps; the losses that the student's code claims (evidence only) and by what means it trained."""
        losses, manner = self._question(
            Operation.TRAIN_SLICE,
            {"first": first, "steps": steps, "batch": batch, "rate": rate, "order": order},
            [],
            [Expected(np.float64, (steps,), steps), text_of(STRUCTURE_BYTES)],
        )
        return losses, one_line(array_to_text(manner, STRUCTURE_BYTES))

    def train_own(self, images: NDArray[np.uint8], labels: NDArray[np.int64], *, budget: float) -> None:
        """Let the student's own train() work on the images within ``budget`` CPU seconds."""
        self._question(Operation.TRAIN_OWN, {"budget": budget}, [images, labels], [DONE])
