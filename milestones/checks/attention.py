"""The parts of a GPT against the reference, and a whole GPT by its behaviour: what it may see, what it uses, and whether
its gradients are those of what it computes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from milestones import exhibits, reference
from milestones.checks.outcome import cases, check, failed, information, sentence_of, statement
from milestones.contract import Measurement, Status
from milestones.lab import Comparison, Lab, compare
from milestones.proxy import Student
from milestones.proxy.language import GPTFacts, GPTSizes
from milestones.sandbox.session import StudentFault, StudentSide
from milestones.student.operations import Fault

#: The GPT whose mathematics is looked at: small, so that the slowest student code answers thousands of questions about it.
SMALL = GPTSizes(vocabulary=11, context=8, dim=8, layers=2, heads=2)
SINGLE = GPTSizes(vocabulary=11, context=8, dim=8, layers=1, heads=2)
LENGTH = 6
#: Largest change of a score, as a share of the scores' spread, that is rounding; a real effect is a thousand times as large.
ROUNDING = 1e-4
#: Largest relative error of a gradient, by what the student's code computes in; GELU is an approximation in most packages.
GRADIENT_TOLERANCES = {np.dtype(np.float64): 1e-3, np.dtype(np.float32): 5e-3}
GELU_TOLERANCE = 0.05
#: Numbers of each parameter whose gradient is tried, the largest gradient among them.
TRIED = 4
#: How far a number is moved for that, by precision: as little as rounding allows.
STEPS = {np.dtype(np.float64): 1e-3, np.dtype(np.float32): 1e-2}
LARGE_FACTORS = (1e3, 1e5, 1e7, 1e9)
PARAMETER_NAMES = (
    *("weight of the query", "bias of the query", "weight of the key", "bias of the key"),
    *("weight of the value", "bias of the value", "weight of the output", "bias of the output"),
)


# -- parts -------------------------------------------------------------------------------------------------------------


@check("gelu", "GELU, values and gradient", also=("gelu_gradient",))
def gelu(student: Student, lab: Lab) -> list[Measurement]:
    """Values against the exact function, within what the usual formulas with tanh and sigmoid miss it by; the derivative
    against that of the formula which the values follow."""
    random = lab.random("gelu")
    x = np.linspace(-4, 4, 97)[None] + random.uniform(-0.03, 0.03, size=(2, 97))
    upstream = random.uniform(0.5, 2, size=x.shape)
    title = gelu.title.partition(",")[0]
    try:
        answer, (gradient,) = student.part({"component": "gelu"}, x, upstream)
    except StudentFault as fault:
        if fault.code != Fault.MISSING:
            raise
        without = _gradient_by_other_means("gelu_gradient", "Gradient of GELU", student)
        return [statement("gelu", title, right=True, message="No GELU: the GPT does without it."), without]
    errors = {name: compare(answer, formula(x)) for name, formula in reference.GELU_FORMULAS.items()}
    formula = min(errors, key=lambda name: errors[name].largest_error)
    looks_like = {"ReLU": np.maximum(x, 0), "tanh": np.tanh(x), "sigmoid": reference.sigmoid(x)}
    values = cases(
        "gelu",
        title,
        [(f"nearest to the {formula} formula", errors[formula])],
        evidence={
            "formula": formula,
            "matches": [name for name, wrong in looks_like.items() if compare(answer, wrong).equal],
        },
    )
    return [values, _gelu_gradient(x, upstream, gradient, formula)]


def _gelu_gradient(x: NDArray, upstream: NDArray, gradient: NDArray, formula: str) -> Measurement:
    """The derivative against that of the formula which the values follow, on the scale of the derivative, which is 1."""
    title = "Gradient of GELU"
    if not gradient.size:
        return statement(
            "gelu_gradient", title, right=False, message="No gradient arrived.", evidence={"forward_only": True}
        )
    if gradient.shape != x.shape:
        return cases("gelu_gradient", title, [("gradient by x", compare(gradient, x))])
    truth = _derivative(reference.GELU_FORMULAS[formula], x)
    error = np.abs(gradient / upstream - truth)
    error = np.where(np.isfinite(error), error, np.inf)
    index = np.unravel_index(int(error.argmax()), error.shape)
    worst = float(error[index])
    return statement(
        "gelu_gradient",
        title,
        right=worst <= GELU_TOLERANCE,
        message=f"The derivative of GELU is off by at most {worst:.2g}"
        + (
            "."
            if worst <= GELU_TOLERANCE
            else f", at x = {x[index]:.3g}: {gradient[index] / upstream[index]:.3g} instead of {truth[index]:.3g}."
        ),
        evidence={
            "largest_error": _plain(worst),
            "x": float(x[index]),
            "got": _plain(float(gradient[index] / upstream[index])),
            "expected": float(truth[index]),
        },
    )


def _derivative(function: Callable[[NDArray], NDArray], x: NDArray) -> NDArray:
    """By central differences in float64, good to ten digits here."""
    return (function(x + 1e-5) - function(x - 1e-5)) / 2e-5


@check("layer_norm", "LayerNorm, values and gradients", also=("layer_norm_gradient",))
def layer_norm(student: Student, lab: Lab) -> list[Measurement]:
    """Values over several shapes and scales, rows of equal numbers among them, and gradients by inputs, scale and shift."""
    random = lab.random("layer_norm")
    size = 6
    part = {"component": "layer_norm", "size": size}
    scale, shift = 1 + 0.5 * random.normal(size=size), random.normal(size=size)
    comparisons, gradients, mutants = [], [], []
    for name, x in (
        ("a batch of texts", random.normal(size=(3, 5, size))),
        ("large and off-centre", 30 * random.normal(size=(4, 2, size)) + 100),
        ("a batch of rows", random.normal(size=(7, size))),
    ):
        upstream = random.normal(size=x.shape)
        answer, found = student.part(part, x, upstream, [scale, shift])
        comparisons.append((name, compare(answer, reference.layer_norm(x, scale, shift), tolerance=1e-3)))
        mutants.append({n for n, wrong in _layer_norm_mutants(x, scale, shift).items() if compare(answer, wrong).equal})
        truths = reference.layer_norm_gradients(x, scale, upstream)
        gradients += [(f"{of}, {name}", g, t) for of, g, t in zip(("x", "scale", "shift"), found, truths, strict=True)]
    equal = np.full((1, 2, size), 3.0)
    answer, _ = student.part(part, equal, None, [scale, shift])
    flat = compare(answer, np.broadcast_to(shift, equal.shape), tolerance=1e-3)
    comparisons.append(("numbers that are all equal", flat))
    values = cases(
        "layer_norm",
        layer_norm.title.partition(",")[0],
        comparisons,
        evidence={
            "matches": sorted(set.intersection(*mutants)),
            "no_eps": bool(not flat.equal and flat.same_shape and not np.isfinite(flat.got)),
        },
    )
    return [values, _gradients_of_part("layer_norm_gradient", "Gradients of LayerNorm", gradients)]


def _layer_norm_mutants(x: NDArray, scale: NDArray, shift: NDArray) -> dict[str, NDArray]:
    centred = x - x.mean(axis=-1, keepdims=True)
    return {
        "over the first axis": reference.layer_norm(x, scale, shift, axis=0),
        "over the second axis": reference.layer_norm(x, scale, shift, axis=1),
        "over the whole array": (x - x.mean()) / np.sqrt(x.var() + 1e-5) * scale + shift,
        "not centred": x / np.sqrt(x.var(axis=-1, keepdims=True) + 1e-5) * scale + shift,
        "divided by the variance": centred / (x.var(axis=-1, keepdims=True) + 1e-5) * scale + shift,
        "variance over n − 1": centred / np.sqrt(x.var(axis=-1, keepdims=True, ddof=1) + 1e-5) * scale + shift,
        "without scale and shift": centred / np.sqrt(x.var(axis=-1, keepdims=True) + 1e-5),
    }


@check("embedding", "Embedding, values and gradient", also=("embedding_gradient",))
def embedding(student: Student, lab: Lab) -> list[Measurement]:
    """Rows of the table in the order of the tokens; a token that occurs twice gets the sum of both gradients."""
    random = lab.random("embedding")
    table = random.normal(size=(9, 5))
    tokens = np.array([[1, 4, 4, 0], [8, 1, 4, 7]])
    upstream = random.normal(size=(2, 4, 5))
    part = {"component": "embedding", "vocabulary": 9, "size": 5}
    title = embedding.title.partition(",")[0]
    try:
        answer, (_, gradient) = student.part(part, tokens, upstream, [table])
    except StudentFault as fault:
        if fault.code != Fault.MISSING:
            raise
        return [
            _by_other_means("embedding", title, "embeds its tokens", student, lab, fault),
            _gradient_by_other_means("embedding_gradient", "Gradient of the embedding", student),
        ]
    values = cases("embedding", title, [("two texts of four tokens", compare(answer, table[tokens]))])
    truth = reference.embedding_gradient(tokens, 9, upstream)
    last = np.zeros_like(truth)
    last[tokens] = upstream
    measured = _gradients_of_part(
        "embedding_gradient",
        "Gradient of the embedding",
        [("table", gradient, truth)],
        evidence={"overwritten": bool(gradient.shape == last.shape and compare(gradient, last).equal)},
    )
    return [values, measured]


@check("positions_added", "Positions are added to what stands there")
def positions_added(student: Student, lab: Lab) -> Measurement:
    """Each position gets a vector of its own, the same for all texts, whatever stands there."""
    random = lab.random("positions_added")
    first, second = random.normal(size=(2, LENGTH, SMALL.dim)), random.normal(size=(1, LENGTH, SMALL.dim))
    part = {"component": "positions", "context": SMALL.context, "size": SMALL.dim}
    try:
        answers = [student.part(part, x, None)[0] for x in (first, second)]
    except StudentFault as fault:
        if fault.code != Fault.MISSING:
            raise
        return _by_other_means(positions_added.key, positions_added.title, "adds positions", student, lab, fault)
    if answers[0].shape != first.shape or answers[1].shape != second.shape:
        shown = compare(answers[0], first)
        return cases(positions_added.key, positions_added.title, [("a batch of texts", shown)])
    added = answers[0] - first
    findings = {
        "the same for every text": bool(np.allclose(added[0], added[1], atol=1e-4)),
        "another for every position": bool(np.ptp(added[0], axis=0).max() > 1e-4),
    }
    # Positions that are drawn anew for each question differ between the two; a constructor may do that.
    wrong = [name for name, right in findings.items() if not right]
    return statement(
        positions_added.key,
        positions_added.title,
        right=not wrong,
        message=f"What is added is not {wrong[0]}." if wrong else "Every position gets a vector of its own.",
        evidence={"wrong": wrong},
    )


def _by_other_means(key: str, title: str, does: str, student: Student, lab: Lab, fault: StudentFault) -> Measurement:
    """A GPT may embed tokens or add positions without a class for it: then the GPT itself is asked."""
    effect = _positions_effect(student, lab) if key == "positions_added" else _token_effect(student, lab)
    return statement(
        key,
        title,
        right=bool(effect > ROUNDING),
        message=f"No class of its own ({sentence_of(fault)}); the GPT {'' if effect > ROUNDING else 'hardly '}{does} by other "
        "means.",
        evidence={"effect": _plain(effect), "by_other_means": True},
    )


def _gradient_by_other_means(key: str, title: str, student: Student) -> Measurement:
    """What has no class of its own has its gradient tried with those of the whole GPT, if there are any."""
    backward = student.build_gpt(SMALL).has_autograd
    return statement(
        key,
        title,
        right=backward,
        message="No class of its own: tried with the whole GPT." if backward else "No gradient arrived: forward only.",
        evidence={"by_other_means": True, "forward_only": not backward},
    )


@check("attention", "Multi-head attention, values and gradients", also=("attention_gradient",))
def attention(student: Student, lab: Lab) -> list[Measurement]:
    """Self-attention without a mask (or always causal, where the class is made so) against the reference, and which
    well-known mistake the answers are."""
    random = lab.random("attention")
    comparisons: list[tuple[str, Comparison]] = []
    mutants: list[set[str]] = []
    gradients: list[tuple[str, NDArray, NDArray]] = []
    for texts, length, dim, heads in ((2, 5, 8, 2), (3, 4, 12, 3), (1, 7, 8, 4)):
        x = random.normal(size=(texts, length, dim))
        upstream = random.normal(size=x.shape)
        parameters = []
        for _ in range(4):
            parameters += [random.normal(size=(dim, dim)) * 1.5 / np.sqrt(dim), 0.3 * random.normal(size=dim)]
        part = {"component": "attention", "size": dim, "heads": heads, "length": length}
        answer, found = student.part(part, x, upstream, parameters)
        causal = compare(answer, reference.attention(x, parameters, heads, causal=True)).equal
        truth = reference.attention(x, parameters, heads, causal=causal)
        comparisons.append((f"{texts} texts of {length} with {heads} heads", compare(answer, truth)))
        wrongs = _attention_mutants(x, parameters, heads)
        mutants.append({name for name, wrong in wrongs.items() if compare(answer, wrong).equal})
        truths = reference.attention_gradients(x, parameters, heads, upstream, causal=causal)
        names = ("x", *PARAMETER_NAMES)
        for name, gradient, wanted in zip(names, found, truths, strict=True):
            # The gradient of the key's bias is zero, whatever the rest.
            if name != "bias of the key":
                gradients.append((f"{name}, {heads} heads", _as_stored(gradient, wanted), wanted))
    values = cases(
        "attention",
        attention.title.partition(",")[0],
        comparisons,
        evidence={"matches": sorted(set.intersection(*mutants))},
    )
    # Where the values are wrong, so are gradients: that is one mistake and not two.
    measured = _gradients_of_part("attention_gradient", "Gradients of attention", gradients)
    return [values, measured]


def _as_stored(gradient: NDArray, wanted: NDArray) -> NDArray:
    """The gradient, turned where weights are stored (out, in)."""
    turned = gradient.ndim == 2 and gradient.T.shape == wanted.shape
    return gradient.T if turned and compare(gradient.T, wanted, tolerance=5e-3).equal else gradient


def _attention_mutants(x: NDArray, parameters: Sequence[NDArray], heads: int) -> dict[str, NDArray]:
    """What well-known mistakes would answer, each with a mask and without."""
    dim = x.shape[-1]
    mistakes: dict[str, dict[str, Any]] = {
        "not scaled": {"scale": 1.0},
        "scaled by all numbers instead of those of a head": {"scale": 1 / np.sqrt(dim)},
        "scaled by d instead of its root": {"scale": heads / dim},
        "softmax over the queries": {"softmax_axis": -2},
        "softmax over the heads": {"softmax_axis": 1},
        "heads mixed up": {"mixed_heads": True},
        "uniform": {"scale": 0.0},
    }
    return {
        name: reference.attention(x, parameters, heads, causal=False, **settings) for name, settings in mistakes.items()
    }


def _gradients_of_part(
    key: str,
    title: str,
    found: Sequence[tuple[str, NDArray, NDArray]],
    *,
    evidence: dict[str, Any] | None = None,
) -> Measurement:
    """Compare gradients that arrived; where none did, the package goes forward only."""
    arrived = [(name, gradient, truth) for name, gradient, truth in found if gradient.size]
    if not arrived:
        return statement(
            key, title, right=False, message="No gradient arrived: forward only.", evidence={"forward_only": True}
        )
    missing = sorted({name.partition(",")[0] for name, gradient, _ in found if not gradient.size})
    comparisons, worst = [], 0.0
    unreached: set[str] = set(missing)
    for name, gradient, truth in found:
        shaped = gradient.reshape(truth.shape) if gradient.size == truth.size else gradient
        limit = GRADIENT_TOLERANCES[gradient.dtype]
        comparisons.append((f"gradient by {name}", compare(shaped, truth, tolerance=limit)))
        if gradient.size == truth.size:
            error = np.abs(shaped - truth).max() / max(float(np.abs(truth).max()), 1e-12)
            worst = max(worst, float(error) if np.isfinite(error) else np.inf)
            if np.abs(gradient).max() < 1e-3 * np.abs(truth).max():
                unreached.add(name.partition(",")[0])
    more = {"missing": missing, "unreached": sorted(unreached), "error_of_largest": _plain(worst), **(evidence or {})}
    return cases(key, title, comparisons, evidence=more)


# -- a whole GPT -------------------------------------------------------------------------------------------------------


def _tokens(lab: Lab, purpose: str, sizes: GPTSizes, *, texts: int = 2, length: int = LENGTH) -> NDArray[np.int64]:
    return lab.random(purpose).integers(0, sizes.vocabulary, size=(texts, length))


def _change(before: NDArray, after: NDArray) -> float:
    """Largest change of a score, as a share of the scores' spread; infinite where a score is not finite."""
    change = np.abs(after.astype(np.float64) - before) / max(float(np.std(before.astype(np.float64))), 1e-12)
    return float(change.max()) if np.isfinite(change).all() else float("inf")


