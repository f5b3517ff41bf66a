"""Mistakes in convolutions, pooling and flattening."""

from __future__ import annotations

from collections.abc import Mapping

from milestones.contract import Measurement
from milestones.diagnosis.catalogue import Found, cause, evidence_of, where

Measurements = Mapping[str, Measurement]
FORWARD = ("convolution_forward", "convolution_channels", "convolution_stride", "convolution_padding")
GRADIENT = ("convolution_gradient", "convolution_gradient_spaced")
CHANNELS_WRONG = (
    "only the first channel",
    "only the last channel",
    "the mean over channels",
    "the first channel's weights for all",
    "the largest channel",
)


def _matching(m: Measurements, keys: tuple[str, ...], names: tuple[str, ...]) -> tuple[str, Measurement] | None:
    """The first of ``names`` that explains every answer of one of these checks."""
    for key in keys:
        for name in evidence_of(m, key).get("matches") or ():
            if name in names:
                return name, m[key]
    return None


def _goes_forward_rightly(m: Measurements) -> bool:
    """Gradients are only explained where the forward pass is right: otherwise they follow from its mistake."""
    return all(m[key].passed for key in FORWARD[:2] if key in m)


@cause(
    "kernel_flipped",
    "Frameworks call cross-correlation a convolution: lay the kernel over the window as it is, without `[::-1, ::-1]`: "
    "`output[i, j] += image[i + di, j + dj] * kernel[di, dj]`.",
)
def _kernel_flipped(m: Measurements) -> Found:
    found = _matching(m, FORWARD, ("kernel flipped",))
    if found is None:
        return None
    return "The convolution's output is that of the kernel turned by 180°: it is flipped before it is applied.", where(
        found[1]
    )


@cause(
    "kernel_transposed",
    "Rows of the kernel belong to rows of the image: `image[i + di, j + dj] * kernel[di, dj]`, with both indices in the same "
    "order.",
)
def _kernel_transposed(m: Measurements) -> Found:
    found = _matching(m, FORWARD, ("kernel transposed",))
    return ("The convolution exchanges rows and columns of its kernel.", where(found[1])) if found else None


@cause(
    "convolution_bias_wrong",
    "Add the bias of each filter once to every pixel of its output: `output[:, o] += bias[o]`.",
)
def _convolution_bias_wrong(m: Measurements) -> Found:
    found = _matching(m, FORWARD, ("bias not added", "bias added for each weight"))
    if found is None:
        return None
    name, measured = found
    words = (
        "the bias is never added"
        if name == "bias not added"
        else "the bias is added once for each weight of the window"
    )
    return f"The convolution's sums are right, but {words}.", where(measured)


@cause(
    "channels_summed_wrongly",
    "Every output channel is the sum over all input channels, each with its own part of the weight: "
    "`output[o, i, j] += image[c, i + di, j + dj] * weight[o, c, di, dj]` for every c.",
)
def _channels_summed_wrongly(m: Measurements) -> Found:
    found = _matching(m, ("convolution_channels",), CHANNELS_WRONG)
    if found is None:
        return None
    return f"With several input channels the convolution computes {found[0]} instead of their sum.", where(found[1])


@cause(
    "stride_wrong",
    "A window that stops at output (i, j) begins at image (i × stride, j × stride), and there are "
    "`(size + 2 * padding - kernel) // stride + 1` stops along each side.",
)
def _stride_wrong(m: Measurements) -> Found:
    names = ("stride ignored", "stride along rows only", "stride along columns only", "last place left out")
    found = _matching(m, ("convolution_stride",), names)
    if found is None:
        return None
    return f"With a stride above 1 the convolution's answer is wrong: {found[0]}.", where(found[1])


@cause(
    "padding_wrong",
    "Put `padding` rows and columns of zeros on all four sides: "
    "`np.pad(x, ((0, 0), (0, 0), (p, p), (p, p)))`, and compute the output size from the padded image.",
)
def _padding_wrong(m: Measurements) -> Found:
    names = (
        "padding ignored",
        "edge pixels repeated",
        "padding of ones",
        "padding twice",
        "padding before, not after",
        "padding after, not before",
    )
    found = _matching(m, ("convolution_padding",), names)
    if found is None:
        return None
    return f"With padding the convolution's answer is wrong: {found[0]}.", where(found[1])


