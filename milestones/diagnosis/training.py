"""Mistakes in losses, optimizers, the training loop and checkpoints."""

from __future__ import annotations

from collections.abc import Mapping

from milestones.contract import Measurement, Status
from milestones.diagnosis.catalogue import Cause, Evidence, Found, cause, evidence_of, where
from milestones.student.operations import FORWARD_ONLY

LOSSES = {
    "cross_entropy": "CrossEntropyLoss",
    "mean_squared_error": "Mean squared error",
    "binary_cross_entropy": "Binary cross-entropy",
}


def _follows(m: Mapping[str, Measurement], key: str, *mistakes: str) -> bool:
    """Whether the answers of a check are exactly those of one of these known mistakes."""
    return any(mistake in (evidence_of(m, key).get("matches") or ()) for mistake in mistakes)


# -- losses ------------------------------------------------------------------------------------------------------------


@cause(
    "softmax_twice",
    "CrossEntropyLoss already takes the softmax of its inputs: give it the raw scores (logits), and apply no softmax inside it "
    "to what has been through one.",
)
def _softmax_twice(m: Mapping[str, Measurement]) -> Found:
    if not _follows(m, "cross_entropy", "softmax twice"):
        return None
    return "CrossEntropyLoss takes the softmax twice: its values are those of softmax(softmax(x)).", where(
        m["cross_entropy"]
    )


@cause(
    "cross_entropy_of_probabilities",
    "In this course CrossEntropyLoss takes raw scores: compute log-softmax inside, `x - x.max() - log(sum(exp(x - x.max())))` "
    "for each row, and pick the right class of each.",
)
def _cross_entropy_of_probabilities(m: Mapping[str, Measurement]) -> Found:
    evidence = evidence_of(m, "cross_entropy")
    if not evidence.get("takes_probabilities") or m["cross_entropy"].passed:
        return None
    return (
        "CrossEntropyLoss takes its inputs for probabilities: it is right for softmax(x) and wrong for the scores x.",
        where(m["cross_entropy"]),
    )


@cause(
    "loss_summed",
    "Divide by the number of items (for squared errors by the number of elements): `.mean()` instead of `.sum()`. Otherwise the "
    "step grows with the batch.",
)
def _loss_summed(m: Mapping[str, Measurement]) -> Found:
    for key, name in LOSSES.items():
        if _follows(m, key, "summed"):
            return f"{name} is the sum over the batch and not the mean.", where(m[key])
    return None


@cause(
    "loss_not_reduced",
    "A loss is one number: end with `.mean()` over the whole batch, so that backward() has one place to start from.",
)
def _loss_not_reduced(m: Mapping[str, Measurement]) -> Found:
    for key, name in LOSSES.items():
        if evidence_of(m, key).get("unreduced"):
            shape = tuple(evidence_of(m, key).get("got_shape", ()))
            return f"{name} answers an array of shape {shape} instead of one number.", where(m[key])
    return None


@cause(
    "mean_squared_error_mistaken",
    "Mean squared error is the mean over all elements of the squared differences, without a root, a half or another divisor.",
)
def _mean_squared_error_mistaken(m: Mapping[str, Measurement]) -> Found:
    key = "mean_squared_error"
    evidence = evidence_of(m, key)
    for mistake in ("averaged over the batch only", "root of the mean", "mean of absolute differences"):
        if _follows(m, key, mistake):
            return f"Mean squared error is something else: {mistake}.", where(m[key])
    factor = evidence.get("factor")
    if factor is None or _follows(m, key, "summed"):
        return None
    return f"Mean squared error is {factor:.4g} times what it should be.", {"factor": factor, **where(m[key])}


