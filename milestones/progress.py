"""One line on the terminal that says where a running evaluation is."""

from __future__ import annotations

import sys
from collections.abc import Callable

from milestones.contract import Progress


def show_progress() -> Callable[[Progress], None] | None:
    """What ``evaluate`` may call to keep that line up to date; None where nobody looks at a terminal."""
    return _show if sys.stderr.isatty() else None


def clear_progress() -> None:
    """Wipe the line away."""
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr, flush=True)


def _show(progress: Progress) -> None:
    curve = f", loss {progress.curve[-1][1]:.3f}" if progress.curve else ""
    print(
        f"\r\033[K{progress.done:4.0%} {progress.phase}: {progress.message}{curve}", end="", file=sys.stderr, flush=True
    )