def _plain(value: float) -> float | str:
    return value if np.isfinite(value) else str(value)


def _token_effect(student: Student, lab: Lab) -> float:
    """How much the scores at a position change with the token that stands there."""
    student.build_gpt(SMALL)
    ids = _tokens(lab, "token effect", SMALL)
    other = ids.copy()
    other[:, -1] = (other[:, -1] + 1) % SMALL.vocabulary
    before, after = (student.gpt_scores(tokens, SMALL.vocabulary) for tokens in (ids, other))
    return _change(before[:, -1], after[:, -1])


def _positions_effect(student: Student, lab: Lab) -> float:
    """How much the last scores of a GPT with a single block change with the order of what came before: without positions,
    attention sees a heap and not a row."""
    student.build_gpt(SINGLE)
    student.shake(draw=lab.public_seed("positions effect") % (1 << 31))
    ids = np.arange(2 * LENGTH).reshape(2, LENGTH) % SINGLE.vocabulary
    other = np.concatenate([ids[:, -2::-1], ids[:, -1:]], axis=1)
    before, after = (student.gpt_scores(tokens, SINGLE.vocabulary) for tokens in (ids, other))
    return _change(before[:, -1], after[:, -1])


@check("gpt_scores", "A GPT scores the next token at every position")
def gpt_scores(student: Student, lab: Lab) -> Measurement:
    """A GPT of the student's class is made, and answers (texts, length, vocabulary) finite numbers that depend on the text."""
    facts = student.build_gpt(SMALL)
    ids = _tokens(lab, "gpt_scores", SMALL, texts=3)
    scores = student.gpt_scores(ids, SMALL.vocabulary)
    finite = bool(np.isfinite(scores).all())
    differ = finite and _change(scores[0], scores[1]) > ROUNDING
    shorter = student.gpt_scores(ids[:1, :1], SMALL.vocabulary)
    right = finite and differ and bool(np.isfinite(shorter).all())
    lab.exhibit(
        exhibits.table(
            "gpt_parameters",
            f"What does a GPT of {SMALL.layers} blocks and {SMALL.dim} numbers learn?",
            ["Parameter", "Numbers"],
            [[name, int(size)] for name, size in zip(facts.names[:60], facts.sizes[:60], strict=True)],
        )
    )
    wrong = "" if right else "scores that are not finite" if not finite else "the same scores for every text"
    return statement(
        gpt_scores.key,
        gpt_scores.title,
        right=right,
        message=f"It gives {wrong}."
        if wrong
        else f"Finite scores; {int(facts.sizes.sum()):,} parameters in {len(facts.sizes)} arrays.",
        evidence={"parameters": int(facts.sizes.sum()), "arrays": len(facts.sizes), "left_out": list(facts.left_out)},
    )


