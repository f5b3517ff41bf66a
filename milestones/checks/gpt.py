"""A whole GPT by its behaviour: what it may see, what it uses, and whether its gradients are those of what it computes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from milestones import exhibits
from milestones.checks.outcome import check, failed, information, statement
from milestones.contract import Measurement, Status
from milestones.lab import Lab
from milestones.proxy import Student
from milestones.proxy.language import GPTFacts, GPTSizes
from milestones.sandbox.session import StudentFault
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
#: More numbers than a GPT of this size can learn are no answer.
MOST_PARAMETERS = 100_000
#: How far a number is moved for that, by precision: as little as rounding allows.
STEPS = {np.dtype(np.float64): 1e-3, np.dtype(np.float32): 1e-2}
LARGE_FACTORS = (1e3, 1e5, 1e7, 1e9)


def _tokens(lab: Lab, purpose: str, sizes: GPTSizes, *, texts: int = 2, length: int = LENGTH) -> NDArray[np.int64]:
    return lab.random(purpose).integers(0, sizes.vocabulary, size=(texts, length))


def _change(before: NDArray, after: NDArray) -> float:
    """Largest change of a score, as a share of the scores' spread; infinite where a score is not finite."""
    change = np.abs(after.astype(np.float64) - before) / max(float(np.std(before.astype(np.float64))), 1e-12)
    return float(change.max()) if np.isfinite(change).all() else float("inf")


def acts(effect: float) -> bool:
    """Whether an effect is real: larger than rounding and a number. Scores that are not finite show nothing."""
    return bool(ROUNDING < effect < float("inf"))


def plain(value: float) -> float | str:
    return value if np.isfinite(value) else str(value)


def token_effect(student: Student, lab: Lab) -> float:
    """How much the scores at a position change with the token that stands there."""
    student.build_gpt(SMALL)
    ids = _tokens(lab, "token effect", SMALL)
    other = ids.copy()
    other[:, -1] = (other[:, -1] + 1) % SMALL.vocabulary
    before, after = (student.gpt_scores(tokens, SMALL.vocabulary) for tokens in (ids, other))
    return _change(before[:, -1], after[:, -1])


def positions_effect(student: Student, lab: Lab) -> float:
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
    right = leak <= ROUNDING and acts(reaction)
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
        evidence={"leak": plain(leak), "reaction": plain(reaction), "leaks": leak > ROUNDING},
    )


@check("positions_matter", "The order of the text matters")
def positions_matter(student: Student, lab: Lab) -> Measurement:
    """With one block the last scores must change with the order of what came before; and with the table of positions."""
    effect = positions_effect(student, lab)
    student.build_gpt(SMALL)
    student.shake(draw=lab.public_seed("positions_matter") % (1 << 31))
    ids = _tokens(lab, "positions_matter", SMALL)
    before = student.gpt_scores(ids, SMALL.vocabulary)
    turned = student.turn_positions(LENGTH)
    table = _change(before, student.gpt_scores(ids, SMALL.vocabulary)) if turned else None
    right = acts(effect) and (table is None or acts(table))
    words = "" if table is None else f", turning the table of positions upside down by {table:.2g}"
    return statement(
        positions_matter.key,
        positions_matter.title,
        right=bool(right),
        message=f"Another order of the tokens before changes the last scores by {effect:.2g} of their spread{words}.",
        evidence={"effect": plain(effect), "table_effect": None if table is None else plain(table)},
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
        right=acts(effect),
        message=message,
        evidence={"effect": plain(effect), "constant": constant, "reacts_at": reacts_at, "queries_found": found},
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
    missing = [part for part, effect in effects.items() if not acts(effect)]
    names = {"attention": "attention", "dense": "the dense layers"}
    return statement(
        residual_connections.key,
        residual_connections.title,
        right=not missing,
        message=f"What goes past {' and '.join(names[part] for part in missing)} of a block is lost: with their answers at "
        "zero, the scores depend on nothing."
        if missing
        else "What comes into a block goes past its attention and its dense layers.",
        evidence={"missing": missing, "effects": {part: plain(effect) for part, effect in effects.items()}},
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
    if not 0 < count <= MOST_PARAMETERS:
        return statement(
            gpt_gradients.key,
            gpt_gradients.title,
            right=False,
            message=f"The GPT has {count:,} parameters, which can't be: it was asked for {SMALL.dim} numbers at each position.",
        )
    try:
        gradient, arrived = student.gpt_gradient(ids, upstream, count, len(facts.sizes))
    except StudentFault as fault:
        if fault.code != Fault.NO_GRADIENT:
            raise
        measured = failed(gpt_gradients.key, gpt_gradients.title, fault)
        # Nothing is missing that could be added: it goes forward only.
        return replace(measured, evidence={"text": measured.evidence["text"], "forward_only": True})
    tried, step = _tried(random, facts, gradient), STEPS[np.dtype(precision)]
    sums = student.nudge(ids, SMALL.vocabulary, *tried, step) @ upstream.reshape(-1)
    near, far = (sums[:, 2] - sums[:, 1]) / (2 * step), (sums[:, 3] - sums[:, 0]) / (4 * step)
    slopes = (4 * near - far) / 3
    rough = lab.claims.get("gelu_error", 0.0)
    # GELU may go backward by another formula than forward, within what is allowed: then so does all before it.
    limit = GELU_TOLERANCE if 1e-3 < rough <= GELU_TOLERANCE else GRADIENT_TOLERANCES[np.dtype(precision)]
    # Where the two differ, the curve bends within the step: so much the slope itself is uncertain.
    return _slopes_compared(facts, tried, gradient, slopes, 0.1 * np.abs(near - far), arrived, limit)


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
                "largest_relative_error": plain(float(errors[worst])),
                "index": [int(places[mine][worst])],
                "got": plain(float(claimed[mine][worst])),
                "expected": plain(float(slopes[mine][worst])),
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
