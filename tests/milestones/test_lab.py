"""Draws, comparisons and the ladder."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from milestones.checks.architecture import AFFINE_LIMIT, affinity_gap, scores_as_logits
from milestones.checks.trial import answers_right, derangement
from milestones.datasets.store import DataStore
from milestones.intervals import wilson
from milestones.lab import LADDER, Lab, compare
from milestones.reference import sigmoid, softmax


def lab(**changed):
    return Lab(**{"seed": 7, "datasets": DataStore(None), **changed})


def test_the_same_seed_draws_the_same_whatever_was_drawn_before():
    first, second = lab(), lab()
    first.random("something else").normal(size=100)
    assert first.random("images").integers(1 << 60) == second.random("images").integers(1 << 60)


def test_another_seed_draws_differently():
    assert lab().random("images").integers(1 << 60) != lab(seed=8).random("images").integers(1 << 60)


def test_a_students_small_draw_is_the_same_in_every_attempt():
    draws = [
        lab(seed=seed, identity=b"alice", package_digest="d").student_random("x").integers(1 << 60) for seed in (1, 2)
    ]
    assert draws[0] == draws[1]


def test_a_count_keeps_half_of_what_is_affordable_in_reserve():
    assert [lab().settle("n", affordable) for affordable in (0, 999, 1000, 1001, 1e9)] == [200, 200, 500, 500, 10_000]


def test_a_replayed_count_ignores_the_speed_of_the_machine():
    assert lab(counts={"n": 2_000}).settle("n", 1e9) == 2_000


@given(st.floats(0, 1e9))
def test_a_count_is_always_a_step_of_the_ladder(affordable):
    assert lab().settle("n", affordable) in LADDER


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_a_number_that_is_none_never_agrees(bad):
    answer = np.ones((2, 3))
    answer[1, 2] = bad
    comparison = compare(answer, np.ones((2, 3)))
    assert (comparison.equal, comparison.index) == (False, (1, 2))


def test_another_shape_never_agrees():
    assert compare(np.ones((3, 1)), np.ones((3,))).sentence() == "the answer has shape (3, 1), expected (3,)"


def test_single_precision_is_judged_by_its_own_tolerance():
    expected = np.array([1.0, 2.0])
    off = expected * (1 + 1e-4)
    assert (compare(off, expected).equal, compare(off.astype(np.float32), expected).equal) == (False, True)


@pytest.mark.parametrize(
    ("row", "right"),
    [([0, 1, 0], True), ([1, 1, 0], False), ([0, np.nan, 0], False), ([0, np.inf, 0], False), ([2, 1, 0], False)],
)
def test_ties_and_numbers_that_are_none_are_wrong_answers(row, right):
    assert answers_right(np.array([row], dtype=np.float32), np.array([1])).tolist() == [right]


@given(st.integers(2, 12), st.integers(0, 1000))
def test_a_derangement_renames_every_class(count, seed):
    names = derangement(count, np.random.default_rng(seed))
    assert sorted(names) == list(range(count))
    assert all(names != np.arange(count))


def test_the_wilson_interval_of_86_in_100_is_the_published_one():
    # Computed by hand from Wilson's formula with z = 1.96.
    assert wilson(86, 100) == pytest.approx((0.7786, 0.9147), abs=2e-4)


@given(st.integers(0, 500), st.integers(1, 500))
def test_the_interval_holds_the_share_and_stays_within_0_and_1(successes, n):
    successes = min(successes, n)
    low, high = wilson(successes, n)
    assert 0 <= low <= successes / n + 1e-12 and successes / n - 1e-12 <= high <= 1


def test_the_reference_is_stable_at_the_ends():
    x = np.array([[-1e4, 0.0, 1e4]])
    assert np.isfinite(softmax(x)).all() and np.isfinite(sigmoid(x)).all()


def gap_of(model):
    random = np.random.default_rng(0)
    a, b = random.uniform(-1, 1, (8, 20)), random.uniform(-1, 1, (8, 20))
    return affinity_gap(*(scores_as_logits(model(x)) for x in (a + b, a, b, np.zeros_like(a))))


def test_a_linear_model_is_seen_as_linear_even_under_a_softmax():
    weight, bias = np.random.default_rng(1).normal(size=(20, 5)), np.arange(5.0)
    assert gap_of(lambda x: x @ weight + bias) < AFFINE_LIMIT
    assert gap_of(lambda x: softmax(x @ weight + bias)) < AFFINE_LIMIT


def test_a_hidden_layer_is_seen_as_not_linear():
    random = np.random.default_rng(1)
    first, second = random.normal(size=(20, 16)), random.normal(size=(16, 5))
    assert gap_of(lambda x: np.maximum(x @ first, 0) @ second) > AFFINE_LIMIT
    assert gap_of(lambda x: np.tanh(0.2 * x @ first) @ second) > AFFINE_LIMIT