@cause(
    "cross_entropy_overflow",
    "Subtract the maximum of each row before exp (the log-sum-exp trick): log softmax(x) = x − max − log(sum(exp(x − max))).",
)
def _cross_entropy_overflow(m: Mapping[str, Measurement]) -> Found:
    if "cross_entropy" not in m or not m["cross_entropy"].passed:
        return None
    if evidence_of(m, "cross_entropy_stability").get("finite", True):
        return None
    return (
        f"CrossEntropyLoss is right for small scores and overflows for large ones. {m['cross_entropy_stability'].message}",
        where(m["cross_entropy_stability"]),
    )


@cause(
    "binary_cross_entropy_unstable",
    "Keep probabilities away from 0 and 1 before the logarithm, `np.clip(p, 1e-7, 1 - 1e-7)`; with scores instead of "
    "probabilities use max(x, 0) − x·y + log(1 + exp(−|x|)).",
)
def _binary_cross_entropy_unstable(m: Mapping[str, Measurement]) -> Found:
    if "binary_cross_entropy" not in m or not m["binary_cross_entropy"].passed:
        return None
    evidence = evidence_of(m, "binary_cross_entropy_stability")
    if evidence.get("finite", True):
        return None
    what = "scores of ±1,000" if evidence.get("takes_logits") else "probabilities of exactly 0 and 1"
    return f"Binary cross-entropy is not finite for {what}.", dict(evidence)


@cause(
    "loss_gradient_missing",
    "Build the loss of operations that know their way back, or give it a backward of its own that hands its predictions their "
    "gradient; a loss computed on `.data` alone is cut off from the network.",
)
def _loss_gradient_missing(m: Mapping[str, Measurement]) -> Found:
    lost = []
    for key, name in LOSSES.items():
        evidence = evidence_of(m, f"{key}_gradient")
        # Nothing goes backward from an array of losses, which is named above, or in a package that only goes forward.
        unable = evidence_of(m, key).get("unreduced") or str(evidence.get("why", "")).startswith(FORWARD_ONLY)
        if evidence.get("missing") and not unable:
            lost.append(name)
    if not lost:
        return None
    return f"No gradient comes back from: {', '.join(lost)}.", {"losses": lost}


@cause(
    "loss_gradient_scaled",
    "A constant factor (or the sign) is wrong in the backward of the loss: the loss is a mean, so its gradient is divided by the "
    "number of items, or of elements, once; and it is multiplied by the gradient that comes in.",
)
def _loss_gradient_scaled(m: Mapping[str, Measurement]) -> Found:
    for key, name in LOSSES.items():
        factors = evidence_of(m, f"{key}_gradient").get("factors")
        # A loss whose value is off by a factor has its gradient off by the same: that is one mistake and named there.
        if not factors or (key in m and not m[key].passed):
            continue
        words = " and ".join(f"{factor:.4g}" for factor in factors)
        found = {"factors": list(factors), **where(m[f"{key}_gradient"])}
        return (
            f"The gradient of {name} is right but for a factor: {words} times the reference in cases of other sizes.",
            found,
        )
    return None


# -- optimizers --------------------------------------------------------------------------------------------------------


def _path(code: str, advice: str, keys: tuple[str, ...], mistake: str, message: str, *, unless: str = "") -> Cause:
    """The cause of paths that follow one known wrong rule. ``unless``: a check whose failure explains it already."""

    @cause(code, advice)
    def recognise(m: Mapping[str, Measurement]) -> Found:
        if unless and unless in m and not m[unless].passed:
            return None
        for key in keys:
            if _follows(m, key, mistake):
                return message.format(m[key].title), {"steps": m[key].evidence.get("steps"), **where(m[key])}
        return None

    return recognise


_PATHS = ("sgd_path", "momentum_path", "adam_path", "adamw_path")
_ADAMS = ("adam_path", "adamw_path")