@check("causality", "No position sees what comes after it")
def causality(student: Student, lab: Lab) -> Measurement:
    """Change tokens from some position on: scores before it must stay, scores from it on must not."""
    student.build_gpt(SMALL)
    student.shake(draw=lab.public_seed("causality") % (1 << 31))
    ids = _tokens(lab, "causality", SMALL)
    before = student.gpt_scores(ids, SMALL.vocabulary)
    leaks, reacts = [], []
    for position in range(1, LENGTH):
        other = ids.copy()
        other[:, position:] = (other[:, position:] + 1 + position) % SMALL.vocabulary
        after = student.gpt_scores(other, SMALL.vocabulary)
        leaks.append(_change(before[:, :position], after[:, :position]))
        reacts.append(_change(before[:, position:], after[:, position:]))
    leak, reaction = max(leaks), min(reacts)
    right = leak <= ROUNDING < reaction
    if leak > ROUNDING:
        first = next(i for i, value in enumerate(leaks, 1) if value > ROUNDING)
        message = (
            f"Changing the tokens from position {first} on changes earlier scores by {leak:.2g} of their spread: the future is "
            "seen."
        )
    elif not right:
        message = "The scores do not change with the tokens at all."
    else:
        message = f"Changing later tokens leaves earlier scores as they are (to {leak:.1g} of their spread)."
    return statement(
        causality.key,
        causality.title,
        right=right,
        message=message,
        evidence={"leak": _plain(leak), "reaction": _plain(reaction), "leaks": leak > ROUNDING},
    )


