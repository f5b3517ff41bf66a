"""Whether a convolutional network learns CIFAR-10 with the student's layers, loss, autograd and optimizer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from milestones import exhibits, reference
from milestones.checks.outcome import check, failed, not_run, statement
from milestones.checks.trial import MARGIN, PROBE_IMAGES, Recipe, Trial, answers_right
from milestones.contract import Check, Exhibit, Measurement, Status
from milestones.intervals import Z_95, wilson
from milestones.lab import Lab
from milestones.proxy import ModelFacts, Student
from milestones.sandbox.session import StudentSide

LOOKS = 5
# 99 % quantile of the standard normal distribution: a one-sided bound.
Z_99_ONE_SIDED = 2.3263478740408408
CHANCE_LOSS = float(np.log(10))
LEAST_ACCURACY = 0.15
# Loss on unseen images above that on training images, in nats, from which on a network has learnt by heart.
LARGEST_GAP = 0.35
# What loops reach within their budget, on a busy machine too: how fast a package is does not count here. The way to it from the
# loss of chance earns the points.
GOOD_LOSS = 2.2
# Of what is left of the budget, the part that is planned with; a slow package plans with the margin of ``Trial`` as well, and
# spends at most a fifth on looks in between.
PLANNED_SHARE = 0.9
LOOKING_SHARE = 0.2

TITLES = {
    "cifar10_convergence": "CIFAR-10: it converges",
    "cifar10_progress": "CIFAR-10: how far the loss falls",
    "loss_falls": "The loss on unseen images falls during training",
    "training_gap": "Unseen images are read about as well as training images",
}


@dataclass(frozen=True)
class Look:
    """What the model said to the probe after some training, and at the end to as many training images."""

    images_seen: int
    losses: NDArray[np.float64]
    right: NDArray[np.bool_]
    training_losses: NDArray[np.float64] | None

    @property
    def loss(self) -> float:
        return float(self.losses.mean())

    @property
    def upper(self) -> float:
        """The upper 99 % bound of the mean loss on unseen images."""
        return self.loss + Z_99_ONE_SIDED * float(self.losses.std(ddof=1)) / np.sqrt(len(self.losses))

    @property
    def accuracy(self) -> float:
        return float(self.right.mean())

    @property
    def lower_accuracy(self) -> float:
        return wilson(int(self.right.sum()), len(self.right), Z_95)[0]

    @property
    def training_loss(self) -> float:
        return float("nan") if self.training_losses is None else float(self.training_losses.mean())

    @property
    def gap(self) -> float:
        return self.loss - self.training_loss

    @property
    def converged(self) -> bool:
        """The rule; NaN never passes."""
        return bool(self.upper < CHANCE_LOSS and self.lower_accuracy > LEAST_ACCURACY)


def cifar10_convergence_of(recipe: Recipe) -> Check:
    """The check that a network learns CIFAR-10 from its start, in slices between which the grader looks."""

    @check(
        "cifar10_convergence",
        TITLES["cifar10_convergence"],
        also=tuple(key for key in TITLES if key != "cifar10_convergence"),
    )
    def cifar10_convergence(student: Student, lab: Lab) -> list[Measurement]:
        return Convergence(student, lab, recipe, lab.cifar10()).measurements()

    return cifar10_convergence


class Convergence(Trial):
    """A trial of learning and not of what is known: weights that were supplied start the training like any others, under
    class names that they have never seen. The verdict rests on the last of at most five looks at 500 unseen images."""

    things = "photographs"

    def measurements(self) -> list[Measurement]:
        """The verdict, the progress, the shape of the curve and the gap, in this order."""
        self.looks: list[Look] = []
        self.words = "After"
        try:
            facts = self.student.build(self.recipe.network)
            self.own_model = facts.own_model
            if facts.own_train:
                # How many of them it looks at, and how often, is its own affair.
                self.words = "Given"
                self._rename(dense_only=False)
                self._look(0)
                self.train_own(facts)
                self._look(len(self.data.train_labels), last=True)
            else:
                self.train(facts)
        except StudentSide as error:
            return self._without_verdict(error)
        finally:
            self._show()
        return [self._verdict(), self._progress(), self._fall(), self._gap()]

    def train(self, facts: ModelFacts) -> None:
        """The standard recipe in four slices; how many steps is settled after a short probe of the speed, then replayed."""
        recipe, lab, student = self.recipe, self.lab, self.student
        self._rename(dense_only=False)
        images, labels = self._training_data(recipe.steps * recipe.batch)
        student.train_data(images, labels)
        each_look = self._seconds_of(lambda: self._look(0))
        # In the first step the inside also finds out how the student's loss and optimizer want to be called.
        self._slice(0, 1)
        probe = 4
        each_step = self._seconds_of(lambda: self._slice(1, probe - 1)) / (probe - 1)
        budget = student.cpu_seconds_left * PLANNED_SHARE
        looks = min(LOOKS - 1, max(1, int(LOOKING_SHARE * budget / each_look)))
        # The last look is a double one.
        affordable = (budget - (looks + 1) * each_look) / each_step
        wanted = recipe.steps if affordable >= 2 * recipe.steps else probe + max(int(affordable / MARGIN), 0)
        replayed = lab.is_replay("cifar10_steps")
        steps = lab.settle_exactly("cifar10_steps", min(wanted, recipe.steps))
        looks = lab.settle_exactly("cifar10_looks", looks)
        done, ends_at = probe, student.cpu_seconds_used + budget - 3 * each_look
        for look in range(1, looks + 1):
            until = max(done, round(steps * look / looks))
            if until > done:
                self._slice(done, until - done)
                done = until
            late = not replayed and student.cpu_seconds_used > ends_at
            if late:
                # What was trained by then counts; a replay goes as far.
                lab.counts |= {"cifar10_steps": done, "cifar10_looks": look}
            self._look(done * recipe.batch, last=late or look == looks)
            if late:
                return

    def _look(self, images_seen: int, *, last: bool = False) -> None:
        """Losses on unseen images, and at last on training images, computed here: the curve is live and can be trusted."""
        unseen = self.order[:PROBE_IMAGES]
        labels = self.view.labels(self.data.test_labels[unseen])
        scores = self.student.logits(self._inputs(unseen), classes=self.classes).astype(np.float64)
        look = Look(
            images_seen,
            _losses(scores, labels),
            answers_right(scores, labels),
            self._training_losses(images_seen) if last else None,
        )
        self.looks.append(look)
        self.lab.show_curve(self._losses_seen())

    def _training_losses(self, images_seen: int) -> NDArray[np.float64]:
        """Losses of images that it has learnt from: the first ones, of which it has seen at least a part."""
        chosen = self.lab.random("order of training images").permutation(len(self.data.train_labels))
        chosen = chosen[: min(PROBE_IMAGES, max(images_seen, 2))]
        images = self.view.images(self._flat(self.data.train_images[chosen])).astype(np.float32) / np.float32(255)
        scores = self.student.logits(images, classes=self.classes).astype(np.float64)
        return _losses(scores, self.view.labels(self.data.train_labels[chosen]))

    # -- what was found out ------------------------------------------------------------------------------------------

    def _verdict(self) -> Measurement:
        last, n = self.looks[-1], PROBE_IMAGES
        words = (
            f"{self.words} {last.images_seen:,} images the mean loss on {n} unseen photographs is {last.loss:.3f}, with an upper "
            f"99 % bound of {last.upper:.3f} (chance is {CHANCE_LOSS:.3f}), and {last.accuracy:.1%} are read rightly, with a "
            f"lower bound of {last.lower_accuracy:.1%} (to be above {LEAST_ACCURACY:.0%}); with {self.manner}."
        )
        return Measurement(
            key="cifar10_convergence",
            title=TITLES["cifar10_convergence"],
            kind="share",
            status=Status.PASSED if last.converged else Status.WRONG,
            value=float(last.converged),
            n=n,
            passed=last.converged,
            message=words,
            evidence={
                "manner": self.manner,
                "training_steps": self.lab.counts.get("cifar10_steps"),
                "loss_before": _finite(self.looks[0].loss),
                "loss": _finite(last.loss),
                "upper_bound": _finite(last.upper),
                "accuracy": last.accuracy,
                "accuracy_lower_bound": last.lower_accuracy,
                "accuracy_before": self.looks[0].accuracy,
                "images_seen": last.images_seen,
                "looks": len(self.looks),
                "not_finite": int((~np.isfinite(last.losses)).sum()),
            },
        )

    def _progress(self) -> Measurement:
        """The share of the way from the loss of chance to a good one."""
        loss = self.looks[-1].loss
        share = (CHANCE_LOSS - loss) / (CHANCE_LOSS - GOOD_LOSS) if np.isfinite(loss) else 0.0
        share = min(max(share, 0.0), 1.0)
        return Measurement(
            key="cifar10_progress",
            title=TITLES["cifar10_progress"],
            kind="share",
            status=Status.PASSED if share == 1 else Status.PARTIAL if share else Status.WRONG,
            value=round(share, 4),
            passed=share == 1,
            message=f"{share:.0%} of the way from chance ({CHANCE_LOSS:.2f}) to {GOOD_LOSS:.2f}.",
        )

    def _fall(self) -> Measurement:
        """Whether the loss on the same images is lower at the end, by more than three standard errors of the difference."""
        first, last = self.looks[0], self.looks[-1]
        difference = first.losses - last.losses
        error = float(difference.std(ddof=1)) / np.sqrt(len(difference))
        # A fall from a senseless height to the height of guessing is no learning.
        above_chance = not last.loss < CHANCE_LOSS
        fell = bool(difference.mean() > 3 * error) and not above_chance
        words = f", no better than the {CHANCE_LOSS:.3f} of guessing" if above_chance else ""
        return statement(
            "loss_falls",
            TITLES["loss_falls"],
            right=fell,
            message=f"From {first.loss:.3f} before training to {last.loss:.3f}{words}, "
            f"a fall of {difference.mean():.3f} ± {error:.3f}.",
            evidence={"curve": [[look.images_seen, _finite(look.loss)] for look in self.looks]},
        )

    def _gap(self) -> Measurement:
        last = self.looks[-1]
        learnt = bool(last.training_loss < CHANCE_LOSS)
        right = bool(learnt and abs(last.gap) <= LARGEST_GAP)
        words = f"{last.loss:.3f} on unseen and {last.training_loss:.3f} on training images"
        return statement(
            "training_gap",
            TITLES["training_gap"],
            right=right,
            message=f"{words}: a gap of {last.gap:.3f} nats."
            if learnt
            else f"{words}: nothing was learnt to be compared.",
            evidence={"gap": _finite(last.gap), "learnt": learnt, "largest": LARGEST_GAP},
        )

    def _without_verdict(self, error: StudentSide) -> list[Measurement]:
        key = "cifar10_convergence"
        reason = "the training did not come to its end"
        return [
            failed(key, TITLES[key], error),
            *(not_run(other, title, reason) for other, title in TITLES.items() if other != key),
        ]

    def _losses_seen(self) -> Exhibit:
        """The curve so far. Shown live while it grows, and kept at the end."""
        series = {
            "Unseen images": [(look.images_seen, look.loss) for look in self.looks],
            "Upper 99 % bound": [(look.images_seen, look.upper) for look in self.looks],
        }
        if self.looks[-1].training_losses is not None:
            last = self.looks[-1]
            series["Training images, at the end"] = [(last.images_seen, last.training_loss)]
        return exhibits.curve(
            "training_dynamics",
            "Does the loss fall, and does it fall on unseen images as well?",
            series,
            x_title="Images seen in training",
            y_title="Mean loss (nats)",
            reference=("Guessing", CHANCE_LOSS),
        )

    def _show(self) -> None:
        if len(self.looks) < 2:
            return
        self.lab.exhibit(self._losses_seen())
        self.lab.exhibit(
            exhibits.curve(
                "training_accuracy",
                "How many unseen photographs are read rightly?",
                {
                    "Accuracy": [(look.images_seen, look.accuracy) for look in self.looks],
                    "Lower 95 % bound": [(look.images_seen, look.lower_accuracy) for look in self.looks],
                },
                x_title="Images seen in training",
                y_title="Share read rightly",
                reference=("To be above", LEAST_ACCURACY),
            )
        )


def _losses(scores: NDArray[np.float64], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """The loss of every image. Scores that are probabilities already are taken as such; what is not finite stays so."""
    if (scores >= 0).all() and np.allclose(scores.sum(axis=1), 1.0, atol=1e-3):
        return -np.log(np.maximum(scores[np.arange(len(labels)), labels], 1e-7))
    return reference.cross_entropies(scores, labels)


def _finite(value: float) -> float | str:
    return value if np.isfinite(value) else str(value)
