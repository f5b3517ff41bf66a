"""The promise of the interval: in at least 90 of 100 draws it covers what the same model reaches on all images."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import pytest

from milestones import registry
from milestones.catalog import samples
from milestones.catalog.basic_inference.evaluation import RECIPE
from milestones.checks.accuracy import DigitTrial
from milestones.contract import Measurement
from milestones.datasets.store import open_store
from milestones.evaluate import evaluate
from milestones.lab import Lab
from milestones.proxy import ModelFacts

MILESTONE = registry.get(1)
FACTS = ModelFacts(
    parameter_count=50_890,
    parameter_arrays=4,
    own_model=True,
    supplied_weights=True,
    own_train=False,
    dense_only=True,
    has_autograd=False,
    used_sequential=True,
    structure="",
)


class FixedModel:
    """A sample's trained network, answering as the sandbox would, without one: what is tested is the drawing."""

    cpu_seconds_used = 0.0
    cpu_seconds_left = 100.0

    def __init__(self, sample: str) -> None:
        with np.load(MILESTONE.folder / "samples" / sample / "weights" / "mnist_mlp.npz", allow_pickle=False) as held:
            self._parameters = [
                held[name] for name in ("hidden_weights", "hidden_bias", "output_weights", "output_bias")
            ]

    def build(self, network) -> ModelFacts:
        return FACTS

    def logits(self, images, *, classes: int = 10, raw: bool = False):
        weights, bias, output_weights, output_bias = self._parameters
        return np.maximum(images @ weights + bias, 0) @ output_weights + output_bias

    def share_right(self, images, labels) -> float:
        scores = self.logits(images.reshape(len(images), -1).astype(np.float32) / np.float32(255))
        return float((scores.argmax(axis=1) == labels).mean())


@pytest.fixture(scope="module", params=["weak_weights", "forward_only"])
def model(request) -> FixedModel:
    return FixedModel(request.param)


@pytest.fixture(scope="module")
def digits(request):
    return open_store().mnist()


def covering(measured: Iterable[Measurement], truth: float) -> int:
    return sum(found.low <= truth <= found.high for found in measured)


def draw(model: FixedModel, digits, *, n: int, seed: int = 7, identity: bytes = b"") -> Measurement:
    lab = Lab(seed=seed, datasets=open_store(), identity=identity, counts={"test_images": n})
    found = DigitTrial(model, lab, RECIPE, digits).run("mnist_accuracy", "Accuracy")[-1]
    assert found.n == n
    return found


def test_the_interval_covers_the_full_accuracy_in_at_least_90_of_100_seeds(model, digits):
    truth = model.share_right(digits.test_images, digits.test_labels)
    measured = [draw(model, digits, n=2_000, seed=seed) for seed in range(100)]
    assert covering(measured, truth) >= 90
    assert len({found.value for found in measured}) > 10


def test_the_interval_of_a_small_draw_covers_it_for_at_least_90_of_100_students(model, digits):
    """Below 2,000 images every student has one draw for all attempts, so it is students that vary."""
    truth = model.share_right(digits.test_images, digits.test_labels)
    measured = [draw(model, digits, n=1_000, identity=f"student {number}".encode()) for number in range(100)]
    assert covering(measured, truth) >= 90
    assert len({found.value for found in measured}) > 10


def test_the_interval_covers_it_in_real_evaluations_too(tmp_path):
    model, digits = FixedModel("weak_weights"), open_store().mnist()
    truth = model.share_right(digits.test_images, digits.test_labels)
    path = samples.materialise(MILESTONE.folder / "samples" / "weak_weights", tmp_path / "package")
    asked = replace(MILESTONE, groups=tuple(group for group in MILESTONE.groups if group.key == "mnist"))
    results = [evaluate(asked, path, seed=seed, counts={"test_images": 2_000}) for seed in range(5)]
    measured = [next(m for m in result.measurements if m.key == "mnist_accuracy") for result in results]
    assert covering(measured, truth) >= 4
    assert len({found.value for found in measured}) > 1
