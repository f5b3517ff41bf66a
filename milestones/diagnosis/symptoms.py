"""What shows that something is wrong without saying what: listed under the causes."""

from __future__ import annotations

from collections.abc import Mapping

from milestones.contract import Measurement, Status
from milestones.diagnosis.catalogue import Found, cause, evidence_of_headline, headline


@cause(
    "not_a_number",
    "Look for overflow: exp of large numbers, log of zero, a division by zero or too large a learning rate.",
    symptom=True,
)
def _not_a_number(m: Mapping[str, Measurement]) -> Found:
    count = evidence_of_headline(m).get("not_finite") or 0
    return (f"{count} images got scores that are not numbers (NaN or infinity).", {"count": count}) if count else None


@cause(
    "one_class",
    "The model answers the same class whatever it sees; check that gradients reach the first layer.",
    symptom=True,
)
def _one_class(m: Mapping[str, Measurement]) -> Found:
    if evidence_of_headline(m).get("classes_predicted") != 1:
        return None
    return "The model names one and the same class for every image.", {}


@cause(
    "chance_accuracy",
    "The model does not learn; check that the weights change in a training step and that the loss falls.",
    symptom=True,
)
def _chance_accuracy(m: Mapping[str, Measurement]) -> Found:
    measured = headline(m)
    if measured is None or not measured.n or (measured.value or 0) > 0.15:
        return None
    return f"Accuracy is {measured.value:.0%}: as good as guessing.", {}


@cause(
    "crashed_while_measured",
    "Reproduce it locally with the same sizes; the lines named are in your own files.",
    symptom=True,
)
def _crashed(m: Mapping[str, Measurement]) -> Found:
    crashed = [x for x in m.values() if x.status is Status.CRASHED and x.key != "package_import"]
    return (f"{crashed[0].title}: {crashed[0].message}", {"checks": [x.key for x in crashed]}) if crashed else None