@cause(
    "convolution_gradient_lost",
    "The output has to remember how it was made: give it the operation (or `_grad_fn`) whose backward sends gradients to the "
    "input, the weight and the bias. `Tensor(output)` alone is a new beginning.",
)
def _convolution_gradient_lost(m: Measurements) -> Found:
    if not evidence_of(m, "convolution_gradient").get("lost"):
        return None
    return (
        "Dense layers send gradients back and the convolution does not: nothing reaches its weight, its bias or its input. "
        f"{m['convolution_gradient'].message}",
        {"missing": evidence_of(m, "convolution_gradient").get("missing")},
    )


def _missing(m: Measurements, name: str) -> Found:
    evidence = evidence_of(m, "convolution_gradient")
    missing = evidence.get("missing") or []
    if name not in missing or evidence.get("lost") or evidence.get("forward_only") or not _goes_forward_rightly(m):
        return None
    others = ", ".join(other for other in ("inputs", "weight", "bias") if other not in missing)
    return f"After backward() the convolution has no gradient for its {name}; there is one for: {others}.", {
        "missing": missing
    }


@cause(
    "convolution_weight_gradient_missing",
    "In the backward of the convolution, add `image[c, i + di, j + dj] * grad[o, i, j]` to the gradient of weight "
    "(o, c, di, dj) at every place, and hand it to the weight.",
)
def _convolution_weight_gradient_missing(m: Measurements) -> Found:
    return _missing(m, "weight")


@cause(
    "convolution_input_gradient_missing",
    "In the backward of the convolution, add `weight[o, c, di, dj] * grad[o, i, j]` to the gradient of pixel "
    "(c, i + di, j + dj), and hand it on: without it no layer before this one can learn.",
)
def _convolution_input_gradient_missing(m: Measurements) -> Found:
    return _missing(m, "inputs")


@cause(
    "convolution_weight_gradient_flipped",
    "The gradient of weight (di, dj) is the sum of `image[i + di, j + dj] * grad[i, j]`: the same indices as forward.",
)
def _convolution_weight_gradient_flipped(m: Measurements) -> Found:
    matches = (evidence_of(m, "convolution_gradient").get("matches") or {}).get("weight") or []
    if not matches or not _goes_forward_rightly(m):
        return None
    return f"The gradient of the convolution's weight is the right one {matches[0]}.", where(m["convolution_gradient"])


@cause(
    "convolution_input_gradient_flipped",
    "Pixel (i + di, j + dj) gets `weight[di, dj] * grad[i, j]`, with the indices of the forward pass. As a convolution over the "
    "padded gradient this needs the kernel turned by 180°; without the turn it is the wrong way round.",
)
def _convolution_input_gradient_flipped(m: Measurements) -> Found:
    matches = (evidence_of(m, "convolution_gradient").get("matches") or {}).get("inputs") or []
    if not matches or not _goes_forward_rightly(m):
        return None
    return f"The gradient of the convolution's input is that of a convolution {matches[0]}.", where(
        m["convolution_gradient"]
    )


@cause(
    "convolution_gradient_scaled",
    "Sum over the batch and over all places, without dividing: the loss has already divided by the batch where it is a mean.",
)
def _convolution_gradient_scaled(m: Measurements) -> Found:
    evidence = evidence_of(m, "convolution_gradient")
    explained = evidence.get("matches") or {}
    factors = {name: found for name, found in (evidence.get("factors") or {}).items() if name not in explained}
    if not factors or not _goes_forward_rightly(m):
        return None
    words = ", ".join(f"{name} × {_spread(values)}" for name, values in factors.items())
    return f"Gradients of the convolution are right but for a factor: {words}.", {
        "factors": factors,
        **where(m["convolution_gradient"]),
    }


def _spread(values: list[float]) -> str:
    low, high = min(values), max(values)
    return (
        f"{low:.4g}"
        if abs(high - low) <= 1e-3 * abs(high)
        else f"{low:.4g} to {high:.4g}, by the size of batch and image"
    )


@cause(
    "convolution_bias_gradient_wrong",
    "The bias of a filter is added to every pixel of its output, so its gradient is the sum over the batch and over all "
    "places: `grad.sum(axis=(0, 2, 3))`.",
)
def _convolution_bias_gradient_wrong(m: Measurements) -> Found:
    evidence = evidence_of(m, "convolution_gradient")
    matches = (evidence.get("matches") or {}).get("bias") or []
    missing = "bias" in (evidence.get("missing") or []) and not evidence.get("lost")
    if not (matches or missing) or evidence.get("forward_only") or not _goes_forward_rightly(m):
        return None
    if missing:
        return "After backward() the convolution has no gradient for its bias.", {"missing": evidence["missing"]}
    return f"The gradient of the convolution's bias is {matches[0]}, not the sum.", where(m["convolution_gradient"])


