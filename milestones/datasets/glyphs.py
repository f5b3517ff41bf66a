"""Ten digits as a pen writes them, each in two or three ways: strokes in the unit square, x to the right, y down."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

POINTS = 80
"""Points along the strokes of each digit, at equal distances."""

Stroke = tuple[str, tuple[tuple[float, float], ...]]


def _curve(*points: tuple[float, float]) -> Stroke:
    return "curve", points


def _line(*points: tuple[float, float]) -> Stroke:
    return "line", points


# fmt: off
WAYS_TO_WRITE: dict[int, tuple[tuple[Stroke, ...], ...]] = {
    0: (
        (
            _curve(
                (0.50, 0.02), (0.20, 0.15), (0.10, 0.50), (0.20, 0.86), (0.50, 0.98),
                (0.80, 0.86), (0.90, 0.50), (0.80, 0.15), (0.50, 0.02),
            ),
        ),
        (
            _curve(
                (0.62, 0.05), (0.30, 0.12), (0.12, 0.50), (0.25, 0.88), (0.50, 0.97),
                (0.78, 0.82), (0.85, 0.50), (0.75, 0.20), (0.45, 0.08),
            ),
        ),
    ),
    1: (
        (
            _line((0.50, 0.00), (0.50, 1.00)),
        ),
        (
            _line((0.28, 0.22), (0.52, 0.02), (0.52, 1.00)),
        ),
        (
            _line((0.30, 0.20), (0.52, 0.02), (0.52, 0.98)),
            _line((0.28, 0.98), (0.76, 0.98)),
        ),
    ),
    2: (
        (
            _curve((0.14, 0.26), (0.28, 0.06), (0.55, 0.02), (0.80, 0.16), (0.80, 0.38), (0.55, 0.65), (0.12, 0.97)),
            _line((0.12, 0.97), (0.90, 0.97)),
        ),
        (
            _curve(
                (0.15, 0.22), (0.40, 0.03), (0.72, 0.10), (0.78, 0.35), (0.50, 0.70),
                (0.20, 0.93), (0.12, 0.82), (0.30, 0.76), (0.60, 0.93), (0.92, 0.92),
            ),
        ),
    ),
    3: (
        (
            _curve((0.15, 0.12), (0.45, 0.01), (0.78, 0.12), (0.76, 0.36), (0.42, 0.47)),
            _curve((0.42, 0.47), (0.80, 0.56), (0.86, 0.80), (0.55, 0.98), (0.12, 0.88)),
        ),
        (
            _line((0.16, 0.04), (0.80, 0.04), (0.42, 0.42)),
            _curve((0.42, 0.42), (0.82, 0.54), (0.84, 0.82), (0.50, 0.98), (0.14, 0.88)),
        ),
    ),
    4: (
        (
            _line((0.64, 0.02), (0.10, 0.66), (0.92, 0.66)),
            _line((0.66, 0.36), (0.66, 1.00)),
        ),
        (
            _line((0.20, 0.04), (0.16, 0.52), (0.80, 0.50)),
            _line((0.76, 0.04), (0.72, 1.00)),
        ),
    ),
    5: (
        (
            _line((0.82, 0.03), (0.24, 0.03), (0.20, 0.44)),
            _curve((0.20, 0.44), (0.50, 0.36), (0.82, 0.50), (0.84, 0.78), (0.52, 0.98), (0.12, 0.88)),
        ),
        (
            _line((0.90, 0.06), (0.32, 0.05), (0.26, 0.42)),
            _curve((0.26, 0.42), (0.62, 0.44), (0.78, 0.66), (0.62, 0.92), (0.14, 0.96)),
        ),
    ),
    6: (
        (
            _curve(
                (0.76, 0.03), (0.40, 0.20), (0.16, 0.60), (0.26, 0.90), (0.55, 0.98),
                (0.82, 0.82), (0.74, 0.58), (0.45, 0.54), (0.18, 0.74),
            ),
        ),
        (
            _curve(
                (0.60, 0.02), (0.28, 0.30), (0.20, 0.72), (0.42, 0.97),
                (0.72, 0.86), (0.70, 0.62), (0.46, 0.58), (0.22, 0.78),
            ),
        ),
    ),
    7: (
        (
            _line((0.10, 0.05), (0.88, 0.05), (0.40, 1.00)),
        ),
        (
            _line((0.10, 0.08), (0.86, 0.05), (0.42, 0.98)),
            _line((0.32, 0.50), (0.80, 0.48)),
        ),
        (
            _line((0.12, 0.24), (0.14, 0.06), (0.86, 0.06)),
            _curve((0.86, 0.06), (0.60, 0.45), (0.50, 1.00)),
        ),
    ),
    8: (
        (
            _curve(
                (0.50, 0.48), (0.20, 0.32), (0.26, 0.08), (0.50, 0.02), (0.74, 0.08), (0.80, 0.30), (0.50, 0.48),
                (0.16, 0.70), (0.20, 0.90), (0.50, 0.98), (0.80, 0.90), (0.84, 0.70), (0.50, 0.48),
            ),
        ),
        (
            _curve(
                (0.80, 0.16), (0.50, 0.02), (0.22, 0.20), (0.50, 0.46), (0.80, 0.72),
                (0.60, 0.97), (0.28, 0.90), (0.26, 0.68), (0.55, 0.45), (0.82, 0.14),
            ),
        ),
    ),
    9: (
        (
            _curve((0.80, 0.26), (0.55, 0.03), (0.22, 0.14), (0.20, 0.40), (0.50, 0.52), (0.78, 0.36), (0.80, 0.20)),
            _line((0.80, 0.20), (0.74, 1.00)),
        ),
        (
            _curve(
                (0.78, 0.22), (0.50, 0.04), (0.20, 0.24), (0.36, 0.50), (0.66, 0.42),
                (0.80, 0.18), (0.80, 0.50), (0.66, 0.84), (0.30, 0.97),
            ),
        ),
    ),
}
# fmt: on


@lru_cache(maxsize=1)
def strokes_of_digits() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """All ways to write all digits.

    Returns ``points`` (ways, POINTS, 2) float32 around the origin, ``first`` and ``count`` (10,), which say where a digit's
    ways lie among them, and ``lengths`` (ways,), the length of the strokes.
    """
    ways = [way for digit in range(10) for way in WAYS_TO_WRITE[digit]]
    count = np.array([len(WAYS_TO_WRITE[digit]) for digit in range(10)])
    drawn = [_points_along(way) for way in ways]
    points = np.array([points for points, _ in drawn], np.float32)
    return points, np.cumsum(count) - count, count, np.array([length for _, length in drawn])


def _points_along(strokes: tuple[Stroke, ...]) -> tuple[np.ndarray, float]:
    """POINTS points at equal distances along the strokes, and the length of all of them."""
    paths = [_smooth(points) if kind == "curve" else np.array(points) for kind, points in strokes]
    starts = np.vstack([path[:-1] for path in paths])
    ends = np.vstack([path[1:] for path in paths])
    lengths = np.hypot(*(ends - starts).T)
    travelled = np.cumsum(lengths)
    places = (np.arange(POINTS) + 0.5) / POINTS * travelled[-1]
    piece = np.searchsorted(travelled, places)
    within = (places - travelled[piece] + lengths[piece]) / lengths[piece]
    return starts[piece] + (ends - starts)[piece] * within[:, None] - 0.5, float(travelled[-1])


def _smooth(points: tuple[tuple[float, float], ...], steps: int = 24) -> np.ndarray:
    """A uniform Catmull-Rom spline through the points (Catmull and Rom, 1974), ``steps`` pieces between two of them."""
    through = np.array(points)
    padded = np.vstack([2 * through[0] - through[1], through, 2 * through[-1] - through[-2]])
    t = np.linspace(0, 1, steps, endpoint=False)[:, None]
    pieces = [
        0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
        for a, b, c, d in zip(padded, padded[1:], padded[2:], padded[3:], strict=False)
    ]
    return np.vstack([*pieces, through[-1:]])
