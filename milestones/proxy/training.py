"""Questions about what training is made of: losses, optimizers, the student's Trainer and its checkpoints, the DataLoader."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from milestones.networks import Network
from milestones.proxy.connection import Connection, any_numbers, one_line, text_of
from milestones.sandbox.answers import Expected
from milestones.sandbox.protocol import array_to_text
from milestones.student.operations import CHECKPOINT_BYTES, CHECKPOINT_FILES, STRUCTURE_BYTES, Operation

BatchForm = tuple[str, str, bool]


@dataclass(frozen=True)
class LossAnswer:
    """What a loss gave for one batch. ``value`` has any shape, ``gradient`` is empty where none arrived, and then ``why`` may
    say why."""

    value: NDArray
    gradient: NDArray
    why: str


@dataclass(frozen=True)
class ZeroAnswer:
    """Gradients of one weight: after one backward pass, after a second, once cleared by ``means``, after a third. Empty where
    there was none."""

    once: NDArray
    twice: NDArray
    cleared: NDArray
    afresh: NDArray
    means: str


@dataclass(frozen=True)
class TrainerAnswer:
    """What a Trainer did with a small network: its parameters after one pass and after evaluating, the loss and accuracy that
    it claims (NaN where it claims none). The counts and words are claims of the sandboxed side and only evidence."""

    trained: tuple[NDArray[np.float64], ...]
    evaluated: tuple[NDArray[np.float64], ...]
    loss: float
    accuracy: float
    steps: int
    steps_with_gradients: int
    outcome: int
    words: str


@dataclass(frozen=True)
class Checkpoint:
    """Files that a Trainer wrote, carried from one sandbox to the next; never read on this side."""

    names: NDArray[np.uint8]
    lengths: NDArray[np.int64]
    content: NDArray[np.uint8]


class TrainingQuestions(Connection):
    """Losses and optimizers are named as components are."""

    def loss(
        self, loss: str, predictions: NDArray, targets: NDArray, *, wrap: str, one_hot: bool = False
    ) -> LossAnswer:
        """One loss of a batch, its targets given in one of ``TARGET_WRAPS``, class numbers as rows with ``one_hot``."""
        value, gradient, why = self._question(
            Operation.LOSS,
            {"loss": loss, "targets": wrap, "one_hot": one_hot},
            [predictions, targets],
            [any_numbers(), any_numbers(), text_of(STRUCTURE_BYTES)],
        )
        words = one_line(array_to_text(why, STRUCTURE_BYTES), most=300)
        return LossAnswer(self._in_working_precision(value), self._in_working_precision(gradient), words)

    def optimize(
        self, optimizer: str, settings: Mapping[str, float], parameters: Sequence[tuple[NDArray, NDArray]]
    ) -> list[NDArray]:
        """The path of each parameter, (steps, *shape), for (start, gradients of each step). Settings are named as in
        ``reference.optimizers``."""
        arrays = [array for pair in parameters for array in pair]
        expect = [Expected((np.float32, np.float64), gradients.shape, gradients.size) for _, gradients in parameters]
        paths = self._question(Operation.OPTIMIZE, {"optimizer": optimizer, **settings}, arrays, expect)
        return [self._in_working_precision(path) for path in paths]

    def zero_gradient(self, inputs: NDArray, weight: NDArray, bias: NDArray, upstream: NDArray) -> ZeroAnswer:
        """How gradients of a dense weight add up and are cleared."""
        *gradients, means = self._question(
            Operation.ZERO_GRADIENT,
            {},
            [inputs, weight, bias, upstream],
            [any_numbers()] * 4 + [text_of(STRUCTURE_BYTES)],
        )
        found = [self._in_working_precision(gradient) for gradient in gradients]
        return ZeroAnswer(*found, means=one_line(array_to_text(means, STRUCTURE_BYTES), most=200))

    def run_trainer(
        self,
        network: Network,
        form: BatchForm,
        *,
        batch: int,
        rate: float,
        parameters: Sequence[NDArray],
        seen: tuple[NDArray, NDArray[np.int64]],
        unseen: tuple[NDArray, NDArray[np.int64]],
    ) -> TrainerAnswer:
        """One pass of the student's Trainer over ``seen`` and an evaluation on ``unseen``, both (inputs, labels)."""
        shapes = [Expected(np.float64, array.shape, array.size) for array in parameters]
        *found, claims, counts, words = self._question(
            Operation.TRAINER,
            _settings(network, form, batch=batch, rate=rate),
            [*parameters, *seen, *unseen],
            [*shapes, *shapes, Expected(np.float64, (2,), 2), Expected(np.int64, (3,), 3), text_of(STRUCTURE_BYTES)],
        )
        return TrainerAnswer(
            trained=tuple(found[: len(shapes)]),
            evaluated=tuple(found[len(shapes) :]),
            loss=float(claims[0]),
            accuracy=float(claims[1]),
            steps=int(counts[0]),
            steps_with_gradients=int(counts[1]),
            outcome=int(counts[2]),
            words=one_line(array_to_text(words, STRUCTURE_BYTES), most=300),
        )

    def save_checkpoint(self) -> Checkpoint:
        """The checkpoint of the Trainer that was run last."""
        answer = self._question(
            Operation.SAVE_CHECKPOINT,
            {},
            [],
            [
                text_of(STRUCTURE_BYTES),
                Expected(np.int64, (None,), CHECKPOINT_FILES),
                Expected(np.uint8, (None,), CHECKPOINT_BYTES),
            ],
        )
        return Checkpoint(*answer)

    def reload_checkpoint(
        self,
        checkpoint: Checkpoint,
        network: Network,
        form: BatchForm,
        *,
        batch: int,
        rate: float,
        parameters: Sequence[NDArray],
        inputs: NDArray,
    ) -> NDArray:
        """What a fresh model with other ``parameters`` answers to ``inputs`` once the checkpoint was loaded into it."""
        (answer,) = self._question(
            Operation.RELOAD_CHECKPOINT,
            _settings(network, form, batch=batch, rate=rate),
            [*parameters, checkpoint.names, checkpoint.lengths, checkpoint.content, inputs],
            [any_numbers()],
        )
        return self._in_working_precision(answer)

    def data_loader(
        self, inputs: NDArray, labels: NDArray[np.int64], *, batch: int, shuffle: bool
    ) -> tuple[NDArray, NDArray, NDArray[np.int64]]:
        """Inputs and labels that one pass of the student's DataLoader yields, and the sizes of its batches."""
        most = 3 * inputs.size
        answer = self._question(
            Operation.DATA_LOADER,
            {"batch": batch, "shuffle": shuffle},
            [inputs, labels],
            [
                Expected(np.float64, (None, *inputs.shape[1:]), most),
                Expected(np.float64, (None,), most),
                Expected(np.int64, (None,), most),
            ],
        )
        return answer[0], answer[1], answer[2]


def _settings(network: Network, form: BatchForm, *, batch: int, rate: float) -> dict[str, object]:
    layers = [dict(layer) for layer in network.layers]
    return {"layers": layers, "form": list(form), "batch": batch, "rate": rate}
