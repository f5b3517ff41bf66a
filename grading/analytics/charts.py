"""Rows in, figures out: pure functions that build Plotly figures with one shared template.

Colours are Okabe-Ito in their light form; ``static/js/charts.js`` swaps each for the variable of the current theme. A second
series always differs by pattern or dash as well. The title is the question that the figure answers and stands in the
page's own text, not in the drawing; axes carry units; n is in the sentence; groups under five are dots.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from functools import cache
from typing import Any, ClassVar

import plotly.graph_objects as go

from grading.analytics.queries import AccuracyRow, CompletionRow, ScoreRow, WaitingRow
from grading.models import HourlyActivity

BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY = "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"
INK, INK_SOFT, LINE, SURFACE = "#373c44", "#5d6472", "#e3e6ec", "#ffffff"
#: Fewer values than this are drawn one by one: a histogram of four people is a list of four people in disguise.
SMALL_GROUP = 5
#: A page shows this many rows of a table at most; its CSV has all of them.
MOST_ROWS = 200
COLOURS = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY)
#: How numbers on axes are written: 60,000 and 1e-7, never 60k and 100n.
NUMBERS = {"exponentformat": "e", "minexponent": 5, "separatethousands": True}

Cell = str | int | float | None


@dataclass(frozen=True, kw_only=True)
class Chart:
    """One figure as a page shows it, by ``template``: ``figure`` is Plotly JSON, or None where there is nothing to draw yet."""

    template: ClassVar[str] = "components/chart.html"

    key: str
    title: str
    sentence: str
    figure: Mapping[str, Any] | None
    columns: tuple[str, ...] = ()
    rows: tuple[tuple[Cell, ...], ...] = field(default=())

    @property
    def data_id(self) -> str:
        """The id of the script element that holds the figure's JSON."""
        return f"{self.key}-data"

    @property
    def rows_shown(self) -> Sequence[Sequence[Any]]:
        """The rows that a page has room for."""
        return self.rows[:MOST_ROWS]

    @property
    def rows_left_out(self) -> int:
        """How many more there are in the CSV."""
        return max(0, len(self.rows) - MOST_ROWS)


@cache
def template() -> go.layout.Template:
    """The look that every figure shares."""
    axis = {"gridcolor": LINE, "zeroline": False, "linecolor": LINE, "ticks": "", "automargin": True} | NUMBERS
    return go.layout.Template(
        layout={
            "colorway": list(COLOURS),
            "font": {"size": 12, "color": INK},
            "margin": {"t": 12, "r": 12, "b": 44, "l": 52},
            "xaxis": axis | {"title": {"standoff": 10}},
            "yaxis": axis | {"title": {"standoff": 10}, "rangemode": "tozero"},
            "legend": {"orientation": "h", "traceorder": "normal", "y": 1.02, "yanchor": "bottom", "x": 0},
            "hoverlabel": {"bgcolor": SURFACE, "bordercolor": LINE, "font": {"color": INK}},
            "bargap": 0.06,
            "showlegend": False,
        }
    )


def figure_of(traces: Iterable[Any], **layout: Any) -> dict[str, Any]:
    """Plotly JSON of ``traces`` in the shared look."""
    figure = go.Figure(data=list(traces), layout=go.Layout(template=template(), **layout))
    return figure.to_plotly_json()


def axis_of(title: str, **options: Any) -> dict[str, Any]:
    """Layout of an axis, with its title."""
    return {"title": {"text": title}, **options}


def _count_axis(title: str, largest: int) -> dict[str, Any]:
    """An axis of people: whole numbers only, also when there are few."""
    return axis_of(title, **({"dtick": 1} if largest <= 5 else {"nticks": 6}), range=[0, max(1, largest) * 1.08])


