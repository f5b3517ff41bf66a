"""Classification accuracy on images the student has never seen."""

from __future__ import annotations

import numpy as np

from milestones.checks.outcome import check
from milestones.checks.trial import Recipe, Trial
from milestones.contract import Check, Measurement
from milestones.lab import Lab
from milestones.networks import Network
from milestones.proxy import Student
from milestones.sandbox.session import StudentSide

# CPU seconds for one image of the standard network: vectorised layers take a hundredth of it.
SLOW_IMAGE = 0.05


class DigitTrial(Trial):
    """A trial on MNIST."""

    things = "digits"


class PhotographTrial(Trial):
    """A trial on CIFAR-10. Photographs bear a little noise. On 5,000 of them it cost a network of 87 % 0.1 point at this
    deviation, 1.1 points at 0.02, which would have failed models that reach the mark; the change of brightness cost nothing."""

    things = "photographs"
    noise = 0.01


def mnist_accuracy_of(recipe: Recipe) -> Check:
    """The check that measures the assessed model on MNIST test images, after training it where no weights are supplied."""

    @check("mnist_accuracy", "Accuracy on unseen MNIST digits")
    def mnist_accuracy(student: Student, lab: Lab) -> list[Measurement]:
        return DigitTrial(student, lab, recipe, lab.mnist()).run("mnist_accuracy", mnist_accuracy.title)

    return mnist_accuracy


def cifar10_accuracy_of(recipe: Recipe, *, of_slow: Recipe) -> Check:
    """The same on CIFAR-10 test images. A package that brings no model and is too slow for ``recipe`` is trained by
    ``of_slow``."""

    @check("cifar10_accuracy", "Accuracy on unseen CIFAR-10 photographs")
    def cifar10_accuracy(student: Student, lab: Lab) -> list[Measurement]:
        chosen = of_slow if _is_slow(student, lab, recipe.network) else recipe
        return PhotographTrial(student, lab, chosen, lab.cifar10()).run("cifar10_accuracy", cifar10_accuracy.title)

    return cifar10_accuracy


def _is_slow(student: Student, lab: Lab, network: Network) -> bool:
    """Whether the standard network, made of the student's layers, takes longer than an image may; what was found is replayed."""
    try:
        facts = student.build(network)
        blank = np.zeros((2, network.features(own=facts.own_model)), dtype=np.float32)
        seconds, _ = student.seconds_of(lambda: student.logits(blank, raw=True))
    except StudentSide:
        # What is wrong with it, the trial says.
        return False
    return bool(lab.settle_exactly("slow_package", int(not facts.own_model and seconds / 2 > SLOW_IMAGE)))