_optimizer_still = _path(
    "optimizer_moves_nothing",
    "step() has to write to the parameter itself: `param.data = param.data - lr * update`. A local name that is assigned to, or "
    "a copy that is changed, leaves the parameter as it was.",
    _PATHS,
    "moves nothing",
    "{}: after 20 steps the parameters are where they were.",
)
_optimizer_ascends = _path(
    "optimizer_adds_gradient",
    "A gradient points to where the loss grows: subtract it, `param.data - lr * grad`.",
    _PATHS,
    "adds the gradient",
    "{} goes up the gradient instead of down: 20 steps agree with the reference with the sign turned.",
)
_momentum_ignored = _path(
    "momentum_ignored",
    "Keep a velocity for each parameter from step to step, `v = momentum * v + grad`, and move by it: `param.data - lr * v`.",
    ("momentum_path",),
    "ignored",
    "{}: the path is that of SGD without it.",
    unless="sgd_path",
)
_momentum_dampened = _path(
    "momentum_dampened",
    "The course's rule is `v = momentum * v + grad`; with a factor (1 − momentum) before the gradient every step is smaller by "
    "that factor.",
    ("momentum_path",),
    "dampened",
    "{}: the gradient enters the velocity with a factor 1 − momentum.",
    unless="sgd_path",
)
_momentum_on_rate = _path(
    "momentum_scales_rate",
    "Momentum belongs to the velocity, `v = momentum * v + grad`, and the learning rate to the step, `param.data - lr * v`.",
    ("momentum_path",),
    "scales the rate",
    "{}: momentum only multiplies the learning rate; nothing is remembered from step to step.",
    unless="sgd_path",
)
_adam_uncorrected = _path(
    "adam_no_bias_correction",
    "Both averages start at zero; take that bias out: `m_hat = m / (1 - beta1**t)` and `v_hat = v / (1 - beta2**t)`, with t "
    "from 1.",
    _ADAMS,
    "no bias correction",
    "{} follows the rule without bias correction for 20 steps.",
)
_adam_counter_still = _path(
    "adam_step_counter_stands_still",
    "Add 1 to the step counter in every step(), before the correction: with t fixed at 1 the moments are multiplied by "
    "1 / (1 − beta) for ever.",
    _ADAMS,
    "step counter stands still",
    "{}: the bias correction of every step is that of the first; the step counter never advances.",
)
_adam_counter_fast = _path(
    "adam_step_counter_counts_parameters",
    "Add 1 to the step counter once in step(), before the loop over the parameters, and not inside it.",
    _ADAMS,
    "step counter counts parameters",
    "{}: the step counter advances with every parameter instead of with every step.",
)
_adam_squares_moment = _path(
    "adam_second_moment_wrong",
    "The second moment averages the squared gradient: `v = beta2 * v + (1 - beta2) * grad**2`, not the square of the first "
    "moment.",
    _ADAMS,
    "squares the first moment",
    "{}: the second moment is made of the first moment's square instead of the gradient's.",
)
_adam_betas_swapped = _path(
    "adam_betas_swapped",
    "beta1 (usually 0.9) belongs to the mean of gradients, beta2 (usually 0.999) to the mean of their squares.",
    _ADAMS,
    "betas swapped",
    "{}: beta1 and beta2 stand in each other's place.",
)
_adam_no_root = _path(
    "adam_no_square_root",
    "Divide by the root of the second moment: `m_hat / (np.sqrt(v_hat) + eps)`.",
    _ADAMS,
    "no square root",
    "{} divides by the second moment itself and not by its root.",
)
_adam_epsilon_inside = _path(
    "adam_epsilon_inside_root",
    "Add eps after the root: `np.sqrt(v_hat) + eps`, not `np.sqrt(v_hat + eps)`.",
    _ADAMS,
    "epsilon inside the root",
    "{}: eps is added inside the square root.",
)
_adamw_coupled = _path(
    "adamw_decay_coupled",
    "AdamW shrinks the weights themselves, `param.data *= 1 - lr * weight_decay`, and leaves the gradient as it is; decay that "
    "is added to the gradient is divided by the root of the second moment like all of it.",
    ("adamw_path",),
    "decay coupled",
    "{}: weight decay is added to the gradient, as in Adam with L2, and not taken off the weights.",
)
_adamw_no_decay = _path(
    "adamw_no_decay",
    "Besides Adam's step, shrink the weights: `param.data *= 1 - lr * weight_decay`.",
    ("adamw_path",),
    "no decay",
    "{} does what Adam does: the weights never decay.",
)


