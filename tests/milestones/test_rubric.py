"""Measurements become points."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from milestones import registry
from milestones.contract import Level, Measurement, Status
from milestones.rubric import interpolate, score, total_of

ANCHORS = ((0.10, 0.0), (0.70, 0.6), (0.85, 0.8), (0.90, 0.9), (0.95, 1.0))
RUBRIC = registry.get(1).rubric


def measured(key, value, **more):
    return Measurement(key=key, title=key, kind="share", status=Status.PASSED, value=value, **more)


def full_marks(**changed):
    keys = {key for criterion in RUBRIC.criteria for key in criterion.measurements}
    made = {key: measured(key, 1.0) for key in keys}
    made["mnist_accuracy"] = measured("mnist_accuracy", 0.96, n=10_000, low=0.956, high=0.964)
    return list({**made, **changed}.values())


@pytest.mark.parametrize(
    ("share", "level"),
    [
        (1.0, Level.EXEMPLARY),
        (0.9, Level.EXEMPLARY),
        (0.8999, Level.PROFICIENT),
        (0.8, Level.PROFICIENT),
        (0.7, Level.DEVELOPING),
        (0.6, Level.BEGINNING),
        (0.5999, Level.INSUFFICIENT),
        (0.1 + 0.7, Level.PROFICIENT),
    ],
)
def test_levels_begin_at_90_80_70_and_60(share, level):
    assert Level.of(share) is level


@pytest.mark.parametrize(
    ("accuracy", "share"), [(0.05, 0), (0.10, 0), (0.40, 0.3), (0.85, 0.8), (0.97, 1), (math.nan, 0)]
)
def test_accuracy_earns_along_the_anchors(accuracy, share):
    assert interpolate(ANCHORS, accuracy) == pytest.approx(share)


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_higher_accuracy_never_earns_less(one, other):
    low, high = sorted((one, other))
    assert interpolate(ANCHORS, low) <= interpolate(ANCHORS, high)


def test_everything_right_earns_everything():
    result = score(RUBRIC, full_marks())
    assert (result.score, result.level, result.benchmark_met) == (100.0, Level.EXEMPLARY, True)


def test_nothing_measured_earns_nothing():
    result = score(RUBRIC, [])
    assert (result.score, result.level, result.benchmark_met) == (0.0, Level.INSUFFICIENT, False)


def test_a_linear_model_loses_architecture_and_keeps_the_benchmark():
    linear = full_marks(
        hidden_nonlinearity=measured("hidden_nonlinearity", 0.0),
        mnist_accuracy=measured("mnist_accuracy", 0.912, n=10_000, low=0.906, high=0.917),
    )
    result = score(RUBRIC, linear)
    architecture = next(c for c in result.criteria if c.key == "architecture_design")
    assert (architecture.points, result.benchmark_met) == (18.0, True)
    assert architecture.explanation == "4 of 4 checks ran; lost points: hidden_nonlinearity −12.0."


@pytest.mark.parametrize(
    ("value", "high", "met"), [(0.85, 0.86, True), (0.845, 0.852, None), (0.80, 0.81, False), (math.nan, 0.9, None)]
)
def test_the_benchmark_is_met_borderline_or_not_met(value, high, met):
    measurements = full_marks(mnist_accuracy=measured("mnist_accuracy", value, n=1000, low=0.0, high=high))
    assert score(RUBRIC, measurements).benchmark_met is met


def test_a_course_may_set_its_own_mark():
    measurements = full_marks(mnist_accuracy=measured("mnist_accuracy", 0.93, n=10_000, low=0.925, high=0.935))
    assert score(RUBRIC, measurements, mark=0.95).benchmark_met is False


def test_what_nobody_marked_yet_is_left_out_and_not_zero():
    assert total_of([(30.0, 40.0), (None, 20.0)]) == (75.0, 100.0)


def test_a_check_that_took_too_long_is_named_and_leaves_the_others_their_points():
    measurements = full_marks(
        softmax_forward=Measurement(
            key="softmax_forward",
            title="Softmax",
            kind="share",
            status=Status.TIMED_OUT,
            value=0.0,
            message="Took longer than 20 CPU seconds and was stopped",
        ),
        softmax_stability=Measurement(
            key="softmax_stability", title="Stability", kind="share", status=Status.NOT_RUN, value=0.0
        ),
    )
    mathematics = score(RUBRIC, measurements).criteria[0]
    assert mathematics.points == pytest.approx(40 * 10 / 14, abs=0.01)
    assert mathematics.explanation.startswith(
        "7 of 8 checks ran; Softmax: took longer than 20 CPU seconds and was stopped; lost points: "
    )
