"""The trusted mathematics of training against what it must be: differences, closed forms, and the rule of convergence."""

import numpy as np
import pytest

from milestones import reference
from milestones.checks.convergence import CHANCE_LOSS, Look
from milestones.reference import optimizers as rules
from milestones.reference import training as loop
from milestones.reference.optimizers import Settings

RANDOM = np.random.default_rng(12)


def differences(function, at, step=1e-6):
    """The gradient of a number-valued function by central differences."""
    gradient = np.zeros_like(at)
    for index in np.ndindex(at.shape):
        up, down = at.copy(), at.copy()
        up[index] += step
        down[index] -= step
        gradient[index] = (function(up) - function(down)) / (2 * step)
    return gradient


# -- losses ------------------------------------------------------------------------------------------------------------

LABELS = np.array([2, 0, 1, 3, 3])
LOGITS = RANDOM.normal(scale=2, size=(5, 4))
TARGETS = RANDOM.integers(0, 2, size=(5, 4)).astype(float)
PROBABILITIES = RANDOM.uniform(0.05, 0.95, size=(5, 4))


@pytest.mark.parametrize(
    ("loss", "gradient", "at", "targets"),
    [
        (reference.cross_entropy, reference.cross_entropy_gradient, LOGITS, LABELS),
        (reference.mean_squared_error, reference.mean_squared_error_gradient, LOGITS, TARGETS),
        (reference.binary_cross_entropy, reference.binary_cross_entropy_gradient, PROBABILITIES, TARGETS),
        (
            reference.binary_cross_entropy_of_logits,
            reference.binary_cross_entropy_of_logits_gradient,
            LOGITS,
            TARGETS,
        ),
    ],
    ids=["cross-entropy", "squared error", "binary cross-entropy", "binary cross-entropy of logits"],
)
def test_a_gradient_of_the_reference_is_that_of_its_loss(loss, gradient, at, targets):
    found = differences(lambda x: loss(x, targets), at)
    assert gradient(at, targets) == pytest.approx(found, rel=1e-6, abs=1e-9)


def test_binary_cross_entropy_is_the_same_of_logits_and_of_their_probabilities():
    of_logits = reference.binary_cross_entropy_of_logits(LOGITS, TARGETS)
    assert of_logits == pytest.approx(reference.binary_cross_entropy(reference.sigmoid(LOGITS), TARGETS), rel=1e-12)


def test_losses_of_logits_are_finite_at_the_ends():
    ends = np.array([[1e4, -1e4], [-1e4, 1e4]])
    assert reference.cross_entropy(ends, np.array([0, 0])) == pytest.approx(1e4)
    assert reference.binary_cross_entropy_of_logits(ends, np.zeros((2, 2))) == pytest.approx(5e3)


# -- optimizers --------------------------------------------------------------------------------------------------------

START = np.array([1.0, -2.0, 0.5])
STEADY = np.array([3.0, -0.2, 1.0])
STEPS = np.arange(1, 21)


def steady(rule, **settings):
    """The path under a gradient that never changes, for which every rule has a closed form."""
    return rule(START, np.tile(STEADY, (20, 1)), Settings(**settings))


def test_plain_descent_under_a_steady_gradient_is_a_straight_line():
    assert steady(rules.momentum, rate=0.1) == pytest.approx(START - 0.1 * STEPS[:, None] * STEADY)


def test_momentum_under_a_steady_gradient_is_a_geometric_sum():
    velocity = (1 - 0.9**STEPS) / (1 - 0.9)
    assert steady(rules.momentum, rate=0.1, momentum=0.9) == pytest.approx(
        START - 0.1 * np.cumsum(velocity)[:, None] * STEADY
    )


def test_corrected_adam_moves_by_its_rate_under_a_steady_gradient():
    """Both corrected moments are those of the one gradient that there is, so each step is rate · g / (|g| + ε)."""
    each = STEADY / (np.abs(STEADY) + 0.05)
    assert steady(rules.adam, rate=0.01, epsilon=0.05) == pytest.approx(START - 0.01 * STEPS[:, None] * each)


def test_adamw_without_gradients_shrinks_weights_geometrically():
    path = rules.adam(START, np.zeros((20, 3)), Settings(rate=0.1, decay=0.5))
    assert path == pytest.approx(START * 0.95 ** STEPS[:, None])


def test_every_mutant_of_an_optimizer_leads_elsewhere_and_no_two_to_the_same_place():
    gradients = RANDOM.normal(size=(20, 3)) + STEADY
    settings = Settings(rate=0.05, momentum=0.8, first=0.8, second=0.95, epsilon=0.05, decay=0.3)
    for rule, mutants in (
        (rules.momentum, rules.momentum_mutants()),
        (rules.adam, rules.adamw_mutants(1, 2)),
    ):
        places = [
            rule(START, gradients, settings),
            *(mutant(START, gradients, settings) for mutant in mutants.values()),
        ]
        for number, place in enumerate(places):
            for other in places[number + 1 :]:
                assert np.abs(place - other).max() > 5e-3


# -- the training loop -------------------------------------------------------------------------------------------------


def network():
    return tuple(RANDOM.normal(size=size) for size in ((3, 5), (5,), (5, 4), (4,)))


def test_gradients_of_a_network_are_those_of_its_loss():
    parameters = network()
    inputs = RANDOM.normal(size=(5, 3))
    for position, found in enumerate(loop.gradients(parameters, (inputs, LABELS))):

        def loss(changed, position=position):
            others = [*parameters[:position], changed, *parameters[position + 1 :]]
            return reference.cross_entropy(loop.scores(others, inputs), LABELS)

        assert found == pytest.approx(differences(loss, parameters[position]), rel=1e-5, abs=1e-8)


def test_every_mutant_of_the_training_loop_leads_elsewhere():
    parameters = network()
    batches = [(RANDOM.normal(size=(5, 3)), LABELS) for _ in range(4)]
    ends = [loop.one_pass(parameters, batches, 0.2), *loop.pass_mutants(parameters, batches, 0.2).values()]
    for number, end in enumerate(ends):
        for other in ends[number + 1 :]:
            assert max(np.abs(one - two).max() for one, two in zip(end, other, strict=True)) > 1e-2


# -- the rule of convergence -------------------------------------------------------------------------------------------


def look(*, loss, right, spread=0.5):
    losses = np.where(np.arange(500) % 2, loss - spread, loss + spread)
    return Look(1000, losses, np.arange(500) < right, None)


@pytest.mark.parametrize(
    ("loss", "right", "converged"),
    [
        (CHANCE_LOSS - 0.06, 100, True),  # the bound lies 0.052 above the mean
        (CHANCE_LOSS - 0.04, 100, False),
        (1.5, 95, True),  # 19 %: lower bound 15.8 %
        (1.5, 88, False),  # 17.6 %: lower bound 14.5 %
        (float("nan"), 500, False),
        (float("inf"), 500, False),
    ],
)
def test_convergence_is_a_loss_below_that_of_guessing_and_an_accuracy_above_15_percent(loss, right, converged):
    with np.errstate(all="ignore"):
        assert look(loss=loss, right=right).converged is converged


def test_guessing_is_hardly_ever_taken_for_convergence():
    """2,000 networks that guess with some confidence: their mean loss lies above that of guessing."""
    passed = 0
    for _ in range(2_000):
        logits = RANDOM.normal(scale=0.3, size=(500, 10))
        labels = RANDOM.integers(0, 10, size=500)
        right = logits.argmax(axis=1) == labels
        passed += Look(0, reference.cross_entropies(logits, labels), right, None).converged
    assert passed == 0