@check("positions_matter", "The order of the text matters")
def positions_matter(student: Student, lab: Lab) -> Measurement:
    """With one block the last scores must change with the order of what came before; and with the table of positions."""
    effect = _positions_effect(student, lab)
    student.build_gpt(SMALL)
    student.shake(draw=lab.public_seed("positions_matter") % (1 << 31))
    ids = _tokens(lab, "positions_matter", SMALL)
    before = student.gpt_scores(ids, SMALL.vocabulary)
    turned = student.turn_positions(LENGTH)
    table = _change(before, student.gpt_scores(ids, SMALL.vocabulary)) if turned else None
    right = effect > ROUNDING and (table is None or table > ROUNDING)
    words = "" if table is None else f", turning the table of positions upside down by {table:.2g}"
    return statement(
        positions_matter.key,
        positions_matter.title,
        right=bool(right),
        message=f"Another order of the tokens before changes the last scores by {effect:.2g} of their spread{words}.",
        evidence={"effect": _plain(effect), "table_effect": None if table is None else _plain(table)},
    )


@check("attention_acts", "Attention looks at what stands there")
def attention_acts(student: Student, lab: Lab) -> Measurement:
    """Doubling every query must change the scores: where it does not, all positions get equal weights, whatever stands there.

    Then larger factors are tried. Scores that only count once they are a thousand million times as large were lost by
    rounding beside a mask of that size.
    """
    student.build_gpt(SMALL)
    student.shake(draw=lab.public_seed("attention_acts") % (1 << 31))
    ids = _tokens(lab, "attention_acts", SMALL)
    before = student.gpt_scores(ids, SMALL.vocabulary)
    found = student.scale_queries(2.0)
    if not found:
        return information(
            attention_acts.key,
            attention_acts.title,
            "No query projection was found in the GPT, under a name such as q_proj or w_q; whether attention acts can't be "
            "told.",
            evidence={"not_found": True},
        )
    effect = _change(before, student.gpt_scores(ids, SMALL.vocabulary))
    constant, reacts_at = effect <= ROUNDING, None
    for factor in LARGE_FACTORS if constant else ():
        student.unchange()
        student.scale_queries(factor)
        if _change(before, student.gpt_scores(ids, SMALL.vocabulary)) > 10 * ROUNDING:
            reacts_at = factor
            break
    student.unchange()
    message = (
        f"Doubling every query changes the scores by {effect:.2g} of their spread."
        if not constant
        else "Doubling every query changes nothing: each position takes the plain mean of those it may see."
    )
    return statement(
        attention_acts.key,
        attention_acts.title,
        right=not constant,
        message=message,
        evidence={"effect": _plain(effect), "constant": constant, "reacts_at": reacts_at, "queries_found": found},
    )


