"""Mistakes in dense layers and activations."""

from __future__ import annotations

from collections.abc import Mapping

from milestones.contract import Measurement
from milestones.diagnosis.catalogue import Found, cause, evidence_of, where


@cause("bias_not_added", "The forward pass computes x·W only; add the bias: `x @ W + b`.")
def _bias_not_added(m: Mapping[str, Measurement]) -> Found:
    if not evidence_of(m, "dense_forward").get("matches_without_bias"):
        return None
    return "The dense layer's output equals x·W: the bias is never added.", where(m["dense_forward"])


@cause(
    "bias_gradient_not_summed",
    "The bias is used once per item of the batch, so its gradient is the sum over the batch: `grad_output.sum(axis=0)`. In "
    "the backward of addition, sum the gradient over every axis that was broadcast.",
)
def _bias_gradient_not_summed(m: Mapping[str, Measurement]) -> Found:
    if not evidence_of(m, "dense_gradient").get("bias_unsummed"):
        return None
    evidence = evidence_of(m, "dense_gradient")
    return (
        f"The gradient of the dense layer's bias keeps the batch: its shape is {tuple(evidence.get('got_shape', ()))} instead "
        f"of {tuple(evidence.get('expected_shape', ()))}; summed over the batch it would be right.",
        where(m["dense_gradient"]),
    )


@cause(
    "gradient_scaled",
    "A constant factor is wrong in the backward pass; look for a mean where a sum belongs, or a missing or doubled division "
    "by the batch.",
)
def _gradient_scaled(m: Mapping[str, Measurement]) -> Found:
    factors = evidence_of(m, "dense_gradient").get("factors") or {}
    if not factors:
        return None
    words = ", ".join(f"{name} × {factor:.4g}" for name, factor in factors.items())
    return f"Gradients of the dense layer are right but for a factor: {words}.", {"factors": factors}


@cause(
    "gradient_missing",
    "Make sure that the backward pass of every operation hands a gradient to each of its inputs that requires one.",
)
def _gradient_missing(m: Mapping[str, Measurement]) -> Found:
    missing = evidence_of(m, "dense_gradient").get("missing") or []
    if evidence_of(m, "dense_forward").get("matches_without_bias"):
        # What takes no part in the forward pass has no gradient: that is the same mistake seen from behind.
        missing = [name for name in missing if name != "bias"]
    if not missing or evidence_of(m, "dense_gradient").get("forward_only"):
        return None
    return f"After backward() the dense layer has no gradient for: {', '.join(missing)}.", {"missing": missing}


@cause(
    "softmax_overflow",
    "Subtract the maximum of each row before exp: `np.exp(x - x.max(axis=-1, keepdims=True))`. The result is the same and "
    "can't overflow.",
)
def _softmax_overflow(m: Mapping[str, Measurement]) -> Found:
    if evidence_of(m, "softmax_stability").get("finite", True):
        return None
    return f"Softmax overflows for large inputs. {m['softmax_stability'].message}", where(m["softmax_stability"])


@cause(
    "softmax_wrong_axis",
    "Each row is one item of the batch: take maximum and sum over the last axis with `axis=-1, keepdims=True`.",
)
def _softmax_wrong_axis(m: Mapping[str, Measurement]) -> Found:
    matches = [x for x in evidence_of(m, "softmax_forward").get("matches", []) if x.startswith("normalised over")]
    return (f"Softmax is {matches[0]} instead of over each row.", where(m["softmax_forward"])) if matches else None


@cause("softmax_not_normalised", "Divide by the sum of the exponentials of each row, so that every row sums to 1.")
def _softmax_not_normalised(m: Mapping[str, Measurement]) -> Found:
    matches = [x for x in evidence_of(m, "softmax_forward").get("matches", []) if x.startswith("not normalised")]
    if not matches:
        return None
    return "Softmax returns the exponentials without dividing by the row's sum.", where(m["softmax_forward"])


@cause("activation_mistaken", "Compare the formula in the module's text with the code, sign by sign.")
def _activation_mistaken(m: Mapping[str, Measurement]) -> Found:
    for key, name in (("relu_forward", "ReLU"), ("sigmoid_forward", "Sigmoid"), ("tanh_forward", "Tanh")):
        matches = evidence_of(m, key).get("matches", [])
        if matches:
            return f"{name} computes something else: {matches[0]}.", where(m[key])
    return None
