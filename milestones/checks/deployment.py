"""The model as something to hand on: the same answers alone and in a batch, twice, after saving and loading elsewhere; clear
words about inputs that it can't answer; and smaller forms of it that still work."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from milestones import exhibits
from milestones.checks.outcome import check, failed, sentence_of, statement
from milestones.contract import Check, Measurement, Status
from milestones.lab import Lab
from milestones.networks import Network
from milestones.proxy import SavedModel, Student
from milestones.sandbox.session import StudentFault, StudentSide
from milestones.student.operations import BAD_INPUTS, Fault, Outcome

# Images asked about, and of a model that takes longer than so many CPU seconds for one of them.
PROBES, PROBES_OF_SLOW, SLOW_IMAGE = 16, 4, 0.05
# How far two answers may be apart, by the size of the scores, that are the same but for rounding.
ROUNDING = 1e-3
AMPLITUDE = 0.2
# Of the answers to random images, those that eight bits must leave: a correct form left 93 to 100 % on networks of ours, since
# scores of random images lie close together.
KEPT_BY_QUANTISATION = 0.75
# A form in eight bits takes a quarter; some bytes more for scales.
LEAST_SHRINKING = 3.0
# Half a step of 255 over the range, with room for rounding of the zero point.
LARGEST_STEP = 1.5 / 255
PRUNED, PRUNED_WITHIN = 0.3, 0.1
OWN_ERRORS = (
    "ValueError",
    "TypeError",
    "AssertionError",
    "RuntimeError",
    "IndexError",
    "KeyError",
    "NotImplementedError",
)
BAD_INPUT_WORDS = {
    "channels": "images with two channels too many",
    "row": "a single row of seven numbers",
    "words": "words instead of numbers",
    "nothing": "None",
}


def _same(one: NDArray, other: NDArray) -> bool:
    """Whether two answers are equal but for rounding; NaN never is."""
    size = max(float(np.abs(one[np.isfinite(one)]).max(initial=0.0)), 1e-12)
    return bool(np.isfinite(one).all() and (np.abs(one - other) <= ROUNDING * size).all())


def _apart(one: NDArray, other: NDArray) -> float:
    size = max(float(np.abs(one[np.isfinite(one)]).max(initial=0.0)), 1e-12)
    gap = float(np.abs(one - other).max(initial=0.0)) / size
    return gap if np.isfinite(gap) else 1e9


def _probes(student: Student, lab: Lab, network: Network, purpose: str, count: int = PROBES) -> NDArray[np.float32]:
    """Build the model, and draw images to ask it about: few for a slow model."""
    features = network.features(own=student.build(network).own_model)
    two = np.zeros((2, features), dtype=np.float32)
    student.logits(two, raw=True)
    seconds, _ = student.seconds_of(lambda: student.logits(two, raw=True))
    count = lab.settle_exactly(f"images for {purpose}", PROBES_OF_SLOW if seconds / 2 > SLOW_IMAGE else count)
    return lab.random(purpose).uniform(size=(count, features)).astype(np.float32)


def inference_of(network: Network) -> Check:
    """The check that the assessed model answers images alone and together, twice the same, and goes by its weights."""

    @check("inference_pipeline", "From images to answers", also=("deterministic", "single_and_batch", "fresh_answers"))
    def inference_pipeline(student: Student, lab: Lab) -> list[Measurement]:
        images = _probes(student, lab, network, "inference")
        together = student.logits(images, batch=len(images))
        finite = bool(np.isfinite(together).all())
        pipeline = statement(
            "inference_pipeline",
            inference_pipeline.title,
            right=finite,
            message=f"{len(images)} images give {together.shape[1]} finite scores each."
            if finite
            else f"{int((~np.isfinite(together)).any(axis=1).sum())} of {len(images)} images give scores that are not numbers.",
        )
        again = student.logits(images, batch=len(images), seed=1 + lab.public_seed("inference once more"))
        steady = _same(together, again) if finite else True
        deterministic = statement(
            "deterministic",
            "The same images get the same answers",
            right=finite and steady,
            message="The same images got the same scores twice."
            if steady
            else f"The same images got other scores the second time, {_apart(together, again):.1%} apart.",
            evidence={"unsteady": not steady},
        )
        return [
            pipeline,
            deterministic,
            _single_and_batch(student, images, together, steady),
            _fresh(student, lab, images),
        ]

    return inference_pipeline


def _single_and_batch(student: Student, images: NDArray, together: NDArray, steady: bool) -> Measurement:
    alone = student.logits(images, batch=1)
    order = np.arange(len(images))[::-1]
    mixed = student.logits(images[order], batch=len(images) // 2)[order]
    apart = max(_apart(together, alone), _apart(together, mixed))
    right = _same(together, alone) and _same(together, mixed)
    return statement(
        "single_and_batch",
        "An image gets the same answer alone and in a batch",
        right=right,
        message="Alone and in batches of any make-up, every image gets the same scores."
        if right
        else f"Scores of an image depend on what else is in the batch: up to {apart:.1%} apart from its scores alone.",
        evidence={"apart": apart, "depends_on_batch": steady and not right},
    )


def _fresh(student: Student, lab: Lab, images: NDArray) -> Measurement:
    """Answers follow the input and the weights as they are now, not as they once were."""
    moved = np.clip(images + lab.random("moved images").normal(0, 0.2, images.shape), 0, 1).astype(np.float32)
    first = student.logits(images, batch=len(images))
    by_input = not np.array_equal(first, student.logits(moved, batch=len(images)))
    student.disturb(amplitude=AMPLITUDE, disturbance=lab.public_seed("fresh answers"))
    by_weights = not np.array_equal(first, student.logits(images, batch=len(images)))
    # Never seen before, so never answered from memory: whether the weights have any say at all.
    unseen = lab.random("unseen images").uniform(size=images.shape).astype(np.float32)
    before = student.logits(unseen, batch=len(images))
    student.disturb(amplitude=AMPLITUDE, disturbance=lab.public_seed("fresh answers again"))
    answers = student.logits(np.clip(unseen + np.float32(1e-4), 0, 1), batch=len(images))
    weights_matter = not _same(before, answers)
    stale = (not by_input) or (not by_weights and weights_matter)
    words = "other images" if not by_input else "the same images after the weights were changed"
    return statement(
        "fresh_answers",
        "Answers follow the image and the weights",
        right=not stale,
        message=f"Scores are those of an earlier call, for {words}."
        if stale
        else "New images and new weights give new scores.",
        evidence={"stale": stale, "ignores": "images" if not by_input else "weights" if stale else ""},
    )


# -- saving and loading --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Reloaded:
    """What came of loading a saved model: the scores before and after, and whether it could be loaded at all."""

    saved: NDArray
    before: NDArray
    after: NDArray | None
    trouble: str = ""

    @property
    def equal(self) -> bool:
        return self.after is not None and _same(self.saved, self.after)

    @property
    def unchanged(self) -> bool:
        """Whether loading did nothing at all."""
        return self.after is not None and np.array_equal(self.before, self.after)


def save_and_load_of(network: Network) -> Check:
    """The check that a model saved by the student's code is the same once it was loaded in a fresh sandbox."""

    @check("save_and_load", "A saved model is the same in a fresh program", also=("saved_plainly",))
    def save_and_load(student: Student, lab: Lab) -> list[Measurement]:
        images = _probes(student, lab, network, "save_and_load")
        student.disturb(amplitude=AMPLITUDE, disturbance=lab.public_seed("saved model"))
        scores = student.logits(images)
        saved = student.save()
        size = saved.content.size
        lab.figure("Saved model", f"{size / 1e6:.2g} MB, by {saved.means}")
        student.start_afresh()
        there = _load_there(student, lab, network, images, saved, scores)
        evidence = {
            "means": saved.means,
            "bytes": size,
            "trouble": there.trouble,
            "unchanged": there.unchanged,
            "apart": None if there.after is None else _apart(scores, there.after),
        }
        if there.equal:
            message = f"Saved by {saved.means} ({size / 1e6:.2g} MB), loaded in a fresh program: the same scores."
        else:
            evidence["works_here"] = _works_here(student, lab, network, images)
            message = there.trouble or (
                "Loading in a fresh program changes nothing."
                if there.unchanged
                else f"Loaded in a fresh program, the model gives other scores, {evidence['apart']:.1%} apart."
            )
        return [
            statement("save_and_load", save_and_load.title, right=there.equal, message=message, evidence=evidence),
            _plainly(saved),
        ]

    return save_and_load


