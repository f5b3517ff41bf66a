"""Accuracy that rests on a convolution: of a standard network trained by a recipe that even seven nested loops can pay for, or
of the student's own model."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from milestones.checks.accuracy import DigitTrial
from milestones.checks.outcome import check, not_run, sentence_of, statement
from milestones.checks.trial import LOOKING_SHARE, MARGIN, Recipe
from milestones.contract import Check, Measurement
from milestones.lab import Lab
from milestones.proxy import ModelFacts, Student
from milestones.sandbox.session import StudentFault

# A convolution whose weights differ by less than this from what they started as, relative to their size, was not trained.
# The standard recipe moves them by about a half.
MOVED = 0.01
TRAINED = "The convolution is trained"
# Shuffling the weights of a convolution that matters costs at least so much accuracy.
ACTS = 0.1
# Sizes that the number of feature images may settle on, and of the budget what each part of the training may take. What
# features cost is measured, and half of what could be paid for is left as a margin for a busier machine.
FEATURE_LADDER = (500, 1_000, 2_000, 5_000, 7_500, 10_000, 15_000, 20_000, 30_000, 40_000)
JOINT_SHARE = 0.3
FEATURE_SHARE = 0.85
HEAD_SHARE = 0.3
FEATURE_MARGIN = 2.0
CHUNK = 500
MEASURED_AT_LEAST = 2_000
MEASURING_SHARE = 0.3
# Looks during training are for show: where predictions are slow, at fewer images.
PROBE_SHARE = 0.02
FEW_PROBE_IMAGES = 100
FEWEST_HEAD_STEPS = 600


@dataclass(frozen=True, kw_only=True)
class FeatureRecipe(Recipe):
    """A training in three parts, in which every image costs the convolution little.

    1. The whole network learns ``steps`` steps of ``batch`` from ``joint_images`` images.
    2. Its first ``depth`` layers compute the features of up to ``feature_images`` further images once.
    3. The layers after them learn from these features: at most ``head_steps`` steps of ``head_batch``, and at most
       ``head_passes`` passes, first at ``head_rate``, the last third at ``last_rate``.

    A student's own model without a train() learns as a whole instead: ``own_steps`` steps of ``own_batch``, if they fit.
    """

    depth: int
    joint_images: int
    feature_images: int
    head_batch: int
    head_rate: float
    last_rate: float
    head_passes: int
    head_steps: int
    own_batch: int
    own_steps: int


class ConvolutionTrial(DigitTrial):
    """A trial whose model has a convolution, and an answer to whether that convolution was trained."""

    noise = 0.02
    recipe: FeatureRecipe

    def run(self, key: str, title: str) -> list[Measurement]:
        results = super().run(key, title)
        if all(result.key != "convolution_trained" for result in results):
            # Looked up by the benchmark: that it was not found out has to be said.
            results.insert(0, not_run("convolution_trained", TRAINED, "the model could not be trained"))
        return results

    # -- ways to a trained model -------------------------------------------------------------------------------------

    def use_supplied(self) -> None:
        super().use_supplied()
        self._watch_shuffled()

    def train_own(self, facts: ModelFacts) -> None:
        before = self.student.convolution_weights()
        super().train_own(facts)
        self._note_moved(before)

    def train(self, facts: ModelFacts) -> None:
        """The recipe in three parts; how much of each is settled after a probe of the speed, then replayed."""
        before = self.student.convolution_weights()
        if facts.own_model:
            self.recipe = replace(self.recipe, batch=self.recipe.own_batch, steps=self.recipe.own_steps)
            super().train(facts)
            self._note_moved(before)
            return
        recipe = self.recipe
        if self.seconds_each * self.probe_images > PROBE_SHARE * self.student.cpu_seconds_left:
            self.probe_images = FEW_PROBE_IMAGES
        self._rename(dense_only=False)
        available = len(self.data.train_labels)
        images, labels = self._training_data(min(available, recipe.joint_images + recipe.feature_images))
        joint, rest = images[: recipe.joint_images], images[recipe.joint_images :]
        obstacle = self._train_together(joint, labels[: len(joint)])
        self._note_moved(before, obstacle)
        count = self._keep_features(rest)
        self._train_head(labels[len(joint) : len(joint) + count])

    def _train_together(self, images: NDArray[np.uint8], labels: NDArray[np.int64]) -> str:
        """Part 1; why it could not be done, where the network does not go backward as a whole."""
        recipe, student = self.recipe, self.student
        try:
            student.train_data(images, labels)
            each_look = self._seconds_of(lambda: self._look(0))
            self._slice(0, 1)
            probe = 10
            each_step = self._seconds_of(lambda: self._slice(1, probe - 1)) / (probe - 1)
            affordable = int(student.cpu_seconds_left * JOINT_SHARE / each_step / MARGIN)
            steps = self.lab.settle_exactly("joint_steps", min(recipe.steps, probe + affordable))
            self._in_looks(
                probe, steps, each_look, most=2, train=self._slice, images_of=lambda done: done * recipe.batch
            )
        except StudentFault as fault:
            # The sandbox lives on, but the model may be half changed.
            student.build(recipe.network)
            return sentence_of(fault)
        return ""

    def _keep_features(self, images: NDArray[np.uint8]) -> int:
        """Part 2, in chunks; of how many images the features were computed."""
        student, lab, recipe = self.student, self.lab, self.recipe
        compute = functools.partial(student.compute_features, depth=recipe.depth)
        probe = min(self.first_look, len(images))
        each = self._seconds_of(lambda: compute(images[:probe], anew=True)) / probe
        reserve = min(MEASURED_AT_LEAST * each, student.cpu_seconds_left * MEASURING_SHARE)
        affordable = (student.cpu_seconds_left * FEATURE_SHARE - reserve) / each / FEATURE_MARGIN
        fitting = [step for step in FEATURE_LADDER if step <= min(affordable, len(images))]
        replayed = lab.is_replay("feature_images")
        count = min(lab.settle_exactly("feature_images", fitting[-1] if fitting else FEATURE_LADDER[0]), len(images))
        done, ends_at = probe, student.cpu_seconds_used + student.cpu_seconds_left * FEATURE_SHARE - reserve
        while done < count:
            until = min(done + CHUNK, count)
            compute(images[done:until], anew=False)
            done = until
            if not replayed and student.cpu_seconds_used > ends_at:
                lab.counts["feature_images"] = done
                break
        return done

    def _train_head(self, labels: NDArray[np.int64]) -> None:
        """Part 3, fast and then slow: each with an optimizer of its own, for its rate is given when it is made."""
        recipe, student = self.recipe, self.student
        together = f"{self.manner}; " if self.manner else ""
        student.train_head_data(labels, depth=recipe.depth)
        each_look = self.seconds_each * self.probe_images
        first = functools.partial(self._head_slice, rate=recipe.head_rate)
        first(0, 1)
        probe = 20
        each_step = self._seconds_of(lambda: first(1, probe - 1)) / (probe - 1)
        passes = recipe.head_passes * len(labels) // recipe.head_batch
        wanted = min(max(passes, FEWEST_HEAD_STEPS), recipe.head_steps)
        affordable = int(student.cpu_seconds_left * HEAD_SHARE / each_step / MARGIN)
        steps = self.lab.settle_exactly("head_steps", min(wanted, probe + affordable))
        turning = max(probe, steps * 2 // 3)
        self._in_looks(probe, turning, each_look, most=3, train=first, images_of=self._seen)
        student.train_head_data(labels, depth=recipe.depth)
        last = functools.partial(self._head_slice, rate=recipe.last_rate)
        self._in_looks(turning, steps, each_look, most=2, train=last, images_of=self._seen)
        self.manner = f"{together}the head on your convolution's features of {len(labels):,} images"

    def _seen(self, head_steps: int) -> int:
        """Images seen after so many steps of the head, those of part 1 included."""
        return self.lab.counts.get("joint_steps", 0) * self.recipe.batch + head_steps * self.recipe.head_batch

    def _head_slice(self, first: int, steps: int, *, rate: float) -> None:
        self.student.train_slice(
            first=first,
            steps=steps,
            batch=self.recipe.head_batch,
            rate=rate,
            order=self.lab.public_seed("order of later passes"),
        )

    def _in_looks(self, done: int, steps: int, each_look: float, *, most: int, train: Any, images_of: Any) -> None:
        """Train from step ``done`` to ``steps``, with as many looks at unseen images as their cost allows."""
        looks = min(most, max(1, int(LOOKING_SHARE * self.student.cpu_seconds_left / each_look)))
        start = done
        for look in range(1, looks + 1):
            until = start + round((steps - start) * look / looks)
            if until > done:
                train(done, until - done)
                done = until
                self._look(images_of(done))

    # -- was the convolution trained? --------------------------------------------------------------------------------

    def _note_moved(self, before: NDArray[np.float64], obstacle: str = "") -> None:
        after = self.student.convolution_weights()
        if not before.size:
            self._note(False, "The model has no convolution.", {"convolutions": 0})
            return
        size = float(np.linalg.norm(before))
        same = before.shape == after.shape
        moved = float(np.linalg.norm(after - before)) / max(size, 1e-12) if same else float("nan")
        right = bool(MOVED < moved < float("inf"))
        words = f"The weights of the convolution moved by {moved:.1%} of their size in training."
        if not right:
            words = (
                f"The weights of the convolution stayed as they were in training (moved by {moved:.2%} of their size)."
            )
        if obstacle:
            words += f" The network as a whole could not be trained: {obstacle}."
        evidence = {"moved": moved if np.isfinite(moved) else str(moved), "weights": int(before.size)}
        self._note(right, words, evidence | ({"obstacle": obstacle} if obstacle else {}))

    def _watch_shuffled(self) -> None:
        """Supplied weights are not trained here: does the model at least do worse with its convolution's weights in another
        order?"""
        some = self.order[: self.first_look]
        before = float(self._look_at(some)[0].mean())
        count = self.student.shuffle_convolutions()
        if count < 1:
            self._note(False, "The model has no convolution.", {"convolutions": 0, "supplied": True})
            return
        after = float(self._look_at(some)[0].mean())
        self.student.build(self.recipe.network)
        words = (
            f"The supplied convolution acts: with its weights in another order accuracy falls from {before:.0%} to {after:.0%}."
            if before - after >= ACTS
            else f"The supplied convolution hardly acts: with its weights in another order accuracy is {after:.0%}, before "
            f"{before:.0%}."
        )
        evidence = {"convolutions": count, "accuracy": before, "accuracy_shuffled": after, "supplied": True}
        self._note(before - after >= ACTS, words, evidence)

    def _note(self, right: bool, message: str, evidence: dict[str, Any]) -> None:
        self.extra.append(statement("convolution_trained", TRAINED, right=right, message=message, evidence=evidence))

    # -- verdict -----------------------------------------------------------------------------------------------------

    def verdict(self, *arguments: Any, **more: Any) -> Measurement:
        measured = super().verdict(*arguments, **more)
        names = ("joint_steps", "feature_images", "head_steps")
        return replace(measured, evidence={**measured.evidence, **{name: self.lab.counts.get(name) for name in names}})


def convolution_accuracy_of(recipe: FeatureRecipe) -> Check:
    """The check that measures a model with a convolution on MNIST test images, and whether that convolution was trained
    (``convolution_trained``)."""

    @check("mnist_accuracy", "Accuracy on unseen MNIST digits", also=("convolution_trained",))
    def mnist_accuracy(student: Student, lab: Lab) -> list[Measurement]:
        return ConvolutionTrial(student, lab, recipe, lab.mnist()).run("mnist_accuracy", mnist_accuracy.title)

    return mnist_accuracy
