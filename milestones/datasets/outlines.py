"""Ten outlines as depth functions: positive inside, zero on the edge, negative outside, for points (u, v) of the plane.

Arguments and results are float arrays of one shape. Depths are in units of the outline's size and need to be exact near
the edge only.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Outline = Callable[[np.ndarray, np.ndarray], np.ndarray]


def disc(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return 0.75 - np.hypot(u, v)


def ring(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return 0.2 - np.abs(0.65 - np.hypot(u, v))


def square(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return 0.66 - np.maximum(np.abs(u), np.abs(v))


def frame(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return 0.18 - np.abs(0.56 - np.maximum(np.abs(u), np.abs(v)))


def triangle(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return 0.45 - np.maximum(v, np.abs(u) * 0.866 - v * 0.5)


def cross(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    along, across = np.maximum(np.abs(u), np.abs(v)), np.minimum(np.abs(u), np.abs(v))
    return np.minimum(0.85 - along, 0.22 - across)


def star(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return 0.58 + 0.28 * np.cos(5 * np.arctan2(v, u)) - np.hypot(u, v)


def bar(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.minimum(0.95 - np.abs(u), 0.27 - np.abs(v))


def half_moon(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return np.minimum(0.8 - np.hypot(u, v), np.hypot(u - 0.45, v) - 0.6)


def corner(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    outer = 0.68 - np.maximum(np.abs(u), np.abs(v))
    return np.minimum(outer, np.maximum(-0.25 - u, -0.25 - v))


OUTLINES: dict[str, Outline] = {
    "disc": disc,
    "ring": ring,
    "square": square,
    "frame": frame,
    "triangle": triangle,
    "cross": cross,
    "star": star,
    "bar": bar,
    "half moon": half_moon,
    "corner": corner,
}