def completion(rows: Sequence[CompletionRow], *, titles: Mapping[str, str]) -> Chart:
    """Share of the class that completed each milestone, and that tried and has not yet. ``titles`` by slug."""
    labels = [f"M{row.number}" for row in rows]
    done = [100 * row.completed / row.students if row.students else 0 for row in rows]
    tried = [100 * (row.submitted - row.completed) / row.students if row.students else 0 for row in rows]
    hover = [
        f"{titles[row.slug]}: {row.completed} completed, {row.submitted} submitted, of {row.students}" for row in rows
    ]
    traces = [
        go.Bar(
            name="Completed", x=labels, y=done, marker={"color": BLUE}, hovertext=hover, hoverinfo="text",
            text=[f"{share:.0f}" if share >= 15 else "" for share in done], textposition="inside",
            insidetextanchor="end", textangle=0,
            textfont={"color": SURFACE},
        ),
        go.Bar(
            name="Submitted, not completed", x=labels, y=tried, hovertext=hover, hoverinfo="text",
            marker={"color": VERMILION, "pattern": {"shape": "/", "fillmode": "replace", "size": 7, "solidity": 0.3}},
        ),
    ]  # fmt: skip
    students = max((row.students for row in rows), default=0)
    best = [f"{row.completed} of {row.students} in milestone {row.number}" for row in rows if row.submitted]
    return Chart(
        key="completion",
        title="How many students complete each milestone?",
        sentence=f"Share of the {students} active students. Completed: {'; '.join(best) or 'nobody yet'}.",
        figure=figure_of(
            traces,
            barmode="stack",
            showlegend=True,
            bargap=0.35,
            xaxis=axis_of("Milestone", fixedrange=True),
            yaxis=axis_of("Students (%)", range=[0, 105], fixedrange=True, nticks=6),
        )
        if rows
        else None,
        columns=("Milestone", "Students", "Submitted", "Completed", "Completed (%)", "Mean score", "Median score"),
        rows=tuple(
            (
                f"{row.number}. {titles[row.slug]}",
                row.students,
                row.submitted,
                row.completed,
                f"{share:.0f}",
                _or_dash(row.mean_score),
                _or_dash(row.median_score),
            )
            for row, share in zip(rows, done, strict=True)
        ),
    )


def score_distribution(rows: Sequence[ScoreRow], *, milestone: str, threshold: float) -> Chart:
    """Counted scores in bands of ten points, with the score that completes the milestone."""
    scores = [row.score for row in rows]
    bands = _bands(scores, width=10, low=0, high=100)
    title = "How are the scores spread?"
    if not scores:
        return Chart(
            key="scores", title=title, sentence=f"{milestone}: no scores yet. They appear as runs end.", figure=None
        )
    below = sum(score < threshold for score in scores)
    return Chart(
        key="scores",
        title=title,
        sentence=(
            f"{milestone}, n = {len(scores)}: median {_short(statistics.median(scores))}, "
            f"{below} below {threshold:g} (dashed line)."
        ),
        figure=_distribution(
            scores, bands, x_title="Score (points of 100)", mark=threshold, x_range=(0, 100), suffix=" points"
        ),
        columns=("Score", "Students"),
        rows=tuple((f"{low:g} to {'100' if high >= 100 else f'below {high:g}'}", count) for low, high, count in bands),
    )


