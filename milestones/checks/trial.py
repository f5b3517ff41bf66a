"""The way of one model to a measured accuracy on images it has never seen: with supplied weights, or after training in the
sandbox.

Labels of measured images never leave this side. When the platform has the model trained, the classes are renamed by a
derangement (no class keeps its name) and, for dense networks, the pixels are permuted: stored answers become useless.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from milestones import exhibits, reference
from milestones.checks.outcome import accuracy, failed
from milestones.contract import Measurement, Status
from milestones.datasets.data import ImageData
from milestones.lab import LADDER, Lab
from milestones.networks import Network
from milestones.proxy import ModelFacts, Student
from milestones.sandbox.session import StudentFault, StudentSide
from milestones.student.operations import Fault

FIRST_LOOK = LADDER[0]
# A model so slow that a first look at all of these would take this much of the budget is looked at on a few images.
FEW_IMAGES = 20
FIRST_LOOK_SHARE = 0.05
PROBE_IMAGES = 500
# Training images that supplied weights are measured on for comparison, and the part of what is left that this may take.
TRAINING_IMAGES = 1_000
COMPARISON_SHARE = 0.2
TRAINING_LOOKS = 10
SHOWN_MISTAKES = 24
# Of the group's budget, the part that training may take; measuring and margin get the rest. A slow package plans for less
# by the margin: the same work may cost more CPU seconds later, when the neighbours of its core compute as well.
TRAINING_SHARE = 0.6
MARGIN = 1.5
LOOKING_SHARE = 0.1
UNSEEN_ADVANTAGE = 0.03
# A model that reads this many unseen images rightly before any training came with its weights. Among a few images chance
# goes further.
LEARNT_ALREADY = 0.3
LEARNT_ALREADY_OF_FEW = 0.5


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """The standard training: the network, images per step, learning rate of plain SGD, steps. ``reduce`` makes the images
    (n, C, H, W) that the standard network takes out of those of the data set."""

    network: Network
    batch: int
    rate: float
    steps: int
    reduce: Callable[[NDArray[np.uint8]], NDArray[np.uint8]] = lambda images: images


def averaged(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Images (n, C, H, W) with each 2 × 2 pixels averaged: a course-style convolution of loops gets through enough of them."""
    n, channels, height, width = images.shape
    blocks = images.reshape(n, channels, height // 2, 2, width // 2, 2)
    return blocks.mean(axis=(3, 5)).round().astype(np.uint8)


@dataclass(frozen=True)
class View:
    """How images and classes were renamed for one model: predictions are read back through it."""

    pixels: NDArray[np.int64] | None
    classes: NDArray[np.int64]

    def images(self, images: NDArray) -> NDArray:
        return images if self.pixels is None else images[:, self.pixels]

    def labels(self, labels: NDArray[np.int64]) -> NDArray[np.int64]:
        return self.classes[labels]


def derangement(count: int, random: np.random.Generator) -> NDArray[np.int64]:
    """A random permutation of ``count`` >= 2 classes in which no class keeps its name (by rejection, about e tries)."""
    while True:
        names = random.permutation(count)
        if (names != np.arange(count)).all():
            return names


def answers_right(scores: NDArray, labels: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which rows name the right class. A row with NaN or infinity, or with a tie for its maximum, is wrong."""
    finite = np.isfinite(scores).all(axis=1)
    best = np.where(finite, scores.argmax(axis=1), -1)
    top = np.where(finite, scores.max(axis=1, initial=-np.inf), 0.0)
    ties = (scores == top[:, None]).sum(axis=1) > 1
    return finite & ~ties & (best == labels)


class Trial:
    """One model's way from being built to a measured accuracy.

    1. Build; look at a few unseen images: an untrained model must be at chance.
    2. Supplied weights: measure them, on images of slightly changed brightness. Otherwise train: by the student's own
       ``train``, or by the standard recipe, in slices with a look at unseen images in between.
    3. Measure: as many unseen images as the CPU budget allows, more where the mark lies inside the interval.

    What a milestone does in its own way (what is learnt, what the verdict rests on) it overrides: ``train``, ``verdict``.
    """

    #: What the images show, in a report's words.
    things = "images"
    #: Deviation of the noise that is added to images which supplied weights are measured on.
    noise = 0.0

    def __init__(self, student: Student, lab: Lab, recipe: Recipe, data: ImageData) -> None:
        self.student = student
        self.lab = lab
        self.recipe = recipe
        self.data = data
        self.classes = recipe.network.classes
        self.order = lab.random("order of unseen images").permutation(len(data.test_labels))
        self.own_model = False
        self.view = View(None, np.arange(self.classes))
        self.brightness: NDArray[np.float32] | None = None
        self.curve: list[tuple[int, float]] = []
        self.manner = ""
        self.extra: list[Measurement] = []
        self.first_look = FIRST_LOOK
        self.probe_images = PROBE_IMAGES
        self.seconds_each = 0.0

    def run(self, key: str, title: str) -> list[Measurement]:
        before: float | None = None
        try:
            facts = self.student.build(self.recipe.network)
            self.own_model = facts.own_model
            before = self._first_look()
            learnt = LEARNT_ALREADY if self.first_look == FIRST_LOOK else LEARNT_ALREADY_OF_FEW
            supplied = facts.supplied_weights or before > learnt
            if supplied:
                self.use_supplied()
            elif facts.own_train:
                self.train_own(facts)
            elif facts.has_autograd:
                self.train(facts)
            else:
                return [self._cannot_learn(key, title, before)]
            measured = self._measure(key, title, before, supplied=supplied)
        except StudentSide as error:
            if isinstance(error, StudentFault) and error.code == Fault.NO_GRADIENT:
                return [self._cannot_learn(key, title, before)]
            measured = self._not_measurable(key, title, error, before)
        return [*self.extra, measured]

    def _first_look(self) -> float:
        """Accuracy on a first few unseen images, and how long one of them takes; how many is replayed."""
        few = self.order[:FEW_IMAGES]
        rights = [self._look_at(few)[0]]
        # Once more for the time: in its first batch a model may still be making its buffers.
        each = self._seconds_of(lambda: self._look_at(few)) / FEW_IMAGES
        slow = each * FIRST_LOOK > FIRST_LOOK_SHARE * self.student.cpu_seconds_left
        self.first_look = self.lab.settle_exactly("first_look", FEW_IMAGES if slow else FIRST_LOOK)
        if self.first_look > FEW_IMAGES:
            rest = self.order[FEW_IMAGES : self.first_look]
            each = self._seconds_of(lambda: rights.append(self._look_at(rest)[0])) / len(rest)
        self.seconds_each = each
        return float(np.concatenate(rights).mean())

    # -- ways to a trained model -------------------------------------------------------------------------------------

    def use_supplied(self) -> None:
        self.manner = "supplied weights"
        self.brightness = (
            self.lab.random("brightness").uniform(0.9, 1.1, size=len(self.data.test_labels)).astype(np.float32)
        )
        affordable = COMPARISON_SHARE * self.student.cpu_seconds_left / self.seconds_each
        count = self.lab.settle("training_images", affordable, most=TRAINING_IMAGES)
        random = self.lab.random("training images looked at")
        sample = random.choice(len(self.data.train_labels), TRAINING_IMAGES, replace=False)[:count]
        scores = self.student.logits(_scaled(self._flat(self.data.train_images[sample])), classes=self.classes)
        right = int(answers_right(scores, self.data.train_labels[sample]).sum())
        self.extra.append(
            accuracy(
                "training_image_accuracy",
                "Accuracy on training images",
                right=right,
                n=len(sample),
                mark=None,
                message=f"{right / len(sample):.1%} of {len(sample):,} training images, for comparison: a model should not do "
                "better on images that it has never seen.",
            )
        )

    def _rename(self, *, dense_only: bool) -> None:
        random = self.lab.random("derangement")
        features = self.recipe.network.features(own=self.own_model)
        pixels = random.permutation(features) if dense_only else None
        self.view = View(pixels, derangement(self.classes, random))

    def _training_data(self, count: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        chosen = self.lab.random("order of training images").permutation(len(self.data.train_labels))[:count]
        images = np.ascontiguousarray(self.view.images(self._flat(self.data.train_images[chosen])))
        return images, self.view.labels(self.data.train_labels[chosen])

    def train_own(self, facts: ModelFacts) -> None:
        self._rename(dense_only=facts.dense_only)
        self.manner = "your own train()"
        images, labels = self._training_data(len(self.data.train_labels))
        # In whole seconds and replayed: what the loading before it took must not decide how long it trains.
        budget = self.lab.settle_exactly("own_training_seconds", int(self.student.cpu_seconds_left * TRAINING_SHARE))
        self.student.train_own(images, labels, budget=float(max(budget, 1)))

    def train(self, facts: ModelFacts) -> None:
        """The standard recipe in slices; how many steps is settled after a short probe of the speed, then replayed.

        Where the machine became so much slower after the probe that the margin is gone, what was trained by then counts.
        """
        recipe, lab = self.recipe, self.lab
        self._rename(dense_only=facts.dense_only)
        images, labels = self._training_data(min(len(self.data.train_labels), recipe.steps * recipe.batch))
        self.student.train_data(images, labels)
        each_look = self._seconds_of(lambda: self._look(0))
        # In the first step the inside also finds out how the student's loss and optimizer want to be called.
        self._slice(0, 1)
        probe = 10
        each_step = self._seconds_of(lambda: self._slice(1, probe - 1)) / (probe - 1)
        budget = self.student.cpu_seconds_left * TRAINING_SHARE
        # Looks are for show: where predictions are slow, most of the time is for learning.
        looks = min(TRAINING_LOOKS, max(1, int(LOOKING_SHARE * budget / each_look)))
        affordable = (budget - looks * each_look) / each_step
        # The recipe's steps if they fit twice, else what fits with the margin.
        wanted = recipe.steps if affordable >= 2 * recipe.steps else probe + max(int(affordable / MARGIN), 0)
        replayed = lab.is_replay("training_steps")
        steps = lab.settle_exactly("training_steps", min(wanted, recipe.steps))
        done, ends_at = probe, self.student.cpu_seconds_used + budget
        for look in range(1, looks + 1):
            until = max(done, round(steps * look / looks))
            if until > done:
                self._slice(done, until - done)
                done = until
                self._look(done * recipe.batch)
            if not replayed and done < steps and self.student.cpu_seconds_used > ends_at:
                lab.counts["training_steps"] = done
                return

    def _seconds_of(self, work: Callable[[], None]) -> float:
        """CPU seconds that the sandbox takes for ``work``."""
        before = self.student.cpu_seconds_used
        work()
        return max(self.student.cpu_seconds_used - before, 1e-6)

    def _slice(self, first: int, steps: int) -> None:
        _, self.manner = self.student.train_slice(
            first=first,
            steps=steps,
            batch=self.recipe.batch,
            rate=self.recipe.rate,
            order=self.lab.public_seed("order of later passes"),
        )

    def _look(self, images_seen: int) -> None:
        """Loss on unseen images, computed here: the curve is live and can be trusted."""
        probe = self.order[-self.probe_images :]
        scores = self.student.logits(self._inputs(probe), classes=self.classes).astype(np.float64)
        labels = self.view.labels(self.data.test_labels[probe])
        loss = reference.cross_entropy(scores, labels) if np.isfinite(scores).all() else float("inf")
        self.curve.append((images_seen, round(loss, 4) if np.isfinite(loss) else 1e9))
        self.lab.show_curve(exhibits.learning_curve(self.curve))

    # -- measuring ---------------------------------------------------------------------------------------------------

    def _inputs(self, indices: NDArray[np.int64]) -> NDArray[np.float32]:
        images = _scaled(self.view.images(self._flat(self.data.test_images[indices])))
        if self.brightness is None:
            return images
        images = images * self.brightness[indices, None]
        if self.noise:
            images = images + self._noise_of(indices, images.shape[1])
        return np.clip(images, 0.0, 1.0)

    def _noise_of(self, indices: NDArray[np.int64], features: int) -> NDArray[np.float32]:
        """The noise of these images: the same whenever one of them is looked at again."""
        seed = self.lab.public_seed("noise of unseen images")
        rows = [np.random.default_rng((seed, int(i))).normal(0.0, self.noise, features) for i in indices]
        return np.asarray(rows, dtype=np.float32)

    def _flat(self, images: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Images of the data set as this model takes them, (n, features)."""
        images = images if images.ndim == 4 else images[:, None]
        images = images if self.own_model else self.recipe.reduce(images)
        return images.reshape(len(images), -1)

    def _look_at(self, indices: NDArray[np.int64]) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
        """Which of these unseen images are read rightly, and the scores that say so."""
        scores = self.student.logits(self._inputs(indices), classes=self.classes)
        return answers_right(scores, self.view.labels(self.data.test_labels[indices])), scores

    def _measure(self, key: str, title: str, before: float, *, supplied: bool) -> Measurement:
        lab, available = self.lab, len(self.data.test_labels)
        started = self.student.cpu_seconds_used
        first = self._look_at(self.order[: self.first_look])
        each = max((self.student.cpu_seconds_used - started) / self.first_look, 1e-7)
        replayed = lab.is_replay("test_images")
        n = min(lab.settle("test_images", self.student.cpu_seconds_left * 0.8 / each), available)
        if n < 2_000:
            # Few images are a lottery that attempts could be spent on: the draw stays the same for this student and package.
            self.order = lab.student_random("order of unseen images").permutation(available)
            first = self._look_at(self.order[: self.first_look])
        right, scores = self._extend(*first, n)
        mark = lab.mark
        while mark is not None and not replayed and n < min(LADDER[-1], available):
            measured = accuracy(key, title, right=int(right.sum()), n=n, mark=mark, message="")
            more = next(step for step in (*LADDER, available) if step > n)
            if measured.status is not Status.BORDERLINE or self.student.cpu_seconds_left * 0.8 < (more - n) * each:
                break
            right, scores = self._extend(right, scores, more)
            n = lab.counts["test_images"] = more
        labels = self.data.test_labels[self.order[:n]]
        self._exhibit(right, scores, labels)
        return self.verdict(key, title, right, scores, labels, before, supplied=supplied)

    def _extend(self, right: NDArray, scores: NDArray, n: int) -> tuple[NDArray, NDArray]:
        if n <= len(right):
            return right[:n], scores[:n]
        more_right, more_scores = self._look_at(self.order[len(right) : n])
        return np.concatenate([right, more_right]), np.concatenate([scores, more_scores])

    def verdict(
        self, key: str, title: str, right: NDArray, scores: NDArray, labels: NDArray, before: float, *, supplied: bool
    ) -> Measurement:
        n, share = len(right), float(right.mean())
        predicted = self._predicted(scores)
        counts = np.bincount(predicted[predicted >= 0], minlength=self.classes)
        evidence: dict[str, Any] = {
            "manner": self.manner,
            "supplied": supplied,
            "accuracy_before": round(before, 4),
            "training_steps": self.lab.counts.get("training_steps"),
            "classes_predicted": int((counts > 0).sum()),
            "not_finite": int((~np.isfinite(scores).all(axis=1)).sum()),
            "curve_end": self.curve[-1][1] if self.curve else None,
        }
        if supplied:
            seen = self.extra[-1].value or 0.0
            evidence["training_image_accuracy"] = round(seen, 4)
            evidence["better_on_unseen"] = share > seen + UNSEEN_ADVANTAGE
        measured = accuracy(key, title, right=int(right.sum()), n=n, mark=self.lab.mark, message="", evidence=evidence)
        interval = f"95 % interval {measured.low:.1%} to {measured.high:.1%}"
        words = f"{share:.2%} of {n:,} unseen {self.things} ({interval}), with {self.manner}."
        if measured.status is Status.BORDERLINE:
            words += f" The mark {self.lab.mark:.0%} lies inside the interval: a person decides."
        return replace(measured, message=words)

    def _predicted(self, scores: NDArray) -> NDArray[np.int64]:
        """Predicted classes under their true names; -1 where the row is not finite."""
        back = np.argsort(self.view.classes)
        return np.where(np.isfinite(scores).all(axis=1), back[scores.argmax(axis=1)], -1)

    def _exhibit(self, right: NDArray, scores: NDArray, labels: NDArray) -> None:
        predicted = self._predicted(scores)
        matrix = np.zeros((self.classes, self.classes), dtype=int)
        known = predicted >= 0
        np.add.at(matrix, (labels[known], predicted[known]), 1)
        names = self.data.class_names
        self.lab.exhibit(
            exhibits.confusion_matrix("confusion", f"Which {self.things} are taken for which?", matrix, names)
        )
        if len(self.curve) > 1:
            self.lab.exhibit(exhibits.learning_curve(self.curve))
        wrong = np.flatnonzero(~right)[:SHOWN_MISTAKES]
        if len(wrong):
            images = self.data.test_images[self.order[wrong]]
            self.lab.exhibit(
                exhibits.image_grid(
                    "mistakes",
                    f"Which {self.things} were read wrongly?",
                    images if images.ndim == 4 else images[:, None],
                    true=[names[labels[i]] for i in wrong],
                    read_as=[names[predicted[i]] if predicted[i] >= 0 else "" for i in wrong],
                )
            )

    # -- no measurement ----------------------------------------------------------------------------------------------

    def _cannot_learn(self, key: str, title: str, before: float | None) -> Measurement:
        return Measurement(
            key=key,
            title=title,
            kind="accuracy",
            status=Status.MISSING,
            passed=False,
            message="The package has no autograd to train with and no trained weights were supplied; add weights/*.npz, "
            "or a submission.py whose build_model() returns the trained model.",
            evidence={"accuracy_before": before, "no_way_to_learn": True},
        )

    def _not_measurable(self, key: str, title: str, error: StudentSide, before: float | None) -> Measurement:
        measurement = failed(key, title, error, kind="accuracy")
        evidence = {**measurement.evidence, "accuracy_before": before, "manner": self.manner}
        return replace(measurement, evidence=evidence)


def _scaled(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    return images.astype(np.float32) / np.float32(255)
