"""Classification accuracy on images the student has never seen."""

from __future__ import annotations

from milestones.checks.outcome import check
from milestones.checks.trial import Recipe, Trial
from milestones.contract import Check, Measurement
from milestones.lab import Lab
from milestones.proxy import Student


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


def cifar10_accuracy_of(recipe: Recipe) -> Check:
    """The same on CIFAR-10 test images."""

    @check("cifar10_accuracy", "Accuracy on unseen CIFAR-10 photographs")
    def cifar10_accuracy(student: Student, lab: Lab) -> list[Measurement]:
        return PhotographTrial(student, lab, recipe, lab.cifar10()).run("cifar10_accuracy", cifar10_accuracy.title)

    return cifar10_accuracy
