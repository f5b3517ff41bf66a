"""Mistakes in the parts of a GPT, in the whole of it, and in what it writes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from milestones.contract import Measurement, Status
from milestones.diagnosis.catalogue import Found, cause, evidence_of, where

# Mistakes inside attention that by themselves let a position see what comes after it.
_SEE_THE_FUTURE = ("softmax over the queries", "softmax over the heads", "heads mixed up")


def _matches(m: Mapping[str, Measurement], key: str, *names: str) -> str | None:
    """The first of ``names`` that all answers of a check agree with."""
    found = evidence_of(m, key).get("matches", [])
    return next((name for name in names if name in found), None)


# -- attention ---------------------------------------------------------------------------------------------------------


@cause(
    "attention_scaling",
    "Divide the scores by the square root of the numbers of one head: `scores / math.sqrt(head_dim)`, with head_dim = "
    "embed_dim // num_heads. Without it the softmax saturates and gradients vanish as heads get wider.",
)
def _attention_scaling(m: Mapping[str, Measurement]) -> Found:
    how = _matches(
        m,
        "attention",
        "not scaled",
        "scaled by all numbers instead of those of a head",
        "scaled by d instead of its root",
    )
    return None if how is None else (f"Attention scores are {how}.", where(m["attention"]))


@cause(
    "attention_softmax_axis",
    "Each query shares out one unit of attention over the keys: take the softmax over the last axis of the scores (batch, "
    "heads, queries, keys).",
)
def _attention_softmax_axis(m: Mapping[str, Measurement]) -> Found:
    how = _matches(m, "attention", "softmax over the queries", "softmax over the heads")
    return None if how is None else (f"Attention takes its {how} instead of over the keys.", where(m["attention"]))


@cause(
    "attention_heads_mixed",
    "Split with `x.reshape(batch, length, heads, head_dim)` and then move the axis with `.transpose(1, 2)`; a reshape alone to "
    "(batch, heads, length, head_dim) cuts the row of positions into pieces. Put heads together the same way back.",
)
def _attention_heads_mixed(m: Mapping[str, Measurement]) -> Found:
    if _matches(m, "attention", "heads mixed up") is None:
        return None
    return "Attention cuts its heads out of positions instead of out of the numbers at each.", where(m["attention"])


@cause(
    "attention_not_differentiated",
    "Compute scores, softmax and the weighted sum with operations of your Tensor from beginning to end; `.data` and NumPy "
    "loops leave the graph.",
)
def _attention_not_differentiated(m: Mapping[str, Measurement]) -> Found:
    wrong: Mapping[str, Any] = evidence_of(m, "gpt_gradients").get("wrong", {})
    lost = [name for name, found in wrong.items() if not found.get("reached") and _is_query_or_key(name)]
    others = [name for name, found in wrong.items() if not found.get("reached") and not _is_query_or_key(name)]
    missing = set(evidence_of(m, "attention_gradient").get("missing", []))
    alone = {"weight of the query", "weight of the key"} <= missing and "weight of the value" not in missing
    if not alone and (not lost or others):
        return None
    evidence = {
        "without gradient": lost or sorted(missing),
        **where(m["gpt_gradients"] if lost else m["attention_gradient"]),
    }
    return "No gradient passes through the attention weights: queries and keys never learn.", evidence


def _is_query_or_key(name: str) -> bool:
    return bool(re.search(r"(?i)(^|[._])(w?_?[qk]|query|key|[qk]_proj|[qk]_linear|to_[qk])(_proj)?([._]|$)", name))


@cause(
    "attention_constant_by_mask",
    "Your GPT hands over a mask of 0 and -infinity, to be added, while attention expects one of 1 and 0 and computes (1 - "
    "mask) * -1e9: allowed scores become -1e9 + s, and float32 has no digits left for s. Decide for one form. Either attention "
    "adds the mask as it is, `scores = scores + mask`, or the GPT hands over ones for what may be seen, "
    "`np.tril(np.ones((n, n)))`. This mistake is also in the course's own code.",
)
def _attention_constant_by_mask(m: Mapping[str, Measurement]) -> Found:
    evidence = evidence_of(m, "attention_acts")
    reacts = evidence.get("reacts_at")
    if not evidence.get("constant") or not reacts:
        return None
    alone = " Without a mask, the same attention is right." if m.get("attention") and m["attention"].passed else ""
    return (
        "Attention is constant inside the GPT: doubling every query changes no score, so each position takes the plain mean of "
        f"those before it. Only queries {reacts:.0e} times as large change anything: the scores drown beside the mask.{alone}",
        dict(evidence),
    )


@cause(
    "attention_constant",
    "Look at the attention weights of one text: every row is flat. Make sure that the scores Q·Kᵀ reach the softmax.",
)
def _attention_constant(m: Mapping[str, Measurement]) -> Found:
    evidence = evidence_of(m, "attention_acts")
    if not evidence.get("constant") or evidence.get("reacts_at"):
        return None
    return "Attention is constant: whatever the queries are, each position takes the plain mean.", dict(evidence)


@cause(
    "mask_leak",
    "Position i may look at 0 … i: hide every key after the query, `np.triu(…, k=1)`, in every block, before the softmax.",
)
def _mask_leak(m: Mapping[str, Measurement]) -> Found:
    if not evidence_of(m, "causality").get("leaks") or _matches(m, "attention", *_SEE_THE_FUTURE):
        return None
    return f"The GPT sees the future. {m['causality'].message}", dict(evidence_of(m, "causality"))


# -- other parts -------------------------------------------------------------------------------------------------------


@cause(
    "positions_ignored",
    "Add a vector for each position to the token's: `x = token_embedding(tokens) + position_embedding(arange(length))`. "
    "Attention alone sees a heap of characters and not a row.",
)
def _positions_ignored(m: Mapping[str, Measurement]) -> Found:
    evidence = evidence_of(m, "positions_matter")
    effect = evidence.get("effect")
    if not isinstance(effect, float) or effect > 1e-4 or evidence_of(m, "attention_acts").get("constant"):
        return None
    return "The GPT ignores positions: the order of what came before changes nothing.", dict(evidence)


@cause(
    "residual_missing",
    "Each half of a block adds to what comes in: `x = x + attention(norm(x))`, then `x = x + mlp(norm(x))`.",
)
def _residual_missing(m: Mapping[str, Measurement]) -> Found:
    missing = evidence_of(m, "residual_connections").get("missing")
    if not missing:
        return None
    return f"A shortcut is missing. {m['residual_connections'].message}", dict(evidence_of(m, "residual_connections"))


@cause(
    "layer_norm_axis",
    "Layer normalisation takes mean and variance over the numbers of one position, the last axis: `mean(axis=-1, "
    "keepdims=True)`.",
)
def _layer_norm_axis(m: Mapping[str, Measurement]) -> Found:
    how = _matches(m, "layer_norm", "over the first axis", "over the second axis", "over the whole array")
    return None if how is None else (f"LayerNorm works {how} instead of over the last.", where(m["layer_norm"]))


@cause(
    "layer_norm_formula",
    "(x - mean) / sqrt(variance + eps) * gamma + beta, with the variance over n and not n - 1.",
)
def _layer_norm_formula(m: Mapping[str, Measurement]) -> Found:
    how = _matches(
        m,
        "layer_norm",
        "not centred",
        "divided by the variance",
        "variance over n − 1",
        "without scale and shift",
    )
    return None if how is None else (f"LayerNorm is another formula: {how}.", where(m["layer_norm"]))


@cause("layer_norm_eps", "Add a small number under the root: `sqrt(variance + 1e-5)`.")
def _layer_norm_eps(m: Mapping[str, Measurement]) -> Found:
    if not evidence_of(m, "layer_norm").get("no_eps"):
        return None
    return "LayerNorm divides by zero where all numbers of a position are equal.", where(m["layer_norm"])


@cause(
    "layer_norm_gradient_wrong",
    "Mean and deviation depend on x as well, so their gradients belong to that of x: compute them with operations of your "
    "Tensor, not from `.data`. By x it is (g - mean(g) - n · mean(g · n)) / deviation, with g the gradient times gamma and n the "
    "normalised numbers.",
)
def _layer_norm_gradient_wrong(m: Mapping[str, Measurement]) -> Found:
    measured = m.get("layer_norm_gradient")
    values = m.get("layer_norm")
    if measured is None or measured.passed or values is None or not values.value or values.value < 0.7:
        return None
    evidence = measured.evidence
    if "error_of_largest" not in evidence or evidence.get("forward_only"):
        return None
    off = evidence["error_of_largest"]
    words = f"by up to {off:.2g} of the largest gradient" if isinstance(off, float) else "and not finite"
    return f"LayerNorm goes forward rightly and backward wrongly: its gradients are off {words}.", {
        **where(measured),
        "error_of_largest": off,
    }


@cause(
    "gelu_gradient_wrong",
    "The derivative of x · Φ(x) is Φ(x) + x · Φ'(x): the product rule has two terms. Compute GELU with operations of your "
    "Tensor, or write both terms into its backward.",
)
def _gelu_gradient_wrong(m: Mapping[str, Measurement]) -> Found:
    measured = m.get("gelu_gradient")
    if measured is None or measured.passed or "largest_error" not in measured.evidence:
        return None
    return f"GELU goes backward wrongly. {measured.message}", dict(measured.evidence)


@cause(
    "embedding_gradient_overwritten",
    "`gradient[tokens] = grad` keeps only the last of equal tokens, and `gradient[tokens] += grad` too; use "
    "`np.add.at(gradient, tokens, grad)`.",
)
def _embedding_gradient_overwritten(m: Mapping[str, Measurement]) -> Found:
    if not evidence_of(m, "embedding_gradient").get("overwritten"):
        return None
    return "A token that occurs more than once keeps only its last gradient.", where(m["embedding_gradient"])


@cause(
    "parameters_left_out",
    "Return every tensor that shall learn from parameters(): those of the parts, of their parts, and lone ones.",
)
def _parameters_left_out(m: Mapping[str, Measurement]) -> Found:
    left_out = evidence_of(m, "gpt_scores").get("left_out") or []
    if not left_out:
        return None
    named = ", ".join(left_out[:4]) + (" …" if len(left_out) > 4 else "")
    return f"Tensors that want a gradient are not among the GPT's parameters(): {named}.", {"left_out": left_out}


# -- a whole GPT and its text ------------------------------------------------------------------------------------------

_UNDEFINED = re.compile(r"NameError: name '(\w{1,60})' is not defined")


@cause(
    "name_not_defined",
    "Import the name at the top of the file in which it is used, or define it there; notebooks that share one kernel hide "
    "this until the module is exported.",
)
def _name_not_defined(m: Mapping[str, Measurement]) -> Found:
    for measured in m.values():
        found = _UNDEFINED.search(measured.message) if measured.status is Status.CRASHED else None
        if found and measured.key != "package_import":
            words = f"The name {found[1]} is used and nowhere defined. {measured.title}: {measured.message}"
            return words, {"name": found[1], "check": measured.key}
    return None


@cause(
    "vocabulary_order",
    "A set of characters has another order in every run of Python. Sort it: `self.vocab = sorted(set(text))`.",
)
def _vocabulary_order(m: Mapping[str, Measurement]) -> Found:
    if not evidence_of(m, "vocabulary_order").get("order_changes"):
        return None
    return "The tokenizer numbers characters in the order of a set.", dict(evidence_of(m, "vocabulary_order"))


@cause(
    "temperature_ignored",
    "Divide the scores by the temperature before the softmax: `logits / temperature`.",
)
def _temperature_ignored(m: Mapping[str, Measurement]) -> Found:
    evidence = evidence_of(m, "generate_temperature")
    if not evidence.get("ignored") and not evidence.get("stuck"):
        return None
    return f"generate() ignores the temperature. {m['generate_temperature'].message}", dict(evidence)


@cause(
    "generate_beyond_context",
    "Hand the model the last tokens only: `tokens[:, -max_seq_len:]`. This mistake is also in the course's own code.",
)
def _generate_beyond_context(m: Mapping[str, Measurement]) -> Found:
    evidence = evidence_of(m, "generate_beyond_context")
    if not evidence.get("fails_beyond_context"):
        return None
    return m["generate_beyond_context"].message, dict(evidence)


@cause(
    "gpt_too_slow",
    "Python loops over batch, heads and positions cost a thousand times as much as matrix products: compute all scores at "
    "once, `queries @ keys.transpose(-2, -1)`, and all heads in one array (batch, heads, length, head_dim).",
)
def _gpt_too_slow(m: Mapping[str, Measurement]) -> Found:
    evidence = evidence_of(m, "learns")
    if not evidence.get("too_slow"):
        return None
    return f"The GPT is too slow to be trained here. {m['learns'].message}", dict(evidence)


@cause(
    "backward_walks_again",
    "Each operation must be visited once: bring the operations into an order in which each comes after all that use its "
    "result (topological order), add up the gradients that arrive at it, and only then go on. A backward() that calls itself "
    "for each input walks every path, and paths double wherever a result is used twice. This is also in the course's own code.",
)
def _backward_walks_again(m: Mapping[str, Measurement]) -> Found:
    evidence = evidence_of(m, "executed_calls")
    if not evidence.get("backward_repeats"):
        return None
    name, _, times = evidence["largest_backward"]
    return (
        f"backward() walks the same operations again and again: {name} was called {times:,} times or more for one look at a GPT "
        "of two blocks.",
        dict(evidence),
    )


@cause(
    "gpt_cannot_learn",
    "Build the GPT with operations that autograd knows, or bring trained weights: a submission.py with build_model(vocab_size) "
    "and weights/*.npz.",
)
def _gpt_cannot_learn(m: Mapping[str, Measurement]) -> Found:
    for key, name in (("learns", "no_way_to_learn"), ("gpt_gradients", "forward_only")):
        if evidence_of(m, key).get(name):
            return f"The GPT goes forward and can't be trained. {m[key].message}", {}
    return None


@cause(
    "components_rewritten",
    "Import the component of the earlier module and delete the copy: a framework has one Linear.",
)
def _components_rewritten(m: Mapping[str, Measurement]) -> Found:
    rewritten = evidence_of(m, "component_reuse").get("rewritten")
    if not rewritten:
        return None
    return f"Components of earlier milestones are written a second time: {', '.join(rewritten)}.", {"names": rewritten}


# -- symptoms ----------------------------------------------------------------------------------------------------------


@cause(
    "gradients_disagree",
    "Compare the backward of each operation with central differences, beginning with the parameters named.",
    symptom=True,
)
def _gradients_disagree(m: Mapping[str, Measurement]) -> Found:
    wrong = evidence_of(m, "gpt_gradients").get("wrong")
    if not wrong:
        return None
    return m["gpt_gradients"].message, {"parameters": list(wrong)[:20]}


@cause(
    "unreadable_text",
    "Look at the text and at the curve: does the loss still fall, does attention act?",
    symptom=True,
)
def _unreadable_text(m: Mapping[str, Measurement]) -> Found:
    measured = m.get("readable_text")
    if measured is None or not measured.n or measured.passed is not False:
        return None
    return f"What the GPT writes can't be read. {measured.message}", {}
