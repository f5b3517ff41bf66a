"""Turns nbdev notebooks and jupytext files into the package that ``nbdev_export`` would have written."""

import json
import re
from pathlib import Path

# Repeats are bounded: the grader, too, looks at notebooks with these, and a hostile one must not keep it busy.
EXPORT = re.compile(r"^#[ \t]{0,8}\|?[ \t]{0,8}(?:export|exporti|exports)\b", re.M)
DEFAULT_EXPORT = re.compile(r"^#[ \t]{0,8}\|?[ \t]{0,8}default_exp[ \t]{1,8}([A-Za-z_][\w.]{0,200})", re.M)
LARGEST_NOTEBOOK = 16_000_000
# Lines that only a notebook understands: %matplotlib inline, !pip install …
_MAGIC = re.compile(r"^(\s*)([%!].*)$", re.M)
_NUMBER = re.compile(r"^\d+[a-z]?[_-]?")


def cells_of(content, name):
    """The code cells of a notebook or of a jupytext ``.py`` file, given as bytes, as texts. What can't be read has none."""
    if not name.endswith(".ipynb"):
        text = content.decode("utf-8-sig", errors="replace").replace("\r\n", "\n")
        parts = re.split(r"^# %%(.*)$", text, flags=re.M)
        # parts: text before the first cell, then (header, body) pairs; markdown cells say so in their header.
        return [parts[0]] + [
            body for head, body in zip(parts[1::2], parts[2::2], strict=False) if "[markdown]" not in head
        ]
    return _notebook_cells(content, "code")


def texts_of(content):
    """The texts of a notebook, given as bytes. What can't be read has none."""
    return _notebook_cells(content, "markdown")


def _notebook_cells(content, kind):
    if len(content) > LARGEST_NOTEBOOK:
        return []
    try:
        cells = json.loads(content.decode("utf-8-sig", errors="replace").replace("\r\n", "\n")).get("cells", [])
        return ["".join(cell["source"]) for cell in cells if cell.get("cell_type") == kind]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return []


def exported(sources):
    """{dotted name within the package: (name of the source, its cells for export)}. Nothing is compiled or run.

    ``sources`` maps names of files to their bytes. Of several sources of one module the first counts: a notebook and its
    jupytext twin say the same. A source without ``default_exp`` is called by its file, ``02_layers.ipynb`` being
    ``core.layers``; where no source has any mark, ``.py`` files are taken whole.
    """
    read = {name: cells_of(content, name) for name, content in sources.items()}
    stated = {
        name: found.group(1)
        for name, cells in read.items()
        if (found := next(filter(None, map(DEFAULT_EXPORT.search, cells)), None))
    }
    modules = {}
    for name, cells in read.items():
        chosen = [cell for cell in cells if EXPORT.search(cell)]
        if not chosen and not stated and name.endswith(".py"):
            chosen = cells
        dotted = stated.get(name) or f"core.{_module_name(Path(name))}"
        if chosen:
            modules.setdefault(dotted, (name, chosen))
    return modules


def export(base, names, target):
    """Write what the files ``names`` (relative to ``base``) export below the folder ``target``.

    Returns {dotted name within the package: (written file, name of the source)}.
    """
    written = {}
    for dotted, (name, cells) in exported({name: (Path(base) / name).read_bytes() for name in names}).items():
        file = Path(target, *dotted.split(".")).with_suffix(".py")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("\n\n".join(map(_plain, cells)), encoding="utf-8", errors="replace")
        written[dotted] = (file, name)
    return written


def _plain(cell):
    """The cell without lines that are no Python; left alone where it compiles, since a line may begin with % there too."""
    try:
        compile(cell, "cell", "exec", dont_inherit=True)
    except (SyntaxError, ValueError):
        return _MAGIC.sub(r"\1pass  # \2", cell)
    return cell


def _module_name(path):
    stem = re.sub(r"\W", "_", _NUMBER.sub("", path.stem).removesuffix("_dev"))
    return stem if stem.isidentifier() else "module"