@check("residual_connections", "Blocks add to what comes into them")
def residual_connections(student: Student, lab: Lab) -> Measurement:
    """With attention, or the dense layers, of every block answering zero, scores must still depend on the tokens: what comes
    into a block goes past them."""
    student.build_gpt(SMALL)
    student.shake(draw=lab.public_seed("residual_connections") % (1 << 31))
    ids = _tokens(lab, "residual_connections", SMALL)
    other = (ids + 1) % SMALL.vocabulary
    effects: dict[str, float] = {}
    for part in ("attention", "dense"):
        if student.silence(part, SMALL.dim):
            before, after = (student.gpt_scores(tokens, SMALL.vocabulary) for tokens in (ids, other))
            effects[part] = _change(before, after)
        student.unchange()
    if not effects:
        return information(
            residual_connections.key,
            residual_connections.title,
            "The layers of the GPT's blocks were not found apart, so nothing can be said about its shortcuts.",
        )
    missing = [part for part, effect in effects.items() if not effect > ROUNDING]
    names = {"attention": "attention", "dense": "the dense layers"}
    return statement(
        residual_connections.key,
        residual_connections.title,
        right=not missing,
        message=f"What goes past {' and '.join(names[part] for part in missing)} of a block is lost: with their answers at "
        "zero, the scores depend on nothing."
        if missing
        else "What comes into a block goes past its attention and its dense layers.",
        evidence={"missing": missing, "effects": {part: _plain(effect) for part, effect in effects.items()}},
    )