@cause(
    "convolution_not_trained",
    "Let the layer's parameters() list its weight and bias, and the model's parameters() those of all its layers: the optimizer "
    "moves what it was given.",
)
def _convolution_not_trained(m: Measurements) -> Found:
    trained = m.get("convolution_trained")
    if trained is None or trained.passed or "moved" not in trained.evidence:
        return None
    gradient = m.get("convolution_gradient")
    if gradient is None or not gradient.passed:
        # A gradient that is wrong or missing explains it.
        return None
    return f"The convolution's gradients are right, and yet it was not trained. {trained.message}", dict(
        trained.evidence
    )


@cause(
    "no_convolution",
    "Build the model of this milestone with your own convolution; a dense network reads digits as well and shows nothing of it.",
)
def _no_convolution(m: Measurements) -> Found:
    if evidence_of(m, "convolution_trained").get("convolutions") != 0:
        return None
    return "The model that was assessed has no convolution.", {}


@cause(
    "pool_not_the_largest",
    "Take the maximum of each window, and begin with its first number or with minus infinity, not with zero.",
)
def _pool_not_the_largest(m: Measurements) -> Found:
    words = {
        "the mean": "the mean of each window instead of its largest number",
        "the smallest": "the smallest number of each window instead of its largest",
        "never below zero": "zero for a window of negative numbers: the search for the largest begins with 0",
    }
    found = _matching(m, ("max_pool_forward",), tuple(words))
    return (f"Max pooling answers {words[found[0]]}.", where(found[1])) if found else None


@cause(
    "pool_windows_wrong",
    "Windows move by the stride, which is the size of the window unless another is given, and only whole windows count: "
    "`(size - window) // stride + 1` along each side.",
)
def _pool_windows_wrong(m: Measurements) -> Found:
    names = (
        "windows moved by one",
        "windows moved by one where no stride is named",
        "rows and columns left over kept",
    )
    found = _matching(m, ("max_pool_forward",), names)
    return (f"Max pooling looks at other windows than it should: {found[0]}.", where(found[1])) if found else None


@cause(
    "pool_gradient_spread",
    "Only the largest number of a window decides the result, so it gets the whole gradient and the others nothing: remember "
    "in the forward pass where it was.",
)
def _pool_gradient_spread(m: Measurements) -> Found:
    evidence = evidence_of(m, "max_pool_gradient")
    pool = m.get("max_pool_forward")
    if "inputs" not in (evidence.get("matches") or {}) or (pool is not None and not pool.passed):
        return None
    return "The gradient of max pooling is spread over the whole window, as if it were a mean.", where(
        m["max_pool_gradient"]
    )


@cause(
    "pool_gradient_lost",
    "The pooled output has to remember how it was made, as that of every operation: give it a backward that sends the "
    "gradient to the largest number of each window.",
)
def _pool_gradient_lost(m: Measurements) -> Found:
    if not evidence_of(m, "max_pool_gradient").get("lost"):
        return None
    return (
        f"No gradient passes through max pooling, so nothing before it can learn. {m['max_pool_gradient'].message}",
        {},
    )


@cause(
    "flatten_destroys_batch",
    "Keep the first axis: `x.reshape(x.shape[0], -1)`. Flattening everything makes one row of the whole batch.",
)
def _flatten_destroys_batch(m: Measurements) -> Found:
    if not evidence_of(m, "flatten_keeps_batch").get("joined"):
        return None
    return "Flattening joins all items of the batch into one row.", where(m["flatten_keeps_batch"])


@cause(
    "flatten_loses_gradient",
    "Flatten with the tensor's own reshape, which sends gradients back; reshaping its array makes a tensor that knows nothing "
    "of where it came from.",
)
def _flatten_loses_gradient(m: Measurements) -> Found:
    if not evidence_of(m, "flatten_keeps_batch").get("gradient_lost"):
        return None
    return f"No gradient passes through flattening. {m['flatten_keeps_batch'].message}", {}


@cause(
    "convolution_in_loops",
    "Nothing is wrong with it. To make it faster, lay all windows out as the rows of one matrix (im2col) and multiply once; "
    "NumPy's sliding_window_view helps.",
    symptom=True,
)
def _convolution_in_loops(m: Measurements) -> Found:
    evidence = evidence_of(m, "convolution_speed")
    if not evidence.get("as_slow_as_loops"):
        return None
    return (
        f"The convolution works in Python loops: {evidence['microseconds']:.2g} µs for each multiply-add, "
        f"{evidence['factor']:,.0f} times as long as one product of matrices takes here.",
        dict(evidence),
    )
