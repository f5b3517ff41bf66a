"""Tables for the terminal."""

from __future__ import annotations

import statistics
from collections.abc import Sequence


def spread(values: Sequence[float], *, digits: int = 2) -> str:
    """Median with the smallest and largest: ``1.02 (0.99 to 1.10)``."""
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{middle:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def print_table(title: str, rows: Sequence[Sequence[str]]) -> None:
    """``rows`` under ``title``, the first one as the head, columns aligned."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    print(f"\n{title}")
    for position, row in enumerate(rows):
        print("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        if position == 0:
            print("  " + "  ".join("-" * width for width in widths))
