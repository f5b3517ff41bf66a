"""Whatever the sandboxed side answers, the trusted side makes plain measurements of it: it never raises, and what it
writes down is valid JSON of Python's own types, in lines that a page and a database can hold."""

from __future__ import annotations

import dataclasses
import json
import unicodedata
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from milestones import registry, rubric
from milestones.catalog import samples
from milestones.catalog.basic_inference.evaluation import RECIPE
from milestones.checks.outcome import failed
from milestones.checks.trial import Trial
from milestones.contract import Status
from milestones.datasets.data import image_data
from milestones.datasets.store import DataStore
from milestones.diagnosis import diagnose
from milestones.discovery import PackageLocation
from milestones.evaluate import evaluate
from milestones.lab import Lab
from milestones.proxy import LoadReport, Student
from milestones.sandbox.protocol import array_to_text, text_to_array
from milestones.sandbox.session import Expected, Sandbox, StudentCrashed, StudentFault, StudentSide, StudentTimedOut
from milestones.student.operations import COMPONENT_NAMES, REPORT_BYTES, Fault, Operation

MILESTONE = registry.get(1)
EXECUTING = [check for group in MILESTONE.groups[:2] for check in group.checks]

NASTY_TEXTS = st.one_of(
    st.text(max_size=60),
    st.sampled_from(
        [
            "<script>alert(1)</script>",
            "\x1b[31mred\x1b[0m",
            "a\tb\nc\rd\x00e",
            "{{ settings.SECRET_KEY }}",
            "'; DROP TABLE submissions; --",
            "=HYPERLINK(1)",
            "\u202egnp.exe",
            "x" * 5_000,
            "%s %(a)s {0} {key}",
            "component:tensor",
        ]
    ),
)
REPORTS = st.lists(st.lists(NASTY_TEXTS, min_size=1, max_size=4).map("\t".join), max_size=30).map("\n".join)

# Numbers that break arithmetic: not finite, the largest, the smallest, none at all.
FILLINGS = {
    "NaN": np.nan,
    "infinity": np.inf,
    "minus infinity": -np.inf,
    "the largest": np.finfo(np.float32).max,
    "the lowest": np.finfo(np.float32).min,
    "denormal": 1e-45,
    "zero": 0.0,
    "one": 1.0,
}
# Where each entry is drawn anew, one in several of these is among ordinary numbers.
MIXTURES = ("ordinary", "huge", "with NaN", "with infinity", "probabilities")
SHAPES = ((), (0,), (0, 3), (3, 0, 2), (1,), (7,), (1, 1), (2, 5), (5, 2), (1, 4, 3), (2, 1, 3, 1))


class HostileParty:
    """What stands at the other end of the connection: answers in any way that the protocol lets through.

    ``moves`` are (kind, seed): which answer comes next, over and over.
    """

    submission_path = "/submission"

    def __init__(self, moves, *, shaped=True):
        self.moves, self.shaped = moves, shaped
        self.asked = 0
        self.alive = True
        self.log = ""
        self.usage = SimpleNamespace(cpu_seconds=0.0, peak_memory_bytes=0, limits="none")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.alive = False

    def ask(self, operation, arrays, *, expect, cpu_seconds=None, on_wait=None):
        kind, seed = self.moves[self.asked % len(self.moves)]
        self.asked += 1
        random = np.random.default_rng(seed + self.asked)
        if operation is Operation.IMPORT:
            return [np.zeros(1, dtype=np.int64)]
        if kind == "fault":
            raise StudentFault(int(random.choice([*Fault, 0, 99, -1, 2**63 - 1])), (-1, 2**62), "a\nb\t<b> " * 999)
        if kind == "ends" and operation not in (Operation.LOAD, Operation.REPORT):
            self.alive = False
            raise StudentCrashed("the program ended\n", 1, "")
        if kind == "time":
            self.alive = False
            raise StudentTimedOut(20.0, 21.0, bool(seed % 2))
        shapes = self._right_shapes(operation, arrays) if self.shaped else []
        answers = [
            self._answer(kind, expected, shapes[position] if position < len(shapes) else None, random)
            for position, expected in enumerate(expect)
        ]
        for answer, expected in zip(answers, expect, strict=True):
            assert expected.accepts(answer.dtype, answer.shape), "the protocol would have refused this"
        return answers

    @staticmethod
    def _right_shapes(operation, arrays):
        asked = json.loads(array_to_text(arrays[0], 1 << 20))
        if operation is Operation.FORWARD:
            last = asked.get("outputs") or (asked.get("layers") or [{}])[-1].get("outputs")
            return [(len(arrays[1]), last) if last else arrays[1].shape]
        if operation is Operation.GRADIENT:
            return [arrays[1].shape, *(array.shape for array in arrays[3:])]
        return []

    @staticmethod
    def _answer(kind, expected: Expected, right_shape, random):
        dtype = expected.dtypes[random.integers(len(expected.dtypes))]
        if dtype == np.uint8:
            words = random.choice(
                ["a\tok\t", "component:tensor\tok\tx", "<i>\n\x1b[1m\t", "x" * 900, "ünï\u2028çødé 🔥 "], 9
            )
            return text_to_array("\n".join(words))[: expected.max_elements]
        shape = expected.shape
        if shape is None:
            shape = right_shape if right_shape is not None else SHAPES[random.integers(len(SHAPES))]
        if dtype == np.int64:
            return random.choice([-(2**63), -1, 0, 1, 2, 50_890, 2**63 - 1], size=shape)
        values = np.full(shape, FILLINGS[kind]) if kind in FILLINGS else _mixture(kind, shape, random)
        with np.errstate(over="ignore"):
            return values.astype(dtype)


