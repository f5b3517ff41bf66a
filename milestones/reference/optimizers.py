"""Update rules, and the well-known ways to get them wrong.

A rule takes the start of one parameter and the gradients of each step, (steps, *shape), and answers the parameter after each
step, of the same shape. The gradients are given and do not depend on the parameter, so every rule can be followed exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Rule = Callable[[Array, Array, "Settings"], Array]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What an optimizer is made with."""

    rate: float
    momentum: float = 0.0
    first: float = 0.9
    second: float = 0.999
    epsilon: float = 1e-8
    decay: float = 0.0


def momentum(start: Array, gradients: Array, settings: Settings) -> Array:
    """v = μ v + g; p = p − rate v. Plain gradient descent where μ is 0."""
    return _followed(start, gradients, _velocity(settings.momentum, 1.0), settings.rate)


def adam(start: Array, gradients: Array, settings: Settings) -> Array:
    """Adam with both corrections (D. P. Kingma, J. Ba, "Adam: a method for stochastic optimization", ICLR 2015), and with
    decoupled weight decay where there is one (I. Loshchilov, F. Hutter, ICLR 2019): p = (1 − rate λ) p − rate m̂ / (√v̂ + ε)."""
    return _adam(start, gradients, settings)


def decay_after(start: Array, gradients: Array, settings: Settings) -> Array:
    """AdamW as the course writes it: the decay after the step instead of before, a difference of rate² that is no mistake."""
    return _adam(start, gradients, settings, decay="after")


def _followed(start: Array, gradients: Array, direction: Callable[[int, Array], Array], rate: float) -> Array:
    steps = np.array([direction(number, gradient) for number, gradient in enumerate(gradients, start=1)])
    return start - rate * np.cumsum(steps, axis=0)


def _velocity(momentum: float, share: float) -> Callable[[int, Array], Array]:
    """v = momentum · v + share · g."""
    velocity = np.zeros(())

    def direction(number: int, gradient: Array) -> Array:
        nonlocal velocity
        velocity = momentum * velocity + share * gradient
        return velocity

    return direction


def _adam(
    start: Array,
    gradients: Array,
    settings: Settings,
    *,
    clock: Callable[[int], int] = lambda number: number,
    correct: bool = True,
    square: str = "gradient",
    root: bool = True,
    epsilon_inside: bool = False,
    decay: str = "before",
) -> Array:
    """Adam, or with one thing changed: the step that the corrections think it is, whether they are made, what is squared (the
    gradient, or the first moment), whether a root is taken and ε added inside it, and how weights decay."""
    first, second, rate = settings.first, settings.second, settings.rate
    mean, mean_square = np.zeros_like(start), np.zeros_like(start)
    parameter, seen = start, []
    for number, given in enumerate(gradients, start=1):
        gradient = given + settings.decay * parameter if decay == "coupled" else given
        mean = first * mean + (1 - first) * gradient
        mean_square = second * mean_square + (1 - second) * (mean if square == "first moment" else gradient) ** 2
        step = clock(number)
        m = mean / (1 - first**step) if correct else mean
        v = mean_square / (1 - second**step) if correct else mean_square
        divisor = np.sqrt(v) if root else v
        below = np.sqrt(v + settings.epsilon) if epsilon_inside else divisor + settings.epsilon
        if decay == "before":
            parameter = parameter * (1 - rate * settings.decay)
        parameter = parameter - rate * m / below
        if decay == "after":
            parameter = parameter * (1 - rate * settings.decay)
        seen.append(parameter)
    return np.array(seen)


def _swapped(settings: Settings) -> Settings:
    return replace(settings, first=settings.second, second=settings.first)


def _still(start: Array, gradients: Array, settings: Settings) -> Array:
    return np.broadcast_to(start, gradients.shape).copy()


# The names are those that evidence and diagnoses use.


def descent_mutants() -> Mapping[str, Rule]:
    """Ways to get plain gradient descent wrong."""
    return {
        "moves nothing": _still,
        "adds the gradient": lambda p, g, s: momentum(p, -g, s),
    }


def momentum_mutants() -> Mapping[str, Rule]:
    """Ways to get momentum wrong."""
    return {
        **descent_mutants(),
        "ignored": lambda p, g, s: momentum(p, g, Settings(rate=s.rate)),
        "dampened": lambda p, g, s: _followed(p, g, _velocity(s.momentum, 1 - s.momentum), s.rate),
        "scales the rate": lambda p, g, s: momentum(p, g, Settings(rate=s.rate * s.momentum)),
    }


def adam_mutants(position: int, parameters: int) -> Mapping[str, Rule]:
    """Ways to get Adam wrong, as the parameter at ``position`` among so many ``parameters`` sees them."""

    def counts_parameters(number: int) -> int:
        return (number - 1) * parameters + position + 1

    return {
        "moves nothing": _still,
        "adds the gradient": lambda p, g, s: _adam(p, -g, s),
        "no bias correction": lambda p, g, s: _adam(p, g, s, correct=False),
        "step counter stands still": lambda p, g, s: _adam(p, g, s, clock=lambda number: 1),
        "step counter counts parameters": lambda p, g, s: _adam(p, g, s, clock=counts_parameters),
        "squares the first moment": lambda p, g, s: _adam(p, g, s, square="first moment"),
        "betas swapped": lambda p, g, s: _adam(p, g, _swapped(s)),
        "no square root": lambda p, g, s: _adam(p, g, s, root=False),
        "epsilon inside the root": lambda p, g, s: _adam(p, g, s, epsilon_inside=True),
    }


def adamw_mutants(position: int, parameters: int) -> Mapping[str, Rule]:
    """Ways to get AdamW wrong: those of Adam, and its own."""
    return {
        "decay coupled": lambda p, g, s: _adam(p, g, s, decay="coupled"),
        "no decay": lambda p, g, s: _adam(p, g, s, decay="none"),
        **adam_mutants(position, parameters),
    }
