"""Finds the student's framework in an upload by looking at file names alone; nothing is opened and nothing is run."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TypedDict

from milestones.contract import UnusableInput

#: The folder of a starter kit that holds this evaluator: nobody's framework.
KIT_EVALUATOR = "milestone_evaluator"
IGNORED = frozenset(
    {
        KIT_EVALUATOR,
        ".ipynb_checkpoints",
        ".virtual_documents",
        "__MACOSX",
        "build",
        "dist",
        ".git",
        ".venv",
        "venv",
        "env",
        "site-packages",
        "__pycache__",
        "node_modules",
    }
)
DEEPEST = 4
# What makes a folder a framework: any of these inside it.
SIGNS = ("core/tensor.py", "tensor.py", "foundation/tensor.py", "nn/__init__.py", "core/layers.py")
# Files of a project that are no framework: they don't count where a single file is looked for.
HELPERS = frozenset({"submission.py", "setup.py", "conftest.py", "__init__.py", "__main__.py"})
OTHER_LANGUAGES = {
    ".cpp": "C++",
    ".cc": "C++",
    ".hpp": "C++",
    ".cu": "CUDA",
    ".c": "C",
    ".rs": "Rust",
    ".java": "Java",
    ".js": "JavaScript",
}
LOOKED_FOR = (
    "a folder named tinytorch, or one that holds core/tensor.py, tensor.py, foundation/tensor.py or nn/, "
    f"at most {DEEPEST} folders deep, also under src/; exported notebooks; or a single .py file"
)


@dataclass(frozen=True, kw_only=True)
class PackageLocation:
    """Where the framework lies in the upload.

    ``root`` is the package folder ('' when the upload itself is it); ``single`` is set instead for a one-file framework;
    ``notebooks`` are files to export when there is no package; ``sources`` are those beside a package, for modules that it
    lacks; ``submission`` is ``submission.py``, ``weights`` the ``.npz`` files of a ``weights`` folder.
    """

    root: str = ""
    single: str = ""
    notebooks: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    submission: str = ""
    weights: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def find_package(names: Iterable[str]) -> PackageLocation:
    """Locate the framework among relative POSIX file names.

    Rules, in order: a folder named ``tinytorch`` with any of the signs beats another folder with a sign; shallower beats
    deeper; two equally good ones are refused rather than guessed between. Then notebooks and course sources, then a single
    Python file.

    Raises
    ------
    UnusableInput: no Python framework, or two; the message says what was looked for.
    """
    names = list(names)
    files = sorted(name for name in names if not _ignored(name))
    # The scripts of a starter kit, beside its evaluator, are no framework.
    kits = {name.partition(f"{KIT_EVALUATOR}/")[0].rstrip("/") for name in names if f"{KIT_EVALUATOR}/" in name}
    python = [name for name in files if name.endswith(".py")]
    sources = _sources(files)
    candidates = _candidates(python, files)
    if candidates:
        best = min(rank for rank, _ in candidates)
        roots = [root for rank, root in candidates if rank == best]
        if len(roots) > 1:
            raise UnusableInput(
                f"The upload holds {len(roots)} TinyTorch packages ({_quoted(roots)}); upload only the one to be assessed."
            )
        (root,) = roots
        others = [found for rank, found in candidates if rank > best and not found.startswith(root + "/")]
        notes = (
            (f"Assessed {root or 'the upload itself'}; also found and not used: {_quoted(others)}.",) if others else ()
        )
        outside = tuple(name for name in sources if root and not name.startswith(root + "/"))
        return PackageLocation(root=root, sources=outside, notes=notes, **_extras(files, root))
    if sources:
        return PackageLocation(notebooks=sources, **_extras(files, _folder(sources[0])))
    python = [name for name in python if _folder(name) not in kits or PurePosixPath(name).stem.lower() == "tinytorch"]
    plain = [name for name in python if not _is_helper(name)] or python
    named = [name for name in plain if PurePosixPath(name).stem.lower() == "tinytorch"]
    if len(named) == 1 or len(plain) == 1:
        (single,) = named if len(named) == 1 else plain
        extras = _extras(files, _folder(single))
        if extras["submission"] == single:
            extras["submission"] = ""
        return PackageLocation(single=single, **extras)
    raise UnusableInput(_nothing_found(files, python))


def _ignored(name: str) -> bool:
    parts = PurePosixPath(name).parts
    return any(part in IGNORED or part.endswith(".egg-info") for part in parts[:-1]) or parts[-1].startswith("._")


def _candidates(python: list[str], files: list[str]) -> list[tuple[tuple[int, int], str]]:
    """((rank, depth), root) of every folder that looks like the framework; a package inside another one is part of it.

    Best are folders called tinytorch with a sign, then those with an ``__init__.py``, then others with a sign, last those
    that only have the name. A numbered folder such as ``01_tensor`` holds the sources of a module and is never one.
    """
    found: dict[str, tuple[int, int]] = {}
    present = set(python)
    folders = {""}
    for name in python:
        parts = PurePosixPath(name).parts[:-1]
        folders.update("/".join(parts[: depth + 1]) for depth in range(min(len(parts), DEEPEST + 1)))
    for folder in folders:
        prefix = folder + "/" if folder else ""
        signed = any(prefix + sign in present for sign in SIGNS)
        named = PurePosixPath(folder).name.lower() == "tinytorch"
        if _is_numbered(folder):
            continue
        if named and (signed or prefix + "__init__.py" in present):
            found[folder] = (0 if signed else 1, _depth(folder))
        elif signed:
            found[folder] = (2, _depth(folder))
        elif named and not _is_mostly_another_language(prefix, files):
            found[folder] = (3, _depth(folder))
    inner = {
        root
        for root in found
        for other in found
        if root != other and (other == "" or root.startswith(other + "/")) and found[other][0] <= found[root][0]
    }
    return sorted((rank, root) for root, rank in found.items() if root not in inner)


def _is_mostly_another_language(prefix: str, files: list[str]) -> bool:
    """A C++ project of the same name may have a Python script or two."""
    suffixes = [PurePosixPath(name).suffix for name in files if name.startswith(prefix)]
    return sum(suffix in OTHER_LANGUAGES for suffix in suffixes) >= suffixes.count(".py")


def _sources(files: list[str]) -> tuple[str, ...]:
    """Notebooks and course sources (``01_tensor.py``, ``tensor_dev.py``, ``modules/01_tensor/tensor.py``), best first.

    Of the same module, a notebook counts before its twin, and what lies in ``modules/`` before the rest. Where there is a
    ``modules/``, learners work there and ``src/`` is the course's own edition, which is nobody's work to assess.
    """
    found = [name for name in files if name.endswith(".ipynb") or _looks_like_module_source(name)]
    in_modules = [name for name in found if "modules" in PurePosixPath(name).parts[:-1]]
    if in_modules:
        found = [name for name in found if name in in_modules or "src" not in PurePosixPath(name).parts[:-1]]
    return tuple(sorted(found, key=lambda name: (name not in in_modules, not name.endswith(".ipynb"), name)))


class _Extras(TypedDict):
    submission: str
    weights: tuple[str, ...]


def _extras(files: list[str], root: str) -> _Extras:
    """``submission.py`` and ``weights/*.npz`` that belong to the framework at ``root``: in it or in a folder above it."""
    near = {root, *(_tidy(str(parent)) for parent in PurePosixPath(root).parents), ""}
    submissions = [name for name in files if PurePosixPath(name).name == "submission.py" and _folder(name) in near]
    weights = (name for name in files if name.endswith(".npz") and PurePosixPath(_folder(name)).name == "weights")
    return {
        "submission": _shallowest(submissions),
        "weights": tuple(name for name in weights if _folder(_folder(name)) in near),
    }


def _folder(name: str) -> str:
    return _tidy(str(PurePosixPath(name).parent))


def _tidy(folder: str) -> str:
    return "" if folder == "." else folder


def _depth(folder: str) -> int:
    return len(PurePosixPath(folder).parts)


def _shallowest(names: list[str]) -> str:
    return min(names, key=lambda name: (len(PurePosixPath(name).parts), name), default="")


def _looks_like_module_source(name: str) -> bool:
    """Course sources are called ``01_tensor.py`` or ``tensor_dev.py``, or lie in a numbered folder."""
    path = PurePosixPath(name)
    if path.suffix != ".py" or _is_helper(name):
        return False
    return _is_numbered(path.stem) or path.stem.endswith("_dev") or _is_numbered(str(path.parent))


def _is_numbered(folder: str) -> bool:
    """Whether the last part of a path is a module's: two digits and a name."""
    return re.match(r"\d\d[a-z]?_", PurePosixPath(folder).name) is not None


def _is_helper(name: str) -> bool:
    path = PurePosixPath(name)
    return path.name in HELPERS or path.stem.startswith("test_") or path.stem.endswith("_test")


def _quoted(roots: list[str]) -> str:
    return ", ".join(root or "(the top of the upload)" for root in roots[:4])


def _nothing_found(files: list[str], python: list[str]) -> str:
    others = sorted(
        {OTHER_LANGUAGES[suffix] for name in files if (suffix := PurePosixPath(name).suffix) in OTHER_LANGUAGES}
    )
    if python:
        return f"No Python TinyTorch package found among {len(python)} Python files; looked for {LOOKED_FOR}."
    seen = f" (this looks like a {' and '.join(others)} project)" if others else ""
    return f"No Python TinyTorch package found{seen}; looked for {LOOKED_FOR}."