def before_and_after(
    before: Sequence[float], after: Sequence[float], *, threshold: float, threshold_after: float
) -> Chart:
    """The counted scores of the same students before and after a change, in bands of ten points."""
    title = "How would the scores be spread?"
    if not before:
        return Chart(key="before-and-after", title=title, sentence="Nobody has a score yet.", figure=None)
    bands, later = (_bands(scores, width=10, low=0, high=100) for scores in (before, after))
    x_axis = axis_of("Score (points of 100)", range=[-2, 102])
    if len(before) < SMALL_GROUP:
        traces = [
            go.Scatter(
                name=name, x=list(scores), y=list(range(1, len(scores) + 1)), mode="markers",
                marker={"size": 11, "color": colour, "symbol": symbol},
                hovertemplate=f"{name}: %{{x:.1f}} points<extra></extra>",
            )
            for name, scores, colour, symbol in (
                ("Now", before, BLUE, "circle-open"), ("Afterwards", after, VERMILION, "diamond"),
            )
        ]  # fmt: skip
        layout = {"yaxis": {"visible": False, "range": [0, len(before) + 1]}}
    else:
        traces = [
            go.Bar(
                name=name, x=[(low + high) / 2 for low, high, _ in counts], y=[count for *_, count in counts],
                marker={"color": colour, "pattern": {"shape": pattern, "fillmode": "replace", "size": 7}},
                customdata=[[low, high] for low, high, _ in counts],
                hovertemplate=f"{name}, %{{customdata[0]:g}} to %{{customdata[1]:g}} points: %{{y}} students<extra></extra>",
            )
            for name, counts, colour, pattern in (("Now", bands, BLUE, ""), ("Afterwards", later, VERMILION, "/"))
        ]  # fmt: skip
        layout = {"yaxis": _count_axis("Students", max(count for _, _, count in (*bands, *later))), "barmode": "group"}
    return Chart(
        key="before-and-after",
        title=title,
        sentence=(
            f"n = {len(before)}: median {_short(statistics.median(before))} now, {_short(statistics.median(after))} "
            f"afterwards; below the threshold {sum(score < threshold for score in before)} now, "
            f"{sum(score < threshold_after for score in after)} afterwards."
        ),
        figure=figure_of(traces, showlegend=True, xaxis=x_axis, **layout),
        columns=("Score", "Students now", "Students afterwards"),
        rows=tuple(
            (f"{low:g} to {'100' if high >= 100 else f'below {high:g}'}", count, other)
            for (low, high, count), (_, _, other) in zip(bands, later, strict=True)
        ),
    )