def _load_there(
    student: Student, lab: Lab, network: Network, images: NDArray, saved: SavedModel, scores: NDArray
) -> _Reloaded:
    """Load it where the program has just begun; its model is built anew and unlike the saved one."""
    student.build(network)
    student.disturb(amplitude=AMPLITUDE, disturbance=lab.public_seed("another model"))
    before = student.logits(images)
    try:
        student.load_saved(saved)
        return _Reloaded(scores, before, student.logits(images))
    except StudentFault as fault:
        return _Reloaded(scores, before, None, f"Loading fails in a fresh program: {sentence_of(fault)}.")


def _works_here(student: Student, lab: Lab, network: Network, images: NDArray) -> bool:
    """Whether saving and loading work as long as the program does not end."""
    try:
        student.build(network)
        student.disturb(amplitude=AMPLITUDE, disturbance=lab.public_seed("saved model"))
        scores = student.logits(images)
        saved = student.save()
        student.disturb(amplitude=AMPLITUDE, disturbance=lab.public_seed("another model"))
        student.load_saved(saved)
        return _same(scores, student.logits(images))
    except StudentSide:
        return False


def _plainly(saved: SavedModel) -> Measurement:
    plain = not saved.holds_whole_objects
    return statement(
        "saved_plainly",
        "A saved model is numbers, not objects",
        right=plain,
        message="The saved file holds numbers."
        if plain
        else "The saved file is a pickle of your own classes: it runs code when it is loaded, and breaks when a class moves.",
        evidence={"whole_objects": not plain},
    )


