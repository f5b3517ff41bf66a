"""Evidence for people: curves, matrices, images, tables and texts, as plain JSON that pages draw. Nothing here is scored.

One function for each kind; its docstring gives the data that a page gets. What has an order is a list: a database may keep the
keys of an object in any. All texts are cleaned of control characters, since some are a student's.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from milestones.contract import Exhibit, Json
from milestones.sandbox.protocol import clean_text


def curve(
    key: str,
    title: str,
    series: Mapping[str, Sequence[tuple[float, float]]],
    *,
    x_title: str,
    y_title: str,
    reference: tuple[str, float] | None = None,
) -> Exhibit:
    """Lines over a common axis: ``{"series": [[name, [[x, y], …]], …], "x_title", "y_title", "reference": [words, y] or null}``.
    A y that is not finite is null, and leaves a gap."""
    data: Json = {
        "series": _series(series),
        "x_title": x_title,
        "y_title": y_title,
        "reference": None if reference is None else [reference[0], float(reference[1])],
    }
    return _exhibit(key=key, kind="curve", title=title, data=data)


def learning_curve(points: Sequence[tuple[int, float]], *, key: str = "learning_curve", of: str = "") -> Exhibit:
    """The grader's own looks during a training, (images seen, loss on unseen images); ``of`` says which where there are
    several."""
    return curve(
        key,
        f"Does the loss on unseen images fall during training{f' of {of}' if of else ''}?",
        {"Loss on unseen images": points},
        x_title="Images seen in training",
        y_title="Loss (nats)",
    )


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
        "series": _series(series),
        "x_title": x_title,
        "y_title": y_title,
        "logarithmic": logarithmic,
    }
    return _exhibit(key=key, kind="scatter", title=title, data=data)


def confusion_matrix(key: str, title: str, matrix: NDArray[np.int64], labels: Sequence[str]) -> Exhibit:
    """Counts (K, K), rows true and columns predicted classes: ``{"matrix": [[…]], "labels": […]}``."""
    return _exhibit(
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
    return _exhibit(key=key, kind="heat_map", title=title, data=data)


def table(key: str, title: str, columns: Sequence[str], rows: Sequence[Sequence[Json]]) -> Exhibit:
    """A table, such as the parameters of a model: ``{"columns": […], "rows": [[…]]}``."""
    return _exhibit(
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
    return _exhibit(key=key, kind="bars", title=title, data=data)


def image_grid(
    key: str, title: str, images: NDArray[np.uint8], *, true: Sequence[str], read_as: Sequence[str]
) -> Exhibit:
    """Images (n, C, H, W) with one or three channels, their classes and what they were read as (empty: nothing finite):
    ``{"shape": [H, W, C], "images": [{"pixels": base64 of the bytes (H, W, C), "is": …, "read_as": …}]}``."""
    rows = np.ascontiguousarray(images.transpose(0, 2, 3, 1))
    return _exhibit(
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
    """Texts of the student's model, such as what it generates: ``{"paragraphs": [[heading, text], …]}``. Pages escape them."""
    return _exhibit(key=key, kind="text", title=title, data={"paragraphs": [list(pair) for pair in paragraphs.items()]})


def _exhibit(*, key: str, kind: str, title: str, data: Json) -> Exhibit:
    return Exhibit(key=key, kind=kind, title=title, data=_cleaned(data))


def _cleaned(value: Json) -> Json:
    if isinstance(value, dict):
        return {name: _cleaned(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_cleaned(part) for part in value]
    return clean_text(value) if isinstance(value, str) else value


def _series(series: Mapping[str, Sequence[tuple[float, float]]]) -> Json:
    return [[name, [[_number(x), _number(y)] for x, y in points]] for name, points in series.items()]


def _number(value: float) -> float | None:
    if isinstance(value, int | np.integer):
        return int(value)
    return float(value) if np.isfinite(value) else None