@check("gpt_gradients", "Every parameter's gradient is that of what the GPT computes")
def gpt_gradients(student: Student, lab: Lab) -> Measurement:
    """backward() through the whole GPT against central differences (fourth order), some numbers of every parameter."""
    random = lab.random("gpt_gradients")
    facts = student.build_gpt(SMALL)
    precision = student.load().precision
    student.shake(draw=lab.public_seed("gpt_gradients") % (1 << 31), precision=precision)
    ids = _tokens(lab, "gpt_gradients", SMALL)
    ids[0, :3] = ids[0, 0]  # a token that occurs more than once
    upstream = random.normal(size=(*ids.shape, SMALL.vocabulary))
    count = int(facts.sizes.sum())
    if not count:
        return statement(gpt_gradients.key, gpt_gradients.title, right=False, message="The GPT has no parameters().")
    try:
        gradient, arrived = student.gpt_gradient(ids, upstream, count, len(facts.sizes))
    except StudentFault as fault:
        if fault.code != Fault.NO_GRADIENT:
            raise
        measured = failed(gpt_gradients.key, gpt_gradients.title, fault)
        return replace(measured, evidence={**measured.evidence, "forward_only": True})
    tried, step = _tried(random, facts, gradient), STEPS[np.dtype(precision)]
    sums = student.nudge(ids, SMALL.vocabulary, *tried, step) @ upstream.reshape(-1)
    near, far = (sums[:, 2] - sums[:, 1]) / (2 * step), (sums[:, 3] - sums[:, 0]) / (4 * step)
    slopes = (4 * near - far) / 3
    limit = max(GRADIENT_TOLERANCES[np.dtype(precision)], GELU_TOLERANCE if _gelu_is_rough(student, lab) else 0.0)
    # Where the two differ, the curve bends within the step: so much the slope itself is uncertain.
    return _slopes_compared(facts, tried, gradient, slopes, 0.1 * np.abs(near - far), arrived, limit)