# -- bad inputs ----------------------------------------------------------------------------------------------------------


def bad_inputs_of(network: Network) -> Check:
    """The check that the assessed model says clearly what is wrong with an input that it can't answer."""

    @check("bad_inputs", "Bad inputs are refused with clear words")
    def bad_inputs(student: Student, lab: Lab) -> Measurement:
        student.build(network)
        rows, points, answered, ended = [], 0.0, [], []
        for kind in BAD_INPUTS:
            outcome, text, worth = _refusal(student, network, kind)
            points += worth
            rows.append([BAD_INPUT_WORDS[kind], outcome, text])
            answered += [kind] if outcome == "answered" else []
            ended += [kind] if outcome == "ended the program" else []
        share = points / len(BAD_INPUTS)
        lab.exhibit(
            exhibits.table("bad_inputs", "What happens to bad inputs?", ["Input", "Outcome", "What was said"], rows)
        )
        problem = next(([words, *more] for words, *more in rows if more[0] != "refused"), None)
        return Measurement(
            key="bad_inputs",
            title=bad_inputs.title,
            kind="share",
            status=Status.PASSED if share == 1 else Status.PARTIAL if share else Status.WRONG,
            value=share,
            n=len(BAD_INPUTS),
            passed=share >= 0.75,
            message=f"For {problem[0]}: {problem[1]} ({problem[2][:200]})."
            if problem
            else f"All {len(BAD_INPUTS)} bad inputs are refused with an exception that says why.",
            evidence={"answered": answered, "ended": ended, "rows": rows},
        )

    return bad_inputs


def _refusal(student: Student, network: Network, kind: str) -> tuple[str, str, float]:
    """(outcome, its words, what it is worth): an exception that says something is worth all, one of Python's about the
    insides of a program a half."""
    try:
        outcome, text = student.bad_input(kind)
    except StudentFault as fault:
        return "not tried", sentence_of(fault), 0.0
    except StudentSide as error:
        student.build(network)
        return "ended the program", sentence_of(error), 0.0
    if outcome is Outcome.ENDED:
        return "ended the program", text, 0.0
    if outcome is Outcome.ANSWERED:
        return "answered", text, 0.0
    name, _, words = text.partition(": ")
    return ("refused", text, 1.0) if name in OWN_ERRORS and len(words) >= 10 else ("unclear", text, 0.5)


# -- smaller forms -------------------------------------------------------------------------------------------------------


