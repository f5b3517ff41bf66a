"""Figures of one run: its exhibits as Plotly draws them, in the look of ``charts``.

Plotly reads a little HTML in every text that it draws, links included: a text that may be a student's goes through ``label``.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from grading.analytics.charts import BLUE, COLOURS, INK_SOFT, NUMBERS, Cell, Chart, axis_of, figure_of

LONGEST_LABEL = 32
SHORT_LABEL = 6
#: Characters of tick labels that fit below a drawing of a third of the page.
ROOM_FOR_LABELS = 24
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
SYMBOLS = ("circle", "square", "diamond", "x", "triangle-up", "cross")

Points = Sequence[Sequence[float | None]]


def lines(
    series: Mapping[str, Points],
    *,
    key: str,
    title: str,
    x_title: str,
    y_title: str,
    reference: Sequence[Any] | None = None,
    logarithmic: bool = False,
) -> Chart:
    """One or several series of measured (x, y) points, joined; a y of None leaves a gap.

    ``reference`` is (words, y) of a dashed line. With ``logarithmic`` axes, points at or below zero have no place.
    """
    if logarithmic:
        series = {
            name: [(x, y) for x, y in points if x > 0 and (y is None or y > 0)] for name, points in series.items()
        }
    drawn = {name: points for name, points in series.items() if points}
    several = len(drawn) > 1
    traces = [
        go.Scatter(
            name=label(name), x=[x for x, _ in points], y=[y for _, y in points], mode="lines+markers", cliponaxis=False,
            line={"color": COLOURS[index % 6], "width": 2, "dash": DASHES[index % 6]},
            marker={"color": COLOURS[index % 6], "size": 6, "symbol": SYMBOLS[(index + index // 6) % 6]},
            hovertemplate=f"%{{x:,}} {label(x_title)}: %{{y:.4g}}" + ("" if several else "<extra></extra>"),
        )
        for index, (name, points) in enumerate(drawn.items())
    ]  # fmt: skip
    kind = {"type": "log"} if logarithmic else {}
    figure = figure_of(
        traces,
        showlegend=several,
        xaxis=axis_of(x_title, **kind or {"rangemode": "tozero"}),
        yaxis=axis_of(y_title, **kind),
        **_reference_line(reference, across="x") if reference else {},
    )
    return Chart(
        key=key,
        title=title,
        sentence=_sentence_of(drawn, reference),
        figure=figure if drawn else None,
        columns=(x_title, *([y_title] if len(series) == 1 else series)),
        rows=_joined(series.values()),
    )


def _sentence_of(series: Mapping[str, Points], reference: Sequence[Any] | None) -> str:
    """From where to where each series goes, and how many points say so."""
    if not series:
        return "The first point appears when there is something to measure."
    parts = []
    for name, points in series.items():
        values = [y for _, y in points if y is not None]
        way = f"from {values[0]:.4g} to {values[-1]:.4g}" if values else "never a finite number"
        gaps = f", {len(points) - len(values)} not finite" if len(values) < len(points) and values else ""
        parts.append(f"{f'{name}: ' if len(series) > 1 else ''}{way} (n = {len(points)}{gaps})")
    line = f" Dashed line: {reference[0]}, {reference[1]:.4g}." if reference else ""
    text = "; ".join(parts)
    return f"{text[:1].upper()}{text[1:]}.{line}"


def _joined(series: Iterable[Points]) -> tuple[tuple[Cell, ...], ...]:
    """A row for each x: the values of all series there, None where one has none."""
    columns = [dict(points) for points in series]
    return tuple((x, *(column.get(x) for column in columns)) for x in sorted({x for column in columns for x in column}))


def _reference_line(reference: Sequence[Any], *, across: str) -> dict[str, Any]:
    """Layout of a dashed line at (words, value) with its words: over the whole width (``x``) or height (``y``)."""
    words, value = reference
    along = "y" if across == "x" else "x"
    line = {
        "type": "line", f"{across}0": 0, f"{across}1": 1, f"{across}ref": "paper", f"{along}0": value, f"{along}1": value,
        "line": {"color": INK_SOFT, "dash": "dash", "width": 1.5},
    }  # fmt: skip
    words = {
        across: 1, f"{across}ref": "paper", along: value, "text": label(words), "showarrow": False,
        "xanchor": "right", "yanchor": "bottom", "font": {"color": INK_SOFT},
    }  # fmt: skip
    return {"shapes": [line], "annotations": [words]}


def heat_map(
    values: Sequence[Sequence[float | None]],
    *,
    key: str,
    title: str,
    x_title: str,
    y_title: str,
    value_title: str,
    x_labels: Sequence[str] = (),
    y_labels: Sequence[str] = (),
) -> Chart:
    """A field of numbers (rows, columns), the first row on top; what is None stays blank."""
    height, width = len(values), max(map(len, values), default=0)
    known = [
        (value, row, column)
        for row, line in enumerate(values)
        for column, value in enumerate(line)
        if value is not None
    ]
    rows = [y_labels[row] if y_labels else str(row) for row in range(height)]
    columns = [x_labels[column] if x_labels else str(column) for column in range(width)]
    least, most = (min(known)[0], max(known)[0]) if known else (0.0, 1.0)
    sentence = f"{height} × {width} values."
    if known:
        value, row, column = max(known)
        sentence += f" The largest, {value:.3g}, at {y_title.lower()} {rows[row]}, {x_title.lower()} {columns[column]}."
    if len(known) < height * width:
        sentence += f" Blank: {height * width - len(known)} without a finite value."
    trace = go.Heatmap(
        z=[list(line) for line in values], colorscale="Viridis", xgap=1, ygap=1, hoverongaps=False,
        colorbar={"title": {"text": wrapped(value_title), "side": "right"}, "thickness": 12, "outlinewidth": 0, **NUMBERS},
        zmin=min(0.0, least), zmax=most if most > least else least + 1.0,
        text=[[f"{label(rows[row])}, {label(columns[column])}" for column in range(width)] for row in range(height)],
        hovertemplate="%{text}: %{z:.4g}<extra></extra>",
    )  # fmt: skip
    figure = figure_of(
        [trace],
        xaxis=axis_of(
            wrapped(x_title), **_ticks(columns, most=max(2, ROOM_FOR_LABELS // max(map(len, columns), default=1)))
        ),
        yaxis=axis_of(wrapped(y_title), autorange="reversed", **_ticks(rows)),
    )
    return Chart(
        key=key,
        title=title,
        sentence=sentence,
        figure=figure if known else None,
        columns=(f"{y_title} \\ {x_title}", *columns),
        rows=tuple((name, *line) for name, line in zip(rows, values, strict=True)),
    )


def bars(
    names: Sequence[str],
    values: Sequence[float | None],
    *,
    key: str,
    title: str,
    value_title: str,
    reference: Sequence[Any] | None = None,
) -> Chart:
    """One bar for each name, lying, so that long names can be read; the first on top."""
    known = [(name, value) for name, value in zip(names, values, strict=True) if value is not None]
    labels = [label(name) for name, _ in known]
    trace = go.Bar(
        orientation="h", y=list(range(len(known))), x=[value for _, value in known], marker={"color": BLUE},
        text=labels, textposition="none", hovertemplate="%{text}: %{x:.4g}<extra></extra>",
    )  # fmt: skip
    sentence = f"n = {len(known)}."
    if known:
        least, most = min(known, key=lambda pair: pair[1]), max(known, key=lambda pair: pair[1])
        sentence += f" Largest: {most[0]}, {most[1]:.4g}; smallest: {least[0]}, {least[1]:.4g}."
    if reference:
        sentence += f" Dashed line: {reference[0]}, {reference[1]:.4g}."
    figure = figure_of(
        [trace],
        bargap=0.35,
        xaxis=axis_of(value_title, rangemode="tozero"),
        yaxis=axis_of("", autorange="reversed", tickvals=list(range(len(known))), ticktext=labels),
        **_reference_line(reference, across="y") if reference else {},
    )
    return Chart(
        key=key,
        title=title,
        sentence=sentence,
        figure=figure if known else None,
        columns=("Name", value_title),
        rows=tuple(zip(names, values, strict=True)),
    )


def _ticks(labels: Sequence[str], *, most: int = 16) -> dict[str, Any]:
    """Every label, or as many as there is room for."""
    step = max(1, math.ceil(len(labels) / most))
    ticks = {"tickvals": list(range(0, len(labels), step)), "ticktext": [label(name) for name in labels[::step]]}
    return {**ticks, "tickangle": 0} if max(map(len, labels), default=0) <= SHORT_LABEL else ticks


def wrapped(title: str) -> str:
    """A title of ours in lines that fit beside a small drawing."""
    return "<br>".join(map(label, textwrap.wrap(title, 26)))


def label(text: str) -> str:
    """``text`` for a drawing: short, in one line, and never markup."""
    line = " ".join(str(text).split())
    line = line if len(line) <= LONGEST_LABEL else f"{line[: LONGEST_LABEL - 1]}…"
    return line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("%{", "% {")


def confusion_matrix(matrix: Sequence[Sequence[int]], *, key: str, title: str, labels: Sequence[str]) -> Chart:
    """Counts of images: rows are the true classes, columns what the network said. Drawn are the mistakes."""
    total = sum(map(sum, matrix))
    mistakes = [
        (count, labels[true], labels[said])
        for true, row in enumerate(matrix)
        for said, count in enumerate(row)
        if true != said and count
    ]
    sentence = f"{total:,} images. "
    if mistakes:
        count, true, said = max(mistakes, key=lambda mistake: mistake[0])
        sentence += f"The most frequent mistake: {true} taken for {said}, {count} times."
    else:
        sentence += "No mistakes."
    # What is right would outshine every mistake, and the question is about mistakes: the diagonal stays blank.
    drawn = [[None if said == true else count for said, count in enumerate(row)] for true, row in enumerate(matrix)]
    names = [label(name) for name in labels]
    trace = go.Heatmap(
        z=drawn, x=names, y=names, colorscale="Cividis", xgap=1, ygap=1,
        colorbar={"title": {"text": "Images"}, "thickness": 12, "outlinewidth": 0, **NUMBERS},
        hovertemplate="True %{y}, said %{x}: %{z} images<extra></extra>",
    )  # fmt: skip
    figure = figure_of(
        [trace],
        xaxis=axis_of("The network said", type="category"),
        yaxis=axis_of("True class", type="category", autorange="reversed"),
    )
    return Chart(
        key=key,
        title=title,
        sentence=sentence,
        figure=figure,
        columns=("True \\ said", *labels),
        rows=tuple((name, *row) for name, row in zip(labels, matrix, strict=True)),
    )


def per_class_accuracy(shares: Sequence[float | None], *, key: str, title: str, labels: Sequence[str]) -> Chart:
    """Accuracy of each class in percent. ``shares`` are 0 to 1; None is a class of which no image was drawn."""
    known = [(name, 100 * share) for name, share in zip(labels, shares, strict=True) if share is not None]
    trace = go.Bar(
        x=[label(name) for name, _ in known], y=[value for _, value in known], marker={"color": BLUE},
        hovertemplate="Class %{x}: %{y:.1f} %<extra></extra>",
    )  # fmt: skip
    worst = min(known, key=lambda pair: pair[1], default=None)
    return Chart(
        key=key,
        title=title,
        sentence=f"Lowest for class {worst[0]}: {worst[1]:.1f} %." if worst else "No class was measured.",
        figure=figure_of(
            [trace], xaxis=axis_of("Class", type="category"), yaxis=axis_of("Right (%)", range=[0, 105], nticks=6)
        ),
        columns=("Class", "Right (%)"),
        rows=tuple((name, f"{value:.1f}") for name, value in known),
    )
