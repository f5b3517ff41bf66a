"""What is in a milestone's starter kit, and the zip of it.

::

    milestone-1-basic-inference/
        README.md                  what is assessed and how, made from the rubric
        submission.py              template with the hooks explained
        run_public_checks.py       the whole milestone, as the server runs it
        test_mnist_basic.py …      the milestone's own scripts: some groups of checks each
        milestone_evaluator/       this evaluator without its samples; the folder is never taken for a student's framework

A milestone's ``starter`` folder holds its template and scripts; a milestone without one still has a kit.
"""

from __future__ import annotations

import ast
import io
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from milestones.catalog.samples import LEFT_BEHIND, PACKED_AT
from milestones.contract import Milestone
from milestones.discovery import KIT_EVALUATOR
from milestones.kits.readme import readme

PACKAGE = Path(__file__).parents[1]
START = "public_checks.py"
WHOLE = "run_public_checks.py"
TEMPLATE = "submission.py"
_NOT_SHIPPED = LEFT_BEHIND | {"samples", "starter"}

_WHOLE_SCRIPT = '''"""All public checks of this milestone, as the server runs them, with the score that they give."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "{evaluator}"))

from public_checks import run

if __name__ == "__main__":
    run(__file__, milestone={milestone!r})
'''


@dataclass(frozen=True, kw_only=True)
class Script:
    """A script of a kit: its name and, from its docstring, what it answers."""

    name: str
    answers: str


def name_of(milestone: Milestone) -> str:
    """The kit's top folder, and without ``.zip`` the name of its archive."""
    return f"milestone-{milestone.rubric.number}-{milestone.rubric.slug}"


def files_of(milestone: Milestone) -> dict[str, bytes]:
    """The kit's files: sorted POSIX names below its top folder, to contents."""
    whole = _WHOLE_SCRIPT.format(evaluator=KIT_EVALUATOR, milestone=milestone.rubric.slug)
    files = {WHOLE: whole.encode()}
    starter = milestone.folder / "starter"
    files |= {name: path.read_bytes() for name, path in _tree(starter).items()}
    scripts = [
        Script(name=name, answers=(ast.get_docstring(ast.parse(content)) or name).partition("\n\n")[0])
        for name, content in files.items()
        if name.endswith(".py") and name != TEMPLATE
    ]
    files["README.md"] = readme(milestone, scripts).encode()
    evaluator = {name: path for name, path in _tree(PACKAGE).items() if _is_shipped(name)}
    # A milestone outside this catalogue comes along as one of the catalogue.
    own = {f"catalog/{milestone.folder.name}/{name}": path for name, path in _tree(milestone.folder).items()}
    evaluator |= {name: path for name, path in own.items() if _is_shipped(name)}
    files |= {f"{KIT_EVALUATOR}/milestones/{name}": path.read_bytes() for name, path in evaluator.items()}
    files[f"{KIT_EVALUATOR}/{START}"] = (Path(__file__).parent / START).read_bytes()
    return dict(sorted(files.items()))


def pack(milestone: Milestone) -> bytes:
    """The kit as a zip with one top folder. The same kit gives the same bytes."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files_of(milestone).items():
            member = zipfile.ZipInfo(f"{name_of(milestone)}/{name}", PACKED_AT)
            member.external_attr = 0o644 << 16
            archive.writestr(member, content, zipfile.ZIP_DEFLATED)
    return target.getvalue()


def _tree(folder: Path) -> Mapping[str, Path]:
    """The files below a folder, by relative POSIX name; none where there is no folder."""
    return {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}


def _is_shipped(name: str) -> bool:
    """Whether a file of the evaluator is needed at home: everything that can change a result, and nothing else."""
    path = Path(name)
    return path.name == "rubric.toml" or (path.suffix == ".py" and not _NOT_SHIPPED & set(path.parts))
