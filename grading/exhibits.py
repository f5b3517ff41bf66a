"""Evidence for people, ready for a page: each exhibit of ``milestones.exhibits`` as a figure, a table, pictures or texts.

Exhibits are made on the trusted side, but what they hold may be a student's: generated text, names of parameters, messages of
a linter about a hostile file. Every text is escaped, by the template or, inside a drawing, by ``run_charts.label``.
"""

from __future__ import annotations

import base64
import re
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import structlog

from grading.analytics import run_charts
from grading.analytics.charts import Cell, Chart

log = structlog.get_logger(__name__)

Data = Mapping[str, Any]

#: A loss that is not a number is stored as this or more; a drawing shows a gap there instead of a mountain.
NOT_FINITE = 1e8
#: The smaller side of a picture on the page is about this many pixels.
PICTURE_SIZE = 56
WIDE_TEXT = 40


class Stored(Protocol):
    """An exhibit as it was kept: ``models.EvaluationEvidence`` or ``contract.Exhibit``."""

    key: str
    kind: str
    title: str
    data: Any


@dataclass(frozen=True, kw_only=True)
class Table(Chart):
    """Rows that are shown as they are, without a drawing."""

    template: ClassVar[str] = "components/table.html"
    figure: None = None

    @property
    def columns_shown(self) -> list[tuple[str, str]]:
        """(title, class): numbers to the right, sentences in several lines."""
        return [(title, self._class_of(position)) for position, title in enumerate(self.columns)]

    @property
    def rows_shown(self) -> list[list[tuple[Cell, str]]]:
        """The first rows, each cell with its column's class."""
        classes = [css for _, css in self.columns_shown]
        return [list(zip(row, classes, strict=False)) for row in super().rows_shown]

    def _class_of(self, position: int) -> str:
        cells = [row[position] for row in self.rows if position < len(row) and row[position] is not None]
        if cells and all(isinstance(cell, int | float) for cell in cells):
            return "num"
        return "wrap" if any(len(str(cell)) > WIDE_TEXT for cell in cells) else ""


@dataclass(frozen=True, kw_only=True)
class Picture:
    """One image, as a data address that a page can show."""

    address: str
    width: int
    height: int
    is_class: str
    read_as: str


