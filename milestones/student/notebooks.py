"""Turns nbdev notebooks and jupytext files into the package that ``nbdev_export`` would have written."""

import json
import re
from pathlib import Path

EXPORT = re.compile(r"^#\s*\|\s*(export|exporti|exports)\b", re.M)
DEFAULT_EXPORT = re.compile(r"^#\s*\|\s*default_exp\s+([A-Za-z_][\w.]*)", re.M)


def cells_of(path):
    """The code cells of a notebook or of a jupytext ``.py`` file, as texts. Unreadable files have none."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
        if path.suffix == ".ipynb":
            cells = json.loads(text).get("cells", [])
            return ["".join(cell["source"]) for cell in cells if cell.get("cell_type") == "code"]
        parts = re.split(r"^# %%(.*)$", text, flags=re.M)
        # parts: text before the first cell, then (header, body) pairs; markdown cells say so in their header.
        return [parts[0]] + [
            body for head, body in zip(parts[1::2], parts[2::2], strict=False) if "[markdown]" not in head
        ]
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return []


def export(base, names, target):
    """Write the exported modules of the files ``names`` (relative to ``base``) below ``target``/tinytorch.

    Returns the list of written module files. Cells keep their order; a module named by several files gets them all.
    """
    modules = {}
    for name in sorted(names):
        cells = cells_of(Path(base) / name)
        defaults = [found.group(1) for cell in cells for found in [DEFAULT_EXPORT.search(cell)] if found]
        if not defaults:
            continue
        exported = [cell for cell in cells if EXPORT.search(cell)]
        if exported:
            modules.setdefault(defaults[0], []).extend(exported)
    written = []
    for dotted, cells in modules.items():
        path = Path(target, "tinytorch", *dotted.split(".")).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n\n".join(cells), encoding="utf-8")
        written.append(path)
    return written