def optimisations_of(network: Network) -> Check:
    """The check that whatever the package offers to make a model smaller, or to look into it, holds what it promises.
    What is not there counts neither for nor against."""

    @check("optimisations", "Optimisations hold what they promise")
    def optimisations(student: Student, lab: Lab) -> list[Measurement]:
        tried = (_quantisation, _pruning, _profiler)
        found = [found for look in tried if (found := _where_present(look, student, lab, network)) is not None]
        if not found:
            return [
                Measurement(
                    key="optimisations",
                    title=optimisations.title,
                    kind="share",
                    status=Status.INFORMATION,
                    value=1.0,
                    message="The package offers no quantisation, pruning or profiler; that counts neither for nor against it.",
                )
            ]
        share = float(np.mean([measurement.value or 0.0 for measurement in found]))
        problem = next((m for m in found if not m.passed), None)
        return [
            *found,
            Measurement(
                key="optimisations",
                title=optimisations.title,
                kind="share",
                status=Status.PASSED if share == 1 else Status.PARTIAL if share else Status.WRONG,
                value=share,
                n=len(found),
                passed=problem is None,
                message=problem.message if problem else f"{len(found)} found, all of them work.",
                evidence={"found": [m.key for m in found]},
            ),
        ]

    return optimisations


Look = Callable[[Student, Lab, Network], Measurement]


def _where_present(look: Look, student: Student, lab: Lab, network: Network) -> Measurement | None:
    try:
        return look(student, lab, network)
    except StudentFault as fault:
        if fault.code == Fault.MISSING:
            return None
        return failed(look.__name__.strip("_"), TITLES[look.__name__], fault)


TITLES = {
    "_quantisation": "Quantisation keeps the model and shrinks it",
    "_pruning": "Pruning removes the share that it is told to",
    "_profiler": "The profiler counts the parameters rightly",
}


def _quantisation(student: Student, lab: Lab, network: Network) -> Measurement:
    array = lab.random("quantisation").normal(0.1, 0.5, size=(64, 32)).astype(np.float32)
    restored, taken, means = student.quantise(array)
    fits = restored.shape == array.shape
    step = float(np.abs(restored - array).max() / np.ptp(array)) if fits else float("inf")
    images = _probes(student, lab, network, "quantised model", 100)
    before = student.logits(images, raw=True).argmax(axis=1)
    parameters, bits = student.quantise_model()
    kept = float((student.logits(images, raw=True).argmax(axis=1) == before).mean())
    exact = bool(step <= LARGEST_STEP)
    # Less than a bit for each number is no form of it.
    shrinks = array.size <= 8 * taken and array.nbytes >= LEAST_SHRINKING * taken
    lab.figure(
        "Quantisation", f"{bits / 1e6:.2g} MB instead of {parameters / 1e6:.2g} MB, {kept:.0%} of the answers stay"
    )
    words = f"{means} makes {array.nbytes:,} bytes {taken:,}; {kept:.0%} of the model's answers stay the same."
    return Measurement(
        key="quantisation",
        title=TITLES["_quantisation"],
        kind="share",
        status=Status.PASSED if exact and shrinks and kept >= KEPT_BY_QUANTISATION else Status.PARTIAL,
        value=(exact + shrinks + (kept >= KEPT_BY_QUANTISATION)) / 3,
        passed=exact and shrinks and kept >= KEPT_BY_QUANTISATION,
        message=words,
        evidence={
            "means": means,
            "bytes_before": array.nbytes,
            "bytes_after": taken,
            "step": step if np.isfinite(step) else str(step),
            "kept": kept,
            "destroys": not exact or kept < KEPT_BY_QUANTISATION,
            "shrinks": shrinks,
        },
    )


def _pruning(student: Student, lab: Lab, network: Network) -> Measurement:
    student.build(network)
    zeros, count, means = student.prune(PRUNED)
    share = zeros / max(count, 1)
    right = abs(share - PRUNED) <= PRUNED_WITHIN
    return statement(
        "pruning",
        TITLES["_pruning"],
        right=right,
        message=f"{means} was told to remove {PRUNED:.0%} of the weights; {share:.0%} are zero.",
        evidence={"means": means, "share": share},
    )


def _profiler(student: Student, lab: Lab, network: Network) -> Measurement:
    facts = student.build(network)
    counted, means = student.profile()
    return statement(
        "profiler",
        TITLES["_profiler"],
        right=counted == facts.parameter_count,
        message=f"{means} says {counted:,} parameters; there are {facts.parameter_count:,}.",
        evidence={"means": means, "counted": counted, "parameters": facts.parameter_count},
    )
