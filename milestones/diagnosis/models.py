"""Mistakes in whole models and in what they start from."""

from __future__ import annotations

from collections.abc import Mapping

from milestones.contract import Measurement, Status
from milestones.diagnosis.catalogue import Found, cause, evidence_of, evidence_of_headline


@cause(
    "no_nonlinearity",
    "Put an activation such as ReLU between two dense layers. Without one, any number of dense layers is a single linear map, "
    "which MNIST accuracy alone can't show: a linear model reaches about 91 %.",
)
def _no_nonlinearity(m: Mapping[str, Measurement]) -> Found:
    check = m.get("hidden_nonlinearity")
    if check is None or check.status is not Status.WRONG or "affinity_gap" not in check.evidence:
        return None
    return f"The model has no hidden layer with a non-linearity. {check.message}", dict(check.evidence)


@cause(
    "weights_start_equal",
    "Draw initial weights at random (for example normal with deviation sqrt(2 / (inputs + outputs))): units that start equal "
    "stay equal.",
)
def _weights_start_equal(m: Mapping[str, Measurement]) -> Found:
    wrong = evidence_of(m, "initial_weights").get("wrong", [])
    if "not all equal" not in wrong and "columns differ" not in wrong:
        return None
    return "A fresh dense layer gives every unit the same weights.", dict(evidence_of(m, "initial_weights"))


@cause(
    "initial_weights_too_large",
    "Scale the initial weights with the layer's width, for example by sqrt(2 / (inputs + outputs)).",
)
def _initial_weights_too_large(m: Mapping[str, Measurement]) -> Found:
    evidence = evidence_of(m, "initial_weights")
    spread, usual = evidence.get("spread"), evidence.get("usual_spread")
    if not isinstance(spread, float) or not usual or spread <= 3 * usual:
        return None
    return f"Initial weights are spread {spread / usual:.1f} times as wide as usual for this size.", dict(evidence)


@cause(
    "no_way_to_learn",
    "Train the model elsewhere and add its weights as weights/*.npz, or return the trained model from build_model() in "
    "submission.py.",
)
def _no_way_to_learn(m: Mapping[str, Measurement]) -> Found:
    if not evidence_of_headline(m).get("no_way_to_learn"):
        return None
    return "The package only goes forward and no trained weights were supplied.", {}


@cause(
    "better_on_unseen",
    "A person will look at this: supplied weights should not do better on images they were never trained on.",
)
def _better_on_unseen(m: Mapping[str, Measurement]) -> Found:
    evidence = evidence_of_headline(m)
    if not evidence.get("better_on_unseen"):
        return None
    return "The supplied weights do better on unseen test images than on training images.", dict(evidence)