def accuracy_distribution(
    rows: Sequence[AccuracyRow], *, subject: str, mark: float | None, named: Sequence[tuple[str, float]] = ()
) -> Chart:
    """Measured accuracies of the counted attempts in percent, with the pass mark (a share of 0 to 1).

    ``named``: the bands that a milestone states for its accuracy, each with the share from which on it reaches, the highest
    first; without them, bands of equal width.
    """
    values = [100 * row.accuracy for row in rows]
    title = f"How accurate are the students' networks on {subject}?"
    if not values:
        return Chart(key="accuracy", title=title, sentence="No accuracy has been measured yet.", figure=None)
    floor = max(0.0, 10 * (min([*values, 100 * (mark or 1)]) // 10))
    width = 10 if floor < 50 else 5 if floor < 80 else 2
    bands = _bands(values, width=width, low=floor, high=100) if not named else _named_bands(values, named, low=floor)
    sentence = f"n = {len(values)} students: median {statistics.median(values):.1f} %"
    sizes = sorted({row.n for row in rows if row.n})
    if sizes:
        images = f"{sizes[0]:,}" if len(sizes) == 1 else f"{sizes[0]:,} to {sizes[-1]:,}"
        sentence += f", each measured on {images} unseen images"
    halves = [50 * (row.high - row.low) for row in rows if row.high is not None and row.low is not None]
    if halves:
        sentence += f" (95 % interval typically ±{statistics.median(halves):.1f} points)"
    if mark is not None:
        reached = sum(row.accuracy >= mark for row in rows)
        sentence += f"; {reached} reach the mark of {100 * mark:g} % (dashed line)"
    return Chart(
        key="accuracy",
        title=title,
        sentence=sentence + ".",
        figure=_distribution(
            values,
            bands,
            x_title="Accuracy (%)",
            mark=None if mark is None else 100 * mark,
            x_range=(floor, 100),
            suffix=" %",
            intervals=[(100 * (row.low or row.accuracy), 100 * (row.high or row.accuracy)) for row in rows],
        ),
        columns=("Accuracy (%)", "Students"),
        rows=tuple((f"{low:g} to {'100' if high >= 100 else f'below {high:g}'}", count) for low, high, count in bands)
        if not named
        else tuple(
            (f"{f'{100 * least:g} and more' if least else f'below {bands[0][1]:g}'}: {name}", count)
            for (name, least), (*_, count) in zip(reversed(named), bands, strict=True)
        ),
    )


#: Bands of waiting by their upper bounds in seconds, with colour and pattern: the longer, the heavier.
WAITING_BANDS = ((10.0, "", SKY), (60.0, "/", BLUE), (600.0, "x", ORANGE), (math.inf, ".", VERMILION))


def waited_at_most(rows: Iterable[WaitingRow], share: float) -> float | None:
    """The smallest bound within which ``share`` (0 to 1) of the submissions waited: an upper bound of that percentile.

    Infinity: longer than the largest bound of the histogram. None: there are no submissions.
    """
    counts: dict[float, int] = {}
    for row in rows:
        counts[row.bound] = counts.get(row.bound, 0) + row.submissions
    needed, seen = share * sum(counts.values()), 0
    for bound, count in sorted(counts.items()):
        seen += count
        if seen >= needed - 1e-9:  # 0.07 * 100 is 7.000000000000001
            return bound
    return None


def duration(seconds: float | None) -> str:
    """A bound of the histogram in words: 10 s, 5 min, 1 h."""
    if seconds is None:
        return "—"
    if math.isinf(seconds):
        return "over 1 h"
    size, unit = next((size, unit) for size, unit in ((3600, "h"), (60, "min"), (1, "s")) if seconds >= size)
    return f"{seconds / size:g} {unit}"


def waiting_times(rows: Sequence[WaitingRow], *, period: str) -> Chart:
    """How long submissions waited, in the buckets of the histogram; ``period`` says of when, in words."""
    title = "How long do submissions wait?"
    total = sum(row.submissions for row in rows)
    if not total:
        return Chart(key="waiting", title=title, sentence=f"Nothing was measured {period}.", figure=None)
    bounds = sorted({*map(float, HourlyActivity.BUCKETS), math.inf})
    counts = [sum(row.submissions for row in rows if row.bound == bound) for bound in bounds]
    labels = [duration(bound) if math.isinf(bound) else f"≤ {duration(bound)}" for bound in bounds]
    half, most, nearly_all = (duration(waited_at_most(rows, share)) for share in (0.5, 0.9, 0.95))
    trace = go.Bar(
        x=labels, y=counts, marker={"color": BLUE}, hovertemplate="waited %{x}: %{y} submissions<extra></extra>"
    )
    return Chart(
        key="waiting",
        title=title,
        sentence=(
            f"n = {total} submissions {period}, before their first run: half waited at most {half}, "
            f"90 % at most {most}, 95 % at most {nearly_all}."
        ).replace("at most over", "over"),
        figure=figure_of(
            [trace],
            xaxis=axis_of("Waiting time", type="category", tickangle=-45),
            yaxis=_count_axis("Submissions", max(counts)),
        ),
        columns=("Waited", "Submissions"),
        rows=tuple(zip(labels, counts, strict=True)),
    )


def waiting_by_hour(rows: Sequence[WaitingRow], *, period: str, zone: tzinfo) -> Chart:
    """Submissions per hour by how long they waited, in the course's own time ``zone``."""
    title = "When is the queue busy?"
    by_hour: dict[datetime, list[WaitingRow]] = {}
    for row in rows:
        by_hour.setdefault(row.hour, []).append(row)
    if not by_hour:
        return Chart(
            key="busy-hours", title=title, sentence=f"Nothing was handed in and measured {period}.", figure=None
        )
    busiest = max(by_hour, key=lambda hour: sum(row.submissions for row in by_hour[hour]))
    names = {hour: f"{hour.astimezone(zone):%Y-%m-%d %H:00}" for hour in by_hour}
    traces = []
    lower = 0.0
    for bound, pattern, colour in WAITING_BANDS:
        counts = [sum(row.submissions for row in found if lower < row.bound <= bound) for found in by_hour.values()]
        name = f"> {duration(lower)}" if math.isinf(bound) else f"≤ {duration(bound)}"
        traces.append(
            go.Bar(
                name=name, x=list(names.values()), y=counts, hovertemplate=f"%{{x}}, {name}: %{{y}}<extra></extra>",
                marker={"color": colour, "pattern": {"shape": pattern, "fillmode": "replace", "size": 6}},
            )
        )  # fmt: skip
        lower = bound
    totals = [sum(row.submissions for row in found) for found in by_hour.values()]
    return Chart(
        key="busy-hours",
        title=title,
        sentence=(
            f"Submissions per hour {period} by how long they waited. Busiest: {names[busiest]} with {max(totals)}."
        ),
        figure=figure_of(
            traces,
            barmode="stack",
            showlegend=True,
            xaxis=axis_of(f"Hour ({zone})", type="date", nticks=5, tickangle=0),
            yaxis=_count_axis("Submissions", max(totals)),
        ),
        columns=("Hour", "Submissions", "Half waited", "90 %", "95 %"),
        rows=tuple(
            (
                names[hour],
                total,
                *(duration(waited_at_most(found, share)) for share in (0.5, 0.9, 0.95)),
            )
            for (hour, found), total in zip(by_hour.items(), totals, strict=True)
        ),
    )


def _short(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _or_dash(value: float | None) -> Cell:
    return "—" if value is None else _short(value)


def _bands(values: Sequence[float], *, width: float, low: float, high: float) -> tuple[tuple[float, float, int], ...]:
    """Counts per band [low, high); the last band includes its upper end, where full marks live."""
    edges = [low + width * step for step in range(round((high - low) / width))]
    counts = dict.fromkeys(edges, 0)
    for value in values:
        # 1e-9: 0.29 * 100 is 28.999999999999996, and a student at 29 belongs to the band that starts there.
        step = int((value - low + 1e-9) // width)
        counts[edges[min(max(step, 0), len(edges) - 1)]] += 1
    return tuple((edge, edge + width, counts[edge]) for edge in edges)


def _named_bands(
    values: Sequence[float], named: Sequence[tuple[str, float]], *, low: float
) -> tuple[tuple[float, float, int], ...]:
    """Counts per band of a milestone's own, lowest first; the lowest is drawn from ``low``."""
    edges = sorted(100 * least for _, least in named)
    counts = dict.fromkeys(edges, 0)
    for value in values:
        counts[max((edge for edge in edges if edge <= value + 1e-9), default=edges[0])] += 1
    drawn = [min(low, edges[1]) if len(edges) > 1 else low, *edges[1:], 100.0]
    return tuple((start, end, counts[edge]) for edge, start, end in zip(edges, drawn, drawn[1:], strict=False))


def _distribution(
    values: Sequence[float],
    bands: Sequence[tuple[float, float, int]],
    *,
    x_title: str,
    mark: float | None,
    x_range: tuple[float, float],
    suffix: str,
    intervals: Sequence[tuple[float, float]] | None = None,
) -> dict[str, Any]:
    """A histogram, or one dot per value in a small group (with its interval where there is one)."""
    reach = x_range[1] - x_range[0]
    shapes = []
    if mark is not None:
        line = {"color": VERMILION, "dash": "dash", "width": 2}
        shapes = [{"type": "line", "x0": mark, "x1": mark, "y0": 0, "y1": 1, "yref": "paper", "line": line}]
    x_axis = axis_of(x_title, range=[x_range[0] - 0.02 * reach, x_range[1] + 0.02 * reach])
    if len(values) < SMALL_GROUP:
        errors = None
        if intervals:
            errors = {
                "type": "data",
                "symmetric": False,
                "array": [high - value for value, (_, high) in zip(values, intervals, strict=True)],
                "arrayminus": [value - low for value, (low, _) in zip(values, intervals, strict=True)],
                "color": INK_SOFT,
                "thickness": 1,
            }
        dots = go.Scatter(
            x=list(values), y=list(range(1, len(values) + 1)), mode="markers", marker={"size": 10, "color": BLUE},
            error_x=errors, hovertemplate=f"%{{x:.1f}}{suffix}<extra></extra>",
        )  # fmt: skip
        y_axis = {"visible": False, "range": [0, len(values) + 1]}
        return figure_of([dots], shapes=shapes, xaxis=x_axis, yaxis=y_axis)
    bars = go.Bar(
        x=[(low + high) / 2 for low, high, _ in bands],
        y=[count for _, _, count in bands],
        width=[0.94 * (high - low) for low, high, _ in bands],
        marker={"color": BLUE},
        customdata=[[low, high] for low, high, _ in bands],
        hovertemplate=f"%{{customdata[0]:g}} to %{{customdata[1]:g}}{suffix}: %{{y}} students<extra></extra>",
    )
    return figure_of([bars], shapes=shapes, xaxis=x_axis, yaxis=_count_axis("Students", max(c for *_, c in bands)))
