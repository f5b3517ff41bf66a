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


def mnist_accuracy_of(recipe: Recipe) -> Check:
    """The check that measures the assessed model on MNIST test images, after training it where no weights are supplied."""

    @check("mnist_accuracy", "Accuracy on unseen MNIST digits")
    def mnist_accuracy(student: Student, lab: Lab) -> list[Measurement]:
        return DigitTrial(student, lab, recipe, lab.mnist()).run("mnist_accuracy", mnist_accuracy.title)

    return mnist_accuracy
