"""The catalogue of known mistakes: how each is recognised in the measurements, what proves it, and what to do about it.

A diagnosis names a cause. Symptoms (chance accuracy, a crash while measuring) are kept when no cause explains them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from milestones.contract import Diagnosis, Measurement, Status

Evidence = dict[str, Any]
Found = tuple[str, Evidence] | None


@dataclass(frozen=True)
class Cause:
    """One known mistake. ``recognise`` gets the measurements by key and answers (message, evidence) or None."""

    code: str
    advice: str
    recognise: Callable[[Mapping[str, Measurement]], Found]
    symptom: bool = False


CAUSES: list[Cause] = []


def _cause(code: str, advice: str, *, symptom: bool = False) -> Callable[[Callable], Callable]:
    def register(recognise: Callable[[Mapping[str, Measurement]], Found]) -> Callable:
        CAUSES.append(Cause(code, advice, recognise, symptom))
        return recognise

    return register


def diagnose(measurements: Iterable[Measurement]) -> tuple[Diagnosis, ...]:
    """Every cause that the measurements prove; symptoms only where no cause was found."""
    by_key = {measurement.key: measurement for measurement in measurements}
    found = []
    for cause in CAUSES:
        answer = cause.recognise(by_key)
        if answer is not None:
            message, evidence = answer
            found.append(
                Diagnosis(
                    code=cause.code, message=message, advice=cause.advice, evidence=evidence, symptom=cause.symptom
                )
            )
    causes = tuple(diagnosis for diagnosis in found if not diagnosis.symptom)
    return causes or tuple(found)


def _evidence(measurements: Mapping[str, Measurement], key: str) -> Mapping[str, Any]:
    return measurements[key].evidence if key in measurements else {}


# -- the package itself ------------------------------------------------------------------------------------------------


@_cause(
    "crash_at_import",
    'Import that module in a fresh terminal (`python -c "import …"` in the folder above the package) and the same error '
    'appears. Code that tests or prints belongs under `if __name__ == "__main__":`.',
)
def _crash_at_import(m: Mapping[str, Measurement]) -> Found:
    evidence = _evidence(m, "package_import")
    if m.get("package_import") and m["package_import"].status is Status.CRASHED and "usable" not in evidence:
        return f"Importing the package ends the program. {m['package_import'].message}", dict(evidence)
    failed = evidence.get("failed") or {}
    if not failed:
        return None
    name, reason = next(iter(failed.items()))
    return f"{name} raises an error when it is imported: {reason}", {"failed": failed}


@_cause(
    "syntax_error",
    "Python can't read this file at all; open it at the line named and mend it, then import it once locally.",
)
def _syntax_error(m: Mapping[str, Measurement]) -> Found:
    broken = _evidence(m, "package_import").get("syntax") or {}
    if not broken:
        return None
    name, reason = next(iter(broken.items()))
    return f"{name} has a syntax error: {reason}. The other modules were assessed.", {"syntax": broken}


@_cause(
    "not_implemented",
    "The method is still a stub. Fill in its body (it has to return the result) and export the module again.",
)
def _not_implemented(m: Mapping[str, Measurement]) -> Found:
    stubs = [x for x in m.values() if x.status is Status.NOT_IMPLEMENTED]
    if not stubs:
        return None
    return f"{stubs[0].title}: {stubs[0].message}", {"checks": [stub.key for stub in stubs]}


@_cause(
    "component_missing",
    "Check that the module was exported to the tinytorch package and that the class has one of the names looked for.",
)
def _component_missing(m: Mapping[str, Measurement]) -> Found:
    if not _evidence(m, "package_import").get("usable", False):
        return None
    absent = [x for x in m.values() if x.status is Status.MISSING and x.evidence.get("fault") == "StudentFault"]
    return (absent[0].message, {"checks": [x.key for x in absent]}) if absent else None


# -- layers ------------------------------------------------------------------------------------------------------------


@_cause("bias_not_added", "The forward pass computes x·W only; add the bias: `x @ W + b`.")
def _bias_not_added(m: Mapping[str, Measurement]) -> Found:
    if not _evidence(m, "dense_forward").get("matches_without_bias"):
        return None
    return "The dense layer's output equals x·W: the bias is never added.", _where(m["dense_forward"])


@_cause(
    "bias_gradient_not_summed",
    "The bias is used once per item of the batch, so its gradient is the sum over the batch: `grad_output.sum(axis=0)`. In "
    "the backward of addition, sum the gradient over every axis that was broadcast.",
)
def _bias_gradient_not_summed(m: Mapping[str, Measurement]) -> Found:
    if not _evidence(m, "dense_gradient").get("bias_unsummed"):
        return None
    evidence = _evidence(m, "dense_gradient")
    return (
        f"The gradient of the dense layer's bias keeps the batch: its shape is {tuple(evidence.get('got_shape', ()))} instead "
        f"of {tuple(evidence.get('expected_shape', ()))}; summed over the batch it would be right.",
        _where(m["dense_gradient"]),
    )


@_cause(
    "gradient_scaled",
    "A constant factor is wrong in the backward pass; look for a mean where a sum belongs, or a missing or doubled division "
    "by the batch.",
)
def _gradient_scaled(m: Mapping[str, Measurement]) -> Found:
    factors = _evidence(m, "dense_gradient").get("factors") or {}
    if not factors:
        return None
    words = ", ".join(f"{name} × {factor:.4g}" for name, factor in factors.items())
    return f"Gradients of the dense layer are right but for a factor: {words}.", {"factors": factors}


@_cause(
    "gradient_missing",
    "Make sure that the backward pass of every operation hands a gradient to each of its inputs that requires one.",
)
def _gradient_missing(m: Mapping[str, Measurement]) -> Found:
    missing = _evidence(m, "dense_gradient").get("missing") or []
    if not missing or _evidence(m, "dense_gradient").get("forward_only"):
        return None
    return f"After backward() the dense layer has no gradient for: {', '.join(missing)}.", {"missing": missing}


# -- activations -------------------------------------------------------------------------------------------------------


@_cause(
    "softmax_overflow",
    "Subtract the maximum of each row before exp: `np.exp(x - x.max(axis=-1, keepdims=True))`. The result is the same and "
    "can't overflow.",
)
def _softmax_overflow(m: Mapping[str, Measurement]) -> Found:
    if _evidence(m, "softmax_stability").get("finite", True):
        return None
    return f"Softmax overflows for large inputs. {m['softmax_stability'].message}", _where(m["softmax_stability"])


@_cause(
    "softmax_wrong_axis",
    "Each row is one item of the batch: take maximum and sum over the last axis with `axis=-1, keepdims=True`.",
)
def _softmax_wrong_axis(m: Mapping[str, Measurement]) -> Found:
    matches = [x for x in _evidence(m, "softmax_forward").get("matches", []) if x.startswith("normalised over")]
    return (f"Softmax is {matches[0]} instead of over each row.", _where(m["softmax_forward"])) if matches else None


@_cause("softmax_not_normalised", "Divide by the sum of the exponentials of each row, so that every row sums to 1.")
def _softmax_not_normalised(m: Mapping[str, Measurement]) -> Found:
    if "not normalised" not in _evidence(m, "softmax_forward").get("matches", []):
        return None
    return "Softmax returns exp(x) without dividing by the row's sum.", _where(m["softmax_forward"])


@_cause("activation_mistaken", "Compare the formula in the module's text with the code, sign by sign.")
def _activation_mistaken(m: Mapping[str, Measurement]) -> Found:
    for key, name in (("relu_forward", "ReLU"), ("sigmoid_forward", "Sigmoid"), ("tanh_forward", "Tanh")):
        matches = _evidence(m, key).get("matches", [])
        if matches:
            return f"{name} computes something else: {matches[0]}.", _where(m[key])
    return None


# -- models ------------------------------------------------------------------------------------------------------------


@_cause(
    "no_nonlinearity",
    "Put an activation such as ReLU between two dense layers. Without one, any number of dense layers is a single linear map, "
    "which MNIST accuracy alone can't show: a linear model reaches about 91 %.",
)
def _no_nonlinearity(m: Mapping[str, Measurement]) -> Found:
    check = m.get("hidden_nonlinearity")
    if check is None or check.status is not Status.WRONG or "affinity_gap" not in check.evidence:
        return None
    return f"The model has no hidden layer with a non-linearity. {check.message}", dict(check.evidence)


@_cause(
    "weights_start_equal",
    "Draw initial weights at random (for example normal with deviation sqrt(2 / (inputs + outputs))): units that start equal "
    "stay equal.",
)
def _weights_start_equal(m: Mapping[str, Measurement]) -> Found:
    wrong = _evidence(m, "initial_weights").get("wrong", [])
    if "not all equal" not in wrong and "columns differ" not in wrong:
        return None
    return "A fresh dense layer gives every unit the same weights.", dict(_evidence(m, "initial_weights"))


@_cause(
    "initial_weights_too_large",
    "Scale the initial weights with the layer's width, for example by sqrt(2 / (inputs + outputs)).",
)
def _initial_weights_too_large(m: Mapping[str, Measurement]) -> Found:
    evidence = _evidence(m, "initial_weights")
    spread, usual = evidence.get("spread"), evidence.get("usual_spread")
    if not isinstance(spread, float) or not usual or spread <= 3 * usual:
        return None
    return f"Initial weights are spread {spread / usual:.1f} times as wide as usual for this size.", dict(evidence)


@_cause(
    "no_way_to_learn",
    "Train the model elsewhere and add its weights as weights/*.npz, or return the trained model from build_model() in "
    "submission.py.",
)
def _no_way_to_learn(m: Mapping[str, Measurement]) -> Found:
    if not _evidence(m, "mnist_accuracy").get("no_way_to_learn"):
        return None
    return "The package only goes forward and no trained weights were supplied.", {}


@_cause(
    "better_on_unseen",
    "A person will look at this: supplied weights should not do better on images they were never trained on.",
)
def _better_on_unseen(m: Mapping[str, Measurement]) -> Found:
    evidence = _evidence(m, "mnist_accuracy")
    if not evidence.get("better_on_unseen"):
        return None
    return "The supplied weights do better on unseen test images than on training images.", dict(evidence)


# -- symptoms ----------------------------------------------------------------------------------------------------------


@_cause(
    "not_a_number",
    "Look for overflow: exp of large numbers, log of zero, a division by zero or too large a learning rate.",
    symptom=True,
)
def _not_a_number(m: Mapping[str, Measurement]) -> Found:
    count = _evidence(m, "mnist_accuracy").get("not_finite") or 0
    return (f"{count} images got scores that are not numbers (NaN or infinity).", {"count": count}) if count else None


@_cause(
    "one_class",
    "The model answers the same class whatever it sees; check that gradients reach the first layer.",
    symptom=True,
)
def _one_class(m: Mapping[str, Measurement]) -> Found:
    if _evidence(m, "mnist_accuracy").get("classes_predicted") != 1:
        return None
    return "The model names one and the same class for every image.", {}


@_cause(
    "chance_accuracy",
    "The model does not learn; check that the weights change in a training step and that the loss falls.",
    symptom=True,
)
def _chance_accuracy(m: Mapping[str, Measurement]) -> Found:
    measured = m.get("mnist_accuracy")
    if measured is None or not measured.n or (measured.value or 0) > 0.15:
        return None
    return f"Accuracy is {measured.value:.0%}: as good as guessing.", {}


@_cause(
    "crashed_while_measured",
    "Reproduce it locally with the same sizes; the lines named are in your own files.",
    symptom=True,
)
def _crashed(m: Mapping[str, Measurement]) -> Found:
    crashed = [x for x in m.values() if x.status is Status.CRASHED and x.key != "package_import"]
    return (f"{crashed[0].title}: {crashed[0].message}", {"checks": [x.key for x in crashed]}) if crashed else None


def _where(measurement: Measurement) -> Evidence:
    """The largest error and its place, as the check recorded them."""
    names = ("largest_relative_error", "index", "got", "expected", "got_shape", "expected_shape", "case")
    return {name: measurement.evidence[name] for name in names if name in measurement.evidence}