# -- clearing gradients ------------------------------------------------------------------------------------------------


@cause(
    "zero_grad_does_nothing",
    "zero_grad() has to reach every parameter that the optimizer holds and set its `.grad` to None (or to zeros in place).",
)
def _zero_grad_does_nothing(m: Mapping[str, Measurement]) -> Found:
    evidence = evidence_of(m, "zero_gradient")
    if not evidence.get("untouched"):
        return None
    return f"{evidence['means']} leaves every gradient as it was.", dict(evidence)


@cause(
    "gradients_overwritten",
    "Add a new gradient to the one that is there (`grad = new if grad is None else grad + new`): a parameter that is used twice "
    "needs the sum of both, and so does a batch that is split in two.",
)
def _gradients_overwritten(m: Mapping[str, Measurement]) -> Found:
    evidence = evidence_of(m, "zero_gradient")
    if not evidence.get("overwritten") or not evidence.get("once"):
        return None
    return "A second backward pass replaces the gradient of the first instead of adding to it.", dict(evidence)


# -- the Trainer -------------------------------------------------------------------------------------------------------


def _loop_mistake(m: Mapping[str, Measurement], mistake: str) -> Evidence | None:
    evidence = evidence_of(m, "trainer_pass")
    if mistake not in (evidence.get("mistakes") or ()):
        return None
    names = ("steps", "steps_with_gradients", "batches")
    return {**{name: evidence.get(name) for name in names}, **where(m["trainer_pass"])}


@cause(
    "trainer_never_updates",
    "Each batch needs four lines: zero_grad(), the loss of the batch, loss.backward(), optimizer.step(); and the optimizer has "
    "to hold the parameters of the model that is trained.",
)
def _trainer_never_updates(m: Mapping[str, Measurement]) -> Found:
    found = _loop_mistake(m, "never updates")
    # An optimizer that moves nothing is the cause then, and so is a loss that sends nothing back.
    if (
        found is None
        or _follows(m, "sgd_path", "moves nothing")
        or evidence_of(m, "cross_entropy_gradient").get("missing")
    ):
        return None
    if not found["steps"]:
        why = "optimizer.step() is never called"
    elif not found["steps_with_gradients"]:
        why = "optimizer.step() finds no gradients: backward() is never called, or reaches nothing"
    else:
        why = "optimizer.step() changes something else"
    return f"The Trainer's pass leaves the weights as they were: {why}.", found


@cause(
    "trainer_keeps_gradients",
    "Gradients add up. Call optimizer.zero_grad() before every backward(), otherwise each step follows all batches so far.",
)
def _trainer_keeps_gradients(m: Mapping[str, Measurement]) -> Found:
    found = _loop_mistake(m, "gradients kept")
    if found is None or evidence_of(m, "zero_gradient").get("untouched"):
        return None
    return (
        "The Trainer never clears gradients: after its pass the weights are where steps with the sum of all gradients lead.",
        found,
    )


@cause(
    "trainer_first_batch_only",
    "Look for a return or a break inside the loop over the batches: the pass ends after the first.",
)
def _trainer_first_batch_only(m: Mapping[str, Measurement]) -> Found:
    found = _loop_mistake(m, "first batch only")
    if found is None:
        return None
    return f"The Trainer learns from the first of {found['batches']} batches only.", found


@cause(
    "trainer_one_step_a_pass",
    "Move optimizer.step() into the loop over the batches: one step for each batch.",
)
def _trainer_one_step_a_pass(m: Mapping[str, Measurement]) -> Found:
    for mistake, words in (
        ("one step for all batches", "one step with the gradients of all batches added up"),
        ("last batch only", "one step with the gradient of the last batch"),
    ):
        found = _loop_mistake(m, mistake)
        if found is not None:
            return f"The Trainer makes {words}, after its loop over the batches.", found
    return None


