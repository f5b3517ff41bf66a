"""Evidence for people: curves, matrices, images, tables and texts, as plain JSON that pages draw. Nothing here is scored.

One function for each kind; its docstring gives the data that a page gets.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from milestones.contract import Exhibit, Json


def curve(
    key: str,
    title: str,
    series: Mapping[str, Sequence[tuple[float, float]]],
    *,
    x_title: str,
    y_title: str,
    reference: tuple[str, float] | None = None,
) -> Exhibit:
    """Lines over a common axis: ``{"series": {name: [[x, y], …]}, "x_title", "y_title", "reference": [words, y] or null}``.
    A y that is not finite is null, and leaves a gap."""
    data: Json = {
        "series": {name: [[_number(x), _number(y)] for x, y in points] for name, points in series.items()},
        "x_title": x_title,
        "y_title": y_title,
        "reference": None if reference is None else [reference[0], float(reference[1])],
    }
    return Exhibit(key=key, kind="curve", title=title, data=data)


def scatter(
    key: str,
    title: str,
    series: Mapping[str, Sequence[tuple[float, float]]],
    *,
    x_title: str,
    y_title: str,
    logarithmic: bool = False,
) -> Exhibit:
    """Measured points joined by lines, such as latency against batch size: as ``curve``, with ``logarithmic`` axes or not."""
    data: Json = {
        "series": {name: [[_number(x), _number(y)] for x, y in points] for name, points in series.items()},
        "x_title": x_title,
        "y_title": y_title,
        "logarithmic": logarithmic,
    }
    return Exhibit(key=key, kind="scatter", title=title, data=data)


def confusion_matrix(key: str, title: str, matrix: NDArray[np.int64], labels: Sequence[str]) -> Exhibit:
    """Counts (K, K), rows true and columns predicted classes: ``{"matrix": [[…]], "labels": […]}``."""
    return Exhibit(
        key=key, kind="confusion_matrix", title=title, data={"matrix": matrix.tolist(), "labels": list(labels)}
    )


def heat_map(
    key: str,
    title: str,
    values: NDArray[np.float64],
    *,
    x_title: str,
    y_title: str,
    value_title: str,
    x_labels: Sequence[str] = (),
    y_labels: Sequence[str] = (),
) -> Exhibit:
    """A field of numbers (rows, columns), such as the error of a gradient: ``{"values": [[…]], "x_title", "y_title",
    "value_title", "x_labels", "y_labels"}``; a value that is not finite is null."""
    data: Json = {
        "values": [[_number(value) for value in row] for row in values],
        "x_title": x_title,
        "y_title": y_title,
        "value_title": value_title,
        "x_labels": list(x_labels),
        "y_labels": list(y_labels),
    }
    return Exhibit(key=key, kind="heat_map", title=title, data=data)


def table(key: str, title: str, columns: Sequence[str], rows: Sequence[Sequence[Json]]) -> Exhibit:
    """A table, such as the parameters of a model: ``{"columns": […], "rows": [[…]]}``."""
    return Exhibit(
        key=key, kind="table", title=title, data={"columns": list(columns), "rows": [list(row) for row in rows]}
    )


def bars(
    key: str, title: str, values: Mapping[str, float], *, value_title: str, reference: tuple[str, float] | None = None
) -> Exhibit:
    """One bar for each name: ``{"names": […], "values": […], "value_title", "reference": [words, value] or null}``."""
    data: Json = {
        "names": list(values),
        "values": [_number(value) for value in values.values()],
        "value_title": value_title,
        "reference": None if reference is None else [reference[0], float(reference[1])],
    }
    return Exhibit(key=key, kind="bars", title=title, data=data)


def image_grid(
    key: str, title: str, images: NDArray[np.uint8], *, true: Sequence[str], read_as: Sequence[str]
) -> Exhibit:
    """Images (n, C, H, W) with one or three channels, their classes and what they were read as (empty: nothing finite):
    ``{"shape": [H, W, C], "images": [{"pixels": base64 of the bytes (H, W, C), "is": …, "read_as": …}]}``."""
    rows = np.ascontiguousarray(images.transpose(0, 2, 3, 1))
    return Exhibit(
        key=key,
        kind="image_grid",
        title=title,
        data={
            "shape": list(rows.shape[1:]),
            "images": [
                {"pixels": base64.b64encode(image.tobytes()).decode("ascii"), "is": name, "read_as": said}
                for image, name, said in zip(rows, true, read_as, strict=True)
            ],
        },
    )


def text(key: str, title: str, paragraphs: Mapping[str, str]) -> Exhibit:
    """Texts of the student's model, such as what it generates: ``{"paragraphs": {heading: text}}``. Pages escape them."""
    return Exhibit(key=key, kind="text", title=title, data={"paragraphs": dict(paragraphs)})


def _number(value: float) -> float | None:
    if isinstance(value, int | np.integer):
        return int(value)
    return float(value) if np.isfinite(value) else None
