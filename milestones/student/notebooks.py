"""Turns nbdev notebooks and jupytext files into the package that ``nbdev_export`` would have written."""

import json
import re
from pathlib import Path

EXPORT = re.compile(r"^#\s*\|?\s*(?:export|exporti|exports)\b", re.M)
DEFAULT_EXPORT = re.compile(r"^#\s*\|?\s*default_exp\s+([A-Za-z_][\w.]*)", re.M)
# Lines that only a notebook understands: %matplotlib inline, !pip install …
_MAGIC = re.compile(r"^(\s*)([%!].*)$", re.M)
_NUMBER = re.compile(r"^\d+[a-z]?[_-]?")


def cells_of(path):
    """The code cells of a notebook or of a jupytext ``.py`` file, as texts. Unreadable files have none."""
    try:
        text = path.read_text(encoding="utf-8-sig", errors="replace")
        if path.suffix == ".ipynb":
            cells = json.loads(text).get("cells", [])
            return [_plain("".join(cell["source"])) for cell in cells if cell.get("cell_type") == "code"]
        parts = re.split(r"^# %%(.*)$", text, flags=re.M)
        # parts: text before the first cell, then (header, body) pairs; markdown cells say so in their header.
        return [parts[0]] + [
            body for head, body in zip(parts[1::2], parts[2::2], strict=False) if "[markdown]" not in head
        ]
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return []


def _plain(cell):
    """The cell without lines that are no Python; left alone where it compiles, since a line may begin with % there too."""
    try:
        compile(cell, "cell", "exec", dont_inherit=True)
    except (SyntaxError, ValueError):
        return _MAGIC.sub(r"\1pass  # \2", cell)
    return cell


def export(base, names, target):
    """Write the modules that the files ``names`` (relative to ``base``) export below the folder ``target``.

    Returns {dotted name within the package: (written file, name of the source)}. Of several sources of one module the
    first in ``names`` counts: a notebook and its jupytext twin say the same. A source without ``default_exp`` is called
    by its file, ``02_layers.ipynb`` being ``core.layers``; where no source has any mark, ``.py`` files are taken whole.
    """
    read = {name: cells_of(Path(base) / name) for name in names}
    stated = {
        name: found.group(1)
        for name, cells in read.items()
        if (found := next(filter(None, map(DEFAULT_EXPORT.search, cells)), None))
    }
    written = {}
    for name, cells in read.items():
        chosen = [cell for cell in cells if EXPORT.search(cell)]
        if not chosen and not stated and name.endswith(".py"):
            chosen = cells
        dotted = stated.get(name) or f"core.{_module_name(Path(name))}"
        if not chosen or dotted in written:
            continue
        file = Path(target, *dotted.split(".")).with_suffix(".py")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("\n\n".join(chosen), encoding="utf-8")
        written[dotted] = (file, name)
    return written


def _module_name(path):
    stem = re.sub(r"\W", "_", _NUMBER.sub("", path.stem).removesuffix("_dev"))
    return stem if stem.isidentifier() else "module"