@cause(
    "evaluate_trains",
    "Evaluating is forward only: no backward() and no step() in it. Otherwise the model learns what it is measured on.",
)
def _evaluate_trains(m: Mapping[str, Measurement]) -> Found:
    if not evidence_of(m, "evaluate_harmless").get("changed"):
        return None
    return f"The Trainer's evaluation changes the weights. {m['evaluate_harmless'].message}", {}


@cause(
    "accuracy_mistaken",
    "Accuracy is the number of right answers over the number of answers, over all batches: the class with the greatest score in "
    "each row, `argmax(axis=1)`, against the label.",
)
def _accuracy_mistaken(m: Mapping[str, Measurement]) -> Found:
    check = m.get("evaluate_accuracy")
    if check is None or check.status is not Status.WRONG:
        return None
    evidence = check.evidence
    matches = evidence.get("matches") or ()
    words = f" That is what one gets with: {matches[0]}." if matches else ""
    return (
        f"Evaluating claims an accuracy of {evidence['claimed_accuracy']} where {evidence['accuracy']:.4g} is right.{words}",
        dict(evidence),
    )


# -- checkpoints -------------------------------------------------------------------------------------------------------


@cause(
    "checkpoint_without_weights",
    "Save the numbers of every parameter, `[param.data for param in model.parameters()]`: what the model's own attributes hold "
    "does not come along by itself.",
)
def _checkpoint_without_weights(m: Mapping[str, Measurement]) -> Found:
    evidence = evidence_of(m, "checkpoint_reload")
    if not evidence.get("like_a_fresh_model") or not evidence.get("trained") or evidence.get("holds_weights"):
        return None
    # Two bytes for each number are less than any way of writing random digits needs.
    if evidence["bytes"] >= 2 * evidence["numbers_of_the_model"]:
        return None
    return (
        f"The checkpoint holds no weights: {evidence['bytes']} bytes for a model of {evidence['numbers_of_the_model']} numbers. "
        "A fresh model that loads it stays as it was.",
        dict(evidence),
    )


@cause(
    "checkpoint_not_restored",
    "Loading has to put the saved numbers into the parameters of the model that is used, `param.data = saved`, in the order in "
    "which they were saved.",
)
def _checkpoint_not_restored(m: Mapping[str, Measurement]) -> Found:
    evidence = evidence_of(m, "checkpoint_reload")
    if not evidence.get("like_a_fresh_model") or not evidence.get("trained"):
        return None
    if not evidence.get("holds_weights") and evidence["bytes"] < 2 * evidence["numbers_of_the_model"]:
        return None
    return (
        "The checkpoint is written, but after loading it a fresh model answers as if nothing had been loaded.",
        dict(evidence),
    )


# -- symptoms ----------------------------------------------------------------------------------------------------------


@cause(
    "loss_not_a_number",
    "Look for overflow in the loss or in an activation, and for a division by zero, before turning to the learning rate.",
    symptom=True,
)
def _loss_not_a_number(m: Mapping[str, Measurement]) -> Found:
    count = evidence_of(m, "cifar10_convergence").get("not_finite") or 0
    return (f"In training on CIFAR-10 the loss of {count} images is no number any more.", {}) if count else None


@cause(
    "loss_stays_at_chance",
    "The network does not learn: check that gradients reach the first layer and that a step changes every weight; if all of that "
    "holds, it is the time: the convolution gets through too few images.",
    symptom=True,
)
def _loss_stays_at_chance(m: Mapping[str, Measurement]) -> Found:
    check = m.get("cifar10_convergence")
    if check is None or check.status is not Status.WRONG or evidence_of(m, "cifar10_convergence").get("not_finite"):
        return None
    return f"The network does not get beyond guessing on CIFAR-10. {check.message}", dict(check.evidence)
