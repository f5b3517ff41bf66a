"""The student's own Trainer on a small network that the grader can follow: a pass of training, an evaluation, a checkpoint and
its reload in a fresh sandbox; and the DataLoader."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from milestones import reference
from milestones.checks.outcome import cases, check, failed, information, not_run, statement
from milestones.checks.trial import answers_right
from milestones.contract import Measurement, Status
from milestones.lab import Comparison, Lab, compare
from milestones.networks import Network, dense_chain
from milestones.proxy import Checkpoint, Student, TrainerAnswer
from milestones.proxy.training import BatchForm
from milestones.reference import training as loop
from milestones.sandbox.session import StudentFault, StudentSide
from milestones.student.operations import BATCH_FORMS, Evaluated, Fault

# Large enough that its weights are more than all else that a checkpoint may hold.
HIDDEN = 40
NETWORK = Network(layers=dense_chain(6, HIDDEN, 3), image=(1, 1, 6), classes=3)
BATCH, BATCHES, RATE = 8, 6, 0.2
# After this many updates float32 has lost some digits.
PASS_TOLERANCE = 2e-3
# What an Evaluate answer may be off in the fourth digit: means of float32 losses.
CLAIM_TOLERANCE = 1e-3

Parameters = tuple[NDArray[np.float64], ...]


@dataclass(frozen=True)
class Drawn:
    """What a Trainer is asked with: the parameters that it starts from, others for a fresh model, what it learns from, what it
    is evaluated on."""

    start: Parameters
    other: Parameters
    seen: tuple[NDArray, NDArray[np.int64]]
    unseen: tuple[NDArray, NDArray[np.int64]]

    @property
    def batches(self) -> list[loop.Batch]:
        inputs, labels = self.seen
        return [
            (inputs[first : first + BATCH], labels[first : first + BATCH]) for first in range(0, len(labels), BATCH)
        ]


def _draw(lab: Lab) -> Drawn:
    """Three classes around three centres, so that a pass teaches something. The batches to evaluate on are read rightly to
    different degrees, so that it shows if one stands for all."""
    random = lab.random("trainer")
    centres = random.normal(scale=1.5, size=(NETWORK.classes, 6))

    def parameters() -> Parameters:
        sizes = ((6, HIDDEN), (HIDDEN,), (HIDDEN, 3), (3,))
        return tuple(random.normal(scale=0.3 if len(size) > 1 else 0.1, size=size) for size in sizes)

    def sample(count: int) -> tuple[NDArray, NDArray[np.int64]]:
        labels = random.permutation(np.arange(count) % NETWORK.classes)
        return centres[labels] + random.normal(size=(count, 6)), labels

    start, seen = parameters(), sample(BATCH * BATCHES)
    inputs, labels = sample(BATCH * 4)
    drawn = Drawn(start, parameters(), seen, (inputs, labels))
    # What the trained network says, and another class for some of each batch: 7, 2, 5 and 4 of 8 remain right.
    said = loop.scores(loop.one_pass(start, drawn.batches, RATE), inputs).argmax(axis=1)
    for batch, right in enumerate((7, 2, 5, 4)):
        wrong = slice(batch * BATCH + right, (batch + 1) * BATCH)
        said[wrong] = (said[wrong] + random.integers(1, NETWORK.classes, size=BATCH - right)) % NETWORK.classes
    return Drawn(start, drawn.other, seen, (inputs, said))


@dataclass(frozen=True)
class Run:
    """What the Trainer did in one form of its batches, beside what it should have done."""

    form: BatchForm
    answer: TrainerAnswer
    drawn: Drawn

    @property
    def moved(self) -> bool:
        return not _same(self.answer.trained, self.drawn.start).equal

    @property
    def way(self) -> Comparison:
        """How the trained parameters differ from those of the reference, relative to how far those moved."""
        expected = loop.one_pass(self.drawn.start, self.drawn.batches, RATE)
        return _same(_ways(self.answer.trained, self.drawn.start), _ways(expected, self.drawn.start))

    @property
    def mistakes(self) -> list[str]:
        """The known mistakes that lead exactly there."""
        mutants = loop.pass_mutants(self.drawn.start, self.drawn.batches, RATE)
        way = _ways(self.answer.trained, self.drawn.start)
        return [name for name, wrong in mutants.items() if _same(way, _ways(wrong, self.drawn.start)).equal]

    def claims(self) -> tuple[bool, bool, dict[str, Any]]:
        """(whether the loss claimed is right, whether the accuracy is, evidence). A pair may come in either order; a share
        may be a percentage."""
        inputs, labels = self.drawn.unseen
        scores = loop.scores(self.answer.trained, inputs)
        loss = reference.cross_entropy(scores, labels)
        right = answers_right(scores, labels)
        accuracy = float(right.mean())
        pairs = [(self.answer.loss, self.answer.accuracy), (self.answer.accuracy, self.answer.loss)]
        claimed_loss, claimed = max(pairs, key=lambda pair: _near(pair[0], loss) + _is_share(pair[1], accuracy))
        batches = right.reshape(-1, BATCH).mean(axis=1)
        mutants = {
            "counts what is wrong": 1 - accuracy,
            "only the last batch": float(batches[-1]),
            "only the first batch": float(batches[0]),
            "sum over the batches": float(batches.sum()),
            "number of right answers": float(right.sum()),
            "right answers for each batch": float(right.sum() / len(batches)),
            "best class of each column": _over_columns(scores, labels),
        }
        evidence = {
            "claimed_loss": _finite(claimed_loss),
            "loss": loss,
            "claimed_accuracy": _finite(claimed),
            "accuracy": accuracy,
            "matches": [
                name for name, wrong in mutants.items() if _near(claimed, wrong) or _near(claimed, 100 * wrong)
            ],
        }
        return _near(claimed_loss, loss), _is_share(claimed, accuracy), evidence


def _over_columns(scores: NDArray, labels: NDArray[np.int64]) -> float:
    """What argmax over the batch instead of over the classes makes of the accuracy, batch by batch."""
    parts = [
        (scores[first : first + BATCH].argmax(axis=0), labels[first : first + BATCH])
        for first in range(0, len(labels), BATCH)
    ]
    return float(np.mean([(best == wanted[: len(best)]).mean() for best, wanted in parts]))


def _ways(parameters: Sequence[NDArray], start: Sequence[NDArray]) -> Parameters:
    return tuple(each - begin for each, begin in zip(parameters, start, strict=True))


def _same(found: Sequence[NDArray], wanted: Sequence[NDArray]) -> Comparison:
    flat = [np.concatenate([array.ravel() for array in arrays]) for arrays in (found, wanted)]
    return compare(flat[0], flat[1], tolerance=PASS_TOLERANCE)


def _near(claim: float, truth: float) -> bool:
    return bool(abs(claim - truth) <= CLAIM_TOLERANCE * max(abs(truth), 0.1))


def _is_share(claim: float, share: float) -> bool:
    return _near(claim, share) or _near(claim, 100 * share)


def _finite(value: float) -> float | str:
    return value if np.isfinite(value) else str(value)


def _run(student: Student, drawn: Drawn) -> Run:
    """The Trainer in the form of batches that it takes: the first in which it does all rightly, else the best. Forms that it
    refuses are no mistake; where it refuses all, the first refusal is raised."""
    best: tuple[int, Run] | None = None
    refusal: StudentFault | None = None
    for form in BATCH_FORMS:
        try:
            answer = student.run_trainer(
                NETWORK, form, batch=BATCH, rate=RATE, parameters=drawn.start, seen=drawn.seen, unseen=drawn.unseen
            )
        except StudentFault as fault:
            refusal = refusal or fault
            continue
        run = Run(form, answer, drawn)
        loss, accuracy, _ = run.claims()
        merit = 4 * run.moved + 2 * run.way.equal + loss + accuracy + (answer.outcome == Evaluated.WHOLLY)
        if best is None or merit > best[0]:
            best = (merit, run)
        if merit == 9:
            break
    if best is None:
        assert refusal is not None
        raise refusal
    return best[1]


# -- a pass and an evaluation ------------------------------------------------------------------------------------------

TITLES = {
    "trainer_pass": "Trainer: a pass over the batches",
    "trainer_updates": "Trainer: the weights move",
    "evaluate_harmless": "Trainer: evaluating changes nothing",
    "evaluate_loss": "Trainer: the loss that evaluating gives",
    "evaluate_accuracy": "Trainer: the accuracy that evaluating gives",
}


@check("trainer_pass", TITLES["trainer_pass"], also=tuple(key for key in TITLES if key != "trainer_pass"))
def trainer_pass(student: Student, lab: Lab) -> list[Measurement]:
    """One pass of the student's Trainer with the student's loss and SGD, then its evaluation."""
    try:
        run = _run(student, _draw(lab))
    except StudentSide as error:
        return [failed(key, title, error) for key, title in TITLES.items()]
    return [_pass(run), _updates(run), *_evaluation(student, run)]


def _pass(run: Run) -> Measurement:
    """Whether the parameters end where one step for each batch leads."""
    way = run.way
    evidence = {
        "mistakes": [] if way.equal else run.mistakes,
        "steps": run.answer.steps,
        "steps_with_gradients": run.answer.steps_with_gradients,
        "batches": BATCHES,
        "form": list(run.form[:2]) + (["one-hot labels"] if run.form[2] else []),
        "words": run.answer.words,
    }
    measured = cases(
        "trainer_pass", TITLES["trainer_pass"], [(f"{BATCHES} batches of {BATCH}", way)], evidence=evidence
    )
    if way.equal or evidence["mistakes"]:
        return measured
    words = (
        f"{measured.message} It works with your CrossEntropyLoss and your SGD: where one of them is wrong, so is this."
    )
    return replace(measured, message=words)


def _updates(run: Run) -> Measurement:
    inputs, labels = run.drawn.seen
    before = reference.cross_entropy(loop.scores(run.drawn.start, inputs), labels)
    after = reference.cross_entropy(loop.scores(run.answer.trained, inputs), labels)
    right = bool(run.moved and after < before)
    return statement(
        "trainer_updates",
        TITLES["trainer_updates"],
        right=right,
        message=f"One pass over {BATCHES} batches takes the loss on them from {before:.3f} to {after:.3f}."
        if run.moved
        else f"After a pass over {BATCHES} batches the weights are what they were.",
        evidence={"moved": run.moved, "loss_before": before, "loss_after": _finite(after)},
    )


def _evaluation(student: Student, run: Run) -> list[Measurement]:
    keys = ("evaluate_harmless", "evaluate_loss", "evaluate_accuracy")
    answer = run.answer
    if answer.outcome in (Evaluated.MISSING, Evaluated.RAISED):
        fault = (
            StudentFault(Fault.MISSING, (), "the Trainer has no method evaluate or validate")
            if answer.outcome == Evaluated.MISSING
            else StudentFault(Fault.RAISED, (), answer.words)
        )
        return [failed(key, TITLES[key], fault) for key in keys]
    harmless = _same(answer.evaluated, answer.trained)
    loss, accuracy, evidence = run.claims()
    if harmless.equal:
        claims = [
            _claim(
                "evaluate_loss",
                right=loss,
                claimed=evidence["claimed_loss"],
                truth=f"a mean cross-entropy of {evidence['loss']:.4g}",
                evidence=evidence,
            ),
            _claim(
                "evaluate_accuracy",
                right=accuracy,
                claimed=evidence["claimed_accuracy"],
                truth=f"a share of right answers of {evidence['accuracy']:.4g}",
                evidence=evidence,
            ),
        ]
    else:
        reason = "the weights are others after evaluating than before"
        claims = [not_run(key, TITLES[key], reason) for key in keys[1:]]
    if answer.outcome == Evaluated.METRIC_RAISED:
        key = "evaluate_accuracy"
        claims[1] = failed(key, TITLES[key], StudentFault(Fault.RAISED, (), answer.words))
    return [
        statement(
            "evaluate_harmless",
            TITLES["evaluate_harmless"],
            right=harmless.equal,
            message="Evaluating leaves the weights alone."
            if harmless.equal
            else f"Evaluating changes the weights: {harmless.sentence()}.",
            evidence={"changed": not harmless.equal},
        ),
        *claims,
    ]


def _claim(key: str, *, right: bool, claimed: float | str, truth: str, evidence: dict[str, Any]) -> Measurement:
    """Whether a number that evaluating answers is right. One that it does not answer is no mistake."""
    if claimed == "nan":
        return not_run(key, TITLES[key], f"evaluating does not answer it (it would be {truth})")
    message = f"{claimed:.4g}, as it is." if right else f"{_short(claimed)} for {truth}."
    return statement(key, TITLES[key], right=right, message=message, evidence=evidence)


def _short(claimed: float | str) -> str:
    return claimed if isinstance(claimed, str) else f"{claimed:.4g}"


# -- checkpoints -------------------------------------------------------------------------------------------------------


@check("checkpoint_reload", "A checkpoint brings the trained model back")
def checkpoint_reload(student: Student, lab: Lab) -> Measurement:
    """Train, save, and load into a fresh model in a fresh sandbox: it must predict what the trained one does, and not what the
    fresh one did. Expected values are computed here from the parameters."""
    drawn = _draw(lab)
    run = _run(student, drawn)
    # The Trainer that was asked last is the one that saves: ask the chosen form once more.
    answer = student.run_trainer(
        NETWORK, run.form, batch=BATCH, rate=RATE, parameters=drawn.start, seen=drawn.seen, unseen=drawn.unseen
    )
    checkpoint = student.save_checkpoint()
    student.start_afresh()
    inputs = lab.random("inputs after the reload").normal(size=(9, 6))
    outputs = student.reload_checkpoint(
        checkpoint, NETWORK, run.form, batch=BATCH, rate=RATE, parameters=drawn.other, inputs=inputs
    )
    trained, fresh = loop.scores(answer.evaluated, inputs), loop.scores(drawn.other, inputs)
    like_trained = compare(outputs, trained, tolerance=PASS_TOLERANCE)
    like_fresh = compare(outputs, fresh, tolerance=PASS_TOLERANCE).equal
    evidence = {
        "bytes": int(checkpoint.content.size),
        "files": int(checkpoint.lengths.size),
        "numbers_of_the_model": NETWORK.parameter_count,
        "holds_weights": _holds(checkpoint, answer.evaluated),
        "like_a_fresh_model": like_fresh,
        "trained": not _same(answer.evaluated, drawn.start).equal,
    }
    if like_fresh:
        return statement(
            "checkpoint_reload",
            checkpoint_reload.title,
            right=False,
            message="After loading the checkpoint, the model answers what it would have answered without.",
            evidence=evidence,
        )
    return cases(
        "checkpoint_reload",
        checkpoint_reload.title,
        [("outputs of the reloaded model", like_trained)],
        evidence=evidence,
    )


def _holds(checkpoint: Checkpoint, parameters: Parameters) -> bool:
    """Whether the bytes of the first weight stand in the files as they are in memory, in either precision and orientation."""
    content = checkpoint.content.tobytes()
    weight = parameters[0]
    return any(
        array.astype(dtype).tobytes() in content for array in (weight, weight.T) for dtype in (np.float64, np.float32)
    )


# -- metric and data loader --------------------------------------------------------------------------------------------


@check("data_loader", "DataLoader: every item once, with its own label")
def data_loader(student: Student, lab: Lab) -> Measurement:
    """One pass in order and one shuffled, over a number of items that the batch does not divide. Not every edition of the
    course has a DataLoader, so it earns nothing."""
    random = lab.random("data_loader")
    inputs, labels = random.normal(size=(22, 3)).astype(np.float32).astype(np.float64), np.arange(22)
    findings: dict[str, bool] = {}
    try:
        for shuffle in (False, True):
            xs, ys, sizes = student.data_loader(inputs, labels, batch=4, shuffle=shuffle)
            findings |= _pass_findings(inputs, labels, xs, ys, sizes, shuffle=shuffle)
    except StudentFault as fault:
        if fault.code != Fault.MISSING:
            raise
        return information(
            "data_loader", data_loader.title, "There is no DataLoader; batches of the grader's were used instead."
        )
    wrong = [name for name, right in findings.items() if not right]
    share = 1 - len(wrong) / len(findings)
    return Measurement(
        key="data_loader",
        title=data_loader.title,
        kind="share",
        status=Status.PASSED if not wrong else Status.PARTIAL if share else Status.WRONG,
        value=share,
        n=len(findings),
        passed=not wrong,
        message=f"Not so: {', '.join(wrong)}." if wrong else "In order and shuffled, nothing lost and nothing doubled.",
        evidence={"wrong": wrong},
    )


def _pass_findings(
    inputs: NDArray, labels: NDArray, xs: NDArray, ys: NDArray, sizes: NDArray, *, shuffle: bool
) -> Mapping[str, bool]:
    named = "shuffled" if shuffle else "in order"
    known = np.isin(ys, labels)
    whole = sorted(ys.tolist()) == labels.tolist()
    # A loader may drop the last batch where it is not full: then 20 of 22 items come.
    dropped = len(ys) == 20 and len(set(ys.tolist())) == 20 and bool(known.all())
    paired = len(xs) == len(ys) and bool(known.all()) and compare(xs, inputs[ys.astype(int)]).equal
    findings = {
        f"every item once {named}": whole or dropped,
        f"items keep their labels {named}": paired,
        f"batches of 4 {named}": bool((sizes[:-1] == 4).all()),
    }
    if shuffle:
        findings["another order when shuffled"] = ys.tolist() != labels[: len(ys)].tolist()
    else:
        findings["the given order when not shuffled"] = ys.tolist() == labels[: len(ys)].tolist()
    return findings