def _mixture(kind, shape, random):
    values = random.normal(size=shape)
    if kind == "huge":
        return values * 1e38
    if kind == "probabilities":
        values = np.abs(values) + 1e-30
        return values / values.sum(axis=-1, keepdims=True) if values.ndim else values
    odd = {"with NaN": np.nan, "with infinity": np.inf}.get(kind)
    return values if odd is None else np.where(random.random(shape) < 0.2, odd, values)


KINDS = (*FILLINGS, *MIXTURES, "fault", "ends", "time")
MOVES = st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 9)), min_size=1, max_size=6)


def student_of(party):
    return Student(open_sandbox=lambda seconds: party, location=PackageLocation(), cpu_seconds=20, seed=1, blocked={})


def measured(check, student):
    """What the evaluation makes of a check: only failures of the student's side may come out of it."""
    try:
        answer = check.function(student, Lab(seed=3, datasets=DataStore(None), mark=0.85))
    except StudentSide as error:
        answer = failed(check.key, check.title, error)
    return answer if isinstance(answer, list) else [answer]


def assert_plain(value):
    """Python's own types only, no NaN, texts in one line without control characters."""
    if isinstance(value, dict):
        for key, inner in value.items():
            assert type(key) is str
            assert_plain(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            assert_plain(inner)
    elif isinstance(value, str):
        assert len(value) < 5_000
        assert not {unicodedata.category(character) for character in value} & {"Cc", "Cs", "Zl", "Zp"}, repr(value)
    else:
        assert value is None or type(value) in (bool, int, float), repr(value)
        assert type(value) is not float or np.isfinite(value)


def assert_reportable(measurements):
    """They can be diagnosed, scored and written down."""
    as_json = [dataclasses.asdict(found) for found in measurements]
    assert_plain([{**found, "status": str(found["status"])} for found in as_json])
    assert json.loads(json.dumps(as_json, allow_nan=False)) is not None
    for diagnosis in diagnose(measurements):
        assert_plain(dataclasses.asdict(diagnosis))
    assert 0 <= rubric.score(MILESTONE.rubric, measurements).score <= 100
    for found in measurements:
        assert found.value is None or 0 <= found.value <= 1
        assert found.passed in (True, False, None)


# -- the report of what was loaded -----------------------------------------------------------------------------------------


@given(st.one_of(REPORTS, st.text(max_size=500)))
@example("component:tensor\tok\tx\ncomponent:tensor\tmissing\ty")
@example("a\tok\t\n" * 3_000)
@example("\t\t\n\t\t\t\nprecision:\tfloat16\t")
def test_a_report_of_any_text_is_read(text):
    report = LoadReport.parse(array_to_text(text_to_array(text)[:REPORT_BYTES], REPORT_BYTES))
    assert report.precision in ("float32", "float64")
    assert set(report.components) | set(report.missing) <= set(COMPONENT_NAMES)
    assert len(report.loaded) + len(report.failed) + len(report.syntax) <= 500
    assert_plain([*report.loaded, report.failed, report.syntax, report.exported, report.components, report.missing])


@given(
    st.dictionaries(st.sampled_from(sorted(COMPONENT_NAMES)), st.booleans()),
    st.lists(st.sampled_from("abcdef"), unique=True),
)
def test_a_report_in_the_form_that_our_side_writes_comes_through_whole(components, modules):
    lines = [f"component:{name}\t{'ok' if there else 'missing'}\twhy" for name, there in components.items()]
    states = ["ok", "failed", "syntax", "exported", "stopped"]
    given_states = {name: states[number % 5] for number, name in enumerate(modules)}
    lines += [f"{name}\t{state}\twhy" for name, state in given_states.items()]
    report = LoadReport.parse("\n".join(lines))
    assert set(report.components) == {name for name, there in components.items() if there}
    assert set(report.missing) == {name for name, there in components.items() if not there}
    assert set(report.loaded) == {name for name, state in given_states.items() if state == "ok"}
    assert set(report.failed) == {name for name, state in given_states.items() if state in ("failed", "stopped")}
    assert report.usable is components.get("tensor", False)


def test_the_first_word_about_a_module_counts():
    report = LoadReport.parse("tensor\tok\t\ntensor\tfailed\tlater")
    assert (report.loaded, report.failed) == (("tensor",), {})


# -- checks of single components -------------------------------------------------------------------------------------------


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(MOVES, st.booleans())
def test_any_answers_become_plain_measurements(moves, shaped):
    student = student_of(HostileParty([("ordinary", 0), *moves], shaped=shaped))
    assert_reportable([found for check in EXECUTING for found in measured(check, student)])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shaped", [True, False], ids=["in the right shape", "in any shape"])
def test_one_kind_of_answer_throughout_earns_nothing_for_mathematics(kind, shaped):
    student = student_of(HostileParty([(kind, 1)], shaped=shaped))
    measurements = [found for check in EXECUTING for found in measured(check, student)]
    assert_reportable(measurements)
    assert not [found.key for found in measurements if found.key.endswith("_forward") and found.passed]


def test_a_report_that_is_refused_is_the_students_failure():
    class Refusing(HostileParty):
        def ask(self, operation, arrays, *, expect, **more):
            if operation is Operation.REPORT:
                raise StudentFault(Fault.BAD_REQUEST, (), "no")
            return super().ask(operation, arrays, expect=expect, **more)

    student = student_of(Refusing([("ordinary", 0)]))
    measurements = [found for check in EXECUTING for found in measured(check, student)]
    assert_reportable(measurements)
    assert {found.status for found in measurements} == {Status.CRASHED}


def test_eight_million_numbers_are_looked_at_and_are_wrong():
    class Giant(HostileParty):
        def ask(self, operation, arrays, *, expect, **more):
            if operation in (Operation.FORWARD, Operation.GRADIENT):
                return [np.zeros(expected.max_elements) for expected in expect]
            return super().ask(operation, arrays, expect=expect, **more)

    student = student_of(Giant([("ordinary", 0)]))
    measurements = [found for check in EXECUTING for found in measured(check, student)]
    assert_reportable(measurements)
    assert {found.status for found in measurements if found.key.endswith("_forward")} == {Status.WRONG}


# -- whole models ----------------------------------------------------------------------------------------------------------


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(MOVES, st.integers(0, 5))
@example([("NaN", 0)], 0)
@example([("the largest", 0), ("the lowest", 0)], 1)
@example([("with infinity", 3)], 2)
def test_any_scores_become_a_plain_accuracy(moves, seed):
    random = np.random.default_rng(seed)
    images, labels = random.integers(0, 256, (1_200, 28, 28), dtype=np.uint8), random.integers(0, 10, 1_200)
    lab = Lab(seed=seed, datasets=DataStore(None), mark=0.85)
    digits = image_data(
        train=(images, labels),
        test=(images[:600].copy(), labels[:600]),
        class_names=tuple("0123456789"),
        name="noise",
        practice=True,
    )
    trial = Trial(student_of(HostileParty([("ordinary", 0), *moves])), lab, RECIPE, digits)
    try:
        found = trial.run("mnist_accuracy", "Accuracy")
    except StudentSide as error:
        found = [failed("mnist_accuracy", "Accuracy", error, kind="accuracy")]
    assert_reportable(found)
    assert_plain([dataclasses.asdict(exhibit)["data"] for exhibit in lab.exhibits])
    # Scores that are drawn without a look at the images are right by chance at most.
    assert all((measurement.value or 0) < 0.3 for measurement in found)


# -- the real sandbox with a harness of somebody else's --------------------------------------------------------------------

HARNESS = '''
"""Answers every question with {values} in the shape that is asked for, or in {shape}."""

import json
import socket
import sys

sys.path[:0] = sys.argv[2:]

import numpy as np

from milestones.sandbox import protocol
from milestones.student.operations import FACTS, Operation

connection = socket.socket(fileno=int(sys.argv[1]))
print("<script>\\x1b[31m", flush=True)
nasty = "tinytorch<b>\\tok\\t\\ncomponent:tensor\\tok\\t<i>\\x1b]0;x\\x07\\nmodule\\tfailed\\t" + "x" * 3000
while True:
    request = protocol.read_frame(connection)
    asked = json.loads(protocol.array_to_text(request.arrays[0], 1 << 20))
    operation = Operation(request.operation)

    def filled(*shape):
        return np.full({shape} or shape, {values}, dtype=np.float64)

    text = protocol.text_to_array(nasty)
    answers = {{
        Operation.LOAD: lambda: [text[:200]],
        Operation.IMPORT: lambda: [np.zeros(1, dtype=np.int64)],
        Operation.REPORT: lambda: [text],
        Operation.FORWARD: lambda: [filled(*request.arrays[1].shape)],
        Operation.GRADIENT: lambda: [filled(*array.shape) for array in (request.arrays[1], *request.arrays[3:])],
        Operation.BUILD: lambda: [np.full(FACTS, {fact}, dtype=np.int64), text[:900]],
        Operation.LOGITS: lambda: [np.full((len(request.arrays[1]), asked["classes"]), {values}, dtype=np.float32)],
        Operation.TRAIN_DATA: lambda: [np.zeros(1, dtype=np.int64)],
        Operation.TRAIN_SLICE: lambda: [np.full(asked["steps"], {values}), text[:900]],
        Operation.TRAIN_OWN: lambda: [np.zeros(1, dtype=np.int64)],
    }}[operation]()
    reply = {{"operation": request.operation, "request_id": request.request_id}}
    protocol.write_frame(connection, protocol.Frame(protocol.Kind.ANSWER, **reply, arrays=tuple(answers)))
'''


@pytest.mark.sandbox
@pytest.mark.parametrize(
    ("values", "shape", "fact"),
    [
        ("np.nan", "()", 1),
        ("np.inf", "()", 0),
        ("3e38", "()", -(2**63)),
        ("0.0", "(1,)", 2**63 - 1),
        ("0.1", "(0, 3)", 1),
        ("-1e-45", "(2, 2, 2, 2)", 0),
    ],
)
def test_a_whole_evaluation_of_a_forged_harness_is_an_ordinary_bad_result(values, shape, fact, tmp_path, monkeypatch):
    harness = tmp_path / "somebodys_harness.py"
    harness.write_text(HARNESS.format(values=values, shape=shape, fact=fact))

    class Forged(Sandbox):
        def __init__(self, *arguments, **more):
            super().__init__(*arguments, **more, harness=harness)

    # The real sandbox with another program in it, not a stand-in.
    monkeypatch.setattr("milestones.evaluate.Sandbox", Forged)
    package = samples.materialise(MILESTONE.folder / "samples" / "full_autograd", tmp_path / "package")
    result = evaluate(1, package, seed=4, counts={"training_steps": 20})
    assert_reportable(result.measurements)
    json.dumps(dataclasses.asdict(result), allow_nan=False)
    assert result.benchmark_met is False
    assert next(criterion for criterion in result.criteria if criterion.key == "mathematical_correctness").points < 8