@dataclass(frozen=True, kw_only=True)
class Pictures(Chart):
    """Images with what they are and what they were read as."""

    template: ClassVar[str] = "components/pictures.html"
    figure: None = None
    pictures: tuple[Picture, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Texts(Chart):
    """Texts, such as what a student's model wrote: (heading, text)."""

    template: ClassVar[str] = "components/texts.html"
    figure: None = None
    paragraphs: tuple[tuple[str, str], ...] = ()


def shown(evidence: Iterable[Stored], *, prefix: str = "exhibit") -> Iterator[Chart]:
    """What a page shows of ``evidence``, in its order; keys are unique and fit into addresses.

    A kind that this version does not know, and data that an older version kept in another form, are passed over: a result
    must not become unreadable over its pictures.
    """
    keys: set[str] = set()
    for each in evidence:
        make = FORMS.get(each.kind)
        if make is None:
            continue
        key = f"{prefix}-{re.sub(r'[^A-Za-z0-9_-]', '-', each.key)}"
        if key in keys:
            key = f"{key}-{len(keys)}"
        try:
            made = list(make(each.data, key, each.title))
        except (KeyError, TypeError, ValueError, IndexError, AttributeError):
            log.warning("exhibit_passed_over", kind=each.kind, key=each.key, exc_info=True)
            continue
        keys.update(piece.key for piece in made)
        yield from made


# --- one function for each form ---


def _curve(data: Data, key: str, title: str) -> Iterator[Chart]:
    yield run_charts.lines(
        _finite(data["series"]),
        key=key,
        title=title,
        x_title=data["x_title"],
        y_title=data["y_title"],
        reference=data.get("reference"),
    )


def _scatter(data: Data, key: str, title: str) -> Iterator[Chart]:
    yield run_charts.lines(
        _finite(data["series"]),
        key=key,
        title=title,
        x_title=data["x_title"],
        y_title=data["y_title"],
        logarithmic=bool(data.get("logarithmic")),
    )


def _confusion_matrix(data: Data, key: str, title: str) -> Iterator[Chart]:
    matrix, labels = data["matrix"], data["labels"]
    yield run_charts.confusion_matrix(matrix, key=key, title=title, labels=labels)
    shares = [row[true] / sum(row) if sum(row) else None for true, row in enumerate(matrix)]
    yield run_charts.per_class_accuracy(shares, key=f"{key}-classes", title="Which classes are hard?", labels=labels)


def _heat_map(data: Data, key: str, title: str) -> Iterator[Chart]:
    yield run_charts.heat_map(
        data["values"],
        key=key,
        title=title,
        x_title=data["x_title"],
        y_title=data["y_title"],
        value_title=data["value_title"],
        x_labels=data.get("x_labels") or (),
        y_labels=data.get("y_labels") or (),
    )


def _bars(data: Data, key: str, title: str) -> Iterator[Chart]:
    yield run_charts.bars(
        data["names"],
        data["values"],
        key=key,
        title=title,
        value_title=data["value_title"],
        reference=data.get("reference"),
    )


def _table(data: Data, key: str, title: str) -> Iterator[Chart]:
    rows = tuple(tuple(_cell(cell) for cell in row) for row in data["rows"])
    count = f"{len(rows):,} row{'' if len(rows) == 1 else 's'}."
    yield Table(key=key, title=title, sentence=count, columns=tuple(data["columns"]), rows=rows)


def _image_grid(data: Data, key: str, title: str) -> Iterator[Chart]:
    pictures = tuple(pictures_of(data))
    yield Pictures(
        key=key,
        title=title,
        sentence=f"{len(pictures)} images, each with what it is and what it was read as.",
        columns=("Is", "Read as"),
        rows=tuple((picture.is_class, picture.read_as) for picture in pictures),
        pictures=pictures,
    )


def _text(data: Data, key: str, title: str) -> Iterator[Chart]:
    paragraphs = tuple((str(heading), str(body)) for heading, body in data["paragraphs"])
    characters = sum(len(body) for _, body in paragraphs)
    yield Texts(
        key=key,
        title=title,
        sentence=f"{characters:,} characters, as they came.",
        columns=("Part", "Text"),
        rows=paragraphs,
        paragraphs=paragraphs,
    )


FORMS: Mapping[str, Callable[[Data, str, str], Iterator[Chart]]] = {
    "curve": _curve,
    "scatter": _scatter,
    "confusion_matrix": _confusion_matrix,
    "heat_map": _heat_map,
    "bars": _bars,
    "table": _table,
    "image_grid": _image_grid,
    "text": _text,
}


def _finite(series: Sequence[tuple[str, run_charts.Points]]) -> dict[str, list[tuple[float, float | None]]]:
    return {
        name: [(x, y if y is not None and y < NOT_FINITE else None) for x, y in points if x is not None]
        for name, points in dict(series).items()
    }


def _cell(value: Any) -> Cell:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value if value is None or isinstance(value, int | float) else str(value)


# --- pictures ---


def pictures_of(grid: Data) -> Iterator[Picture]:
    """The images of a grid exhibit, grey or in colour."""
    height, width, channels = grid["shape"]
    scale = max(1, round(PICTURE_SIZE / max(1, min(height, width))))
    for each in grid["images"]:
        image = png(base64.b64decode(each["pixels"]), width, height, channels)
        yield Picture(
            address="data:image/png;base64," + base64.b64encode(image).decode("ascii"),
            width=width * scale,
            height=height * scale,
            is_class=str(each["is"]),
            read_as=str(each["read_as"] or "nothing (not finite)"),
        )


def png(pixels: bytes, width: int, height: int, channels: int) -> bytes:
    """An 8-bit PNG (ISO/IEC 15948) of ``pixels`` (height, width, channels): grey with one channel, RGB with three."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    colour_type = {1: 0, 3: 2}[channels]
    header = struct.pack(">IIBBBBB", width, height, 8, colour_type, 0, 0, 0)
    row = width * channels
    lines = b"".join(b"\0" + pixels[start : start + row] for start in range(0, height * row, row))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(lines)) + chunk(b"IEND", b"")
