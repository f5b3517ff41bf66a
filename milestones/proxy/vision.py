"""Questions about the convolutions of the model under assessment, and about one convolution's size and speed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from milestones.networks import Layer
from milestones.proxy.connection import DONE, Connection
from milestones.sandbox.answers import Expected
from milestones.student.operations import MOST_WEIGHTS, Operation


@dataclass(frozen=True)
class ConvolutionSpeed:
    """CPU seconds per multiply-add: of the student's convolution, of plain loops and of one product of matrices, measured one
    after the other in the same sandbox. Claims of the sandboxed side: information, never a score."""

    student: float
    plain_loops: float
    one_product: float


class VisionQuestions(Connection):
    """``depth`` is the number of the model's layers that make the features."""

    def compute_features(self, images: NDArray[np.uint8], *, depth: int, anew: bool) -> None:
        """Have the features of images (n, features) computed once and kept inside."""
        self._question(Operation.FEATURES, {"depth": depth, "anew": anew}, [images], [DONE])

    def train_head_data(self, labels: NDArray[np.int64], *, depth: int) -> None:
        """Let the layers after the features learn from those kept, with these labels (n,); then ``train_slice`` trains them."""
        self._question(Operation.TRAIN_HEAD_DATA, {"depth": depth}, [labels], [DONE])

    def convolution_weights(self) -> NDArray[np.float64]:
        """The weights of all convolutions in the model, in one row, at most ``MOST_WEIGHTS``; empty where there is none."""
        expect = [Expected(np.float64, (None,), MOST_WEIGHTS)]
        (weights,) = self._question(Operation.CONVOLUTION_WEIGHTS, {}, [], expect)
        return weights

    def shuffle_convolutions(self) -> int:
        """Put the weights of the model's convolutions into another order; how many convolutions there are."""
        (count,) = self._question(Operation.SHUFFLE_CONVOLUTIONS, {}, [], [DONE])
        return int(count[0])

    def convolution_parameters(self, convolution: Layer) -> int:
        """How many numbers a fresh convolution learns, as the student's code lists them."""
        (count,) = self._question(Operation.CONVOLUTION_PARAMETERS, convolution, [], [DONE])
        return int(count[0])

    def convolution_speed(self, convolution: Layer, *, side: int) -> ConvolutionSpeed:
        """How fast a convolution over square images of ``side`` is."""
        expect = [Expected(np.float64, (3,), 3)]
        (seconds,) = self._question(Operation.CONVOLUTION_SPEED, {**convolution, "side": side}, [], expect)
        return ConvolutionSpeed(*map(float, seconds))