def _gelu_is_rough(student: Student, lab: Lab) -> bool:
    """Whether GELU goes backward by another formula than forward, within what is allowed: then so does all before it."""
    try:
        error = gelu.function(student, lab)[1].evidence.get("largest_error")
    except StudentSide:
        return False
    return isinstance(error, float) and 1e-3 < error <= GELU_TOLERANCE


def _tried(
    random: np.random.Generator, facts: GPTFacts, gradient: NDArray
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(parameter, place) of the numbers to try: of each parameter the one with the largest gradient and some at random."""
    starts = np.concatenate([[0], np.cumsum(facts.sizes)])
    which, places = [], []
    for number, size in enumerate(facts.sizes):
        if size:
            part = np.abs(np.nan_to_num(gradient[starts[number] : starts[number + 1]]))
            chosen = sorted({int(part.argmax()), *random.integers(0, size, TRIED - 1).tolist()})
            which += [number] * len(chosen)
            places += chosen
    return np.array(which, dtype=np.int64), np.array(places, dtype=np.int64)


def _slopes_compared(
    facts: GPTFacts,
    tried: tuple[NDArray[np.int64], NDArray[np.int64]],
    gradient: NDArray,
    slopes: NDArray,
    uncertain: NDArray,
    arrived: NDArray,
    limit: float,
) -> Measurement:
    """One row for each parameter: its largest error, on the scale of its largest slope, or of a hundredth of all."""
    which, places = tried
    claimed = gradient[np.concatenate([[0], np.cumsum(facts.sizes)])[which] + places]
    least = 1e-2 * float(np.nan_to_num(np.abs(slopes)).max())
    rows: list[list[Any]] = []
    wrong: dict[str, dict[str, Any]] = {}
    for number, name in enumerate(facts.names):
        mine = which == number
        if not mine.any():
            continue
        errors = np.maximum(np.abs(claimed[mine] - slopes[mine]) - uncertain[mine], 0) / max(
            float(np.abs(slopes[mine]).max()), least, 1e-12
        )
        errors = np.where(np.isfinite(errors), errors, np.inf)
        worst = int(errors.argmax())
        if not errors[worst] <= limit:
            wrong[name] = {
                "largest_relative_error": _plain(float(errors[worst])),
                "index": [int(places[mine][worst])],
                "got": _plain(float(claimed[mine][worst])),
                "expected": _plain(float(slopes[mine][worst])),
                "arrived": bool(arrived[number]),
                "reached": bool(np.abs(claimed[mine]).max() > 1e-3 * np.abs(slopes[mine]).max()),
            }
        rows.append([name, int(facts.sizes[number]), float(f"{min(errors[worst], 1e9):.2g}")])
    return _verdict(rows, wrong)


def _verdict(rows: list[list[Any]], wrong: dict[str, dict[str, Any]]) -> Measurement:
    total = len(rows)
    share = (total - len(wrong)) / total
    message = f"All {total} parameters have the gradient that central differences give."
    if wrong:
        name, worst = next(iter(wrong.items()))
        message = (
            f"{len(wrong)} of {total} parameters have another gradient than central differences give; {name} at "
            f"{worst['index'][0]}: backward() says {worst['got']:.4g}, it is {worst['expected']:.4g}."
            if all(isinstance(worst[key], float) for key in ("got", "expected"))
            else f"{len(wrong)} of {total} parameters have another gradient than central differences give, first {name}."
        )
    return Measurement(
        key=gpt_gradients.key,
        title=gpt_gradients.title,
        kind="share",
        status=Status.PASSED if not wrong else Status.PARTIAL if share > 0 else Status.WRONG,
        value=share,
        n=total,
        passed=not wrong,
        message=message,
        evidence={"wrong": dict(list(wrong.items())[:40]), "parameters": total, "errors": rows[:60]},
    )
