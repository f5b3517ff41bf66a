"""Finds the milestones of the catalogue, checks that each states itself soundly, and refuses duplicates.

The catalogue is what this project ships and, beside it, the folder that the environment's ``MILESTONES_DIR`` names.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import itertools
import json
import math
import os
import re
import sys
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from milestones.contract import Benchmark, Criterion, Group, Milestone, Rubric

CATALOG = Path(__file__).parent / "catalog"
MEASURES = frozenset({"share", "anchors", "human"})


class InvalidMilestone(ValueError):
    """A milestone folder contradicts itself; the message names the folder and what is wrong."""


def folders() -> tuple[Path, ...]:
    """Where milestones lie: the catalogue of this project and, where there is one, that of ``MILESTONES_DIR``."""
    further = os.environ.get("MILESTONES_DIR")
    return (CATALOG, Path(further).expanduser().resolve()) if further else (CATALOG,)


def catalog(folder: Path | None = None) -> tuple[Milestone, ...]:
    """Every milestone, or every one of ``folder`` alone, by number. Read once; who adds one starts the processes anew.

    Raises InvalidMilestone where a rubric is unsound, two milestones share a number or a slug, or the folder is not there.
    """
    return _catalog(folders() if folder is None else (Path(folder),))


@functools.cache
def _catalog(places: tuple[Path, ...]) -> tuple[Milestone, ...]:
    for folder in places:
        if not folder.is_dir():
            raise InvalidMilestone(f"The folder of milestones {folder} is not there.")
    found = [read(path.parent) for folder in places for path in sorted(folder.glob("*/rubric.toml"))]
    for attribute in ("number", "slug"):
        values = [getattr(milestone.rubric, attribute) for milestone in found]
        for value in values:
            if values.count(value) > 1:
                where = " and ".join(folder.name for folder in places)
                raise InvalidMilestone(f"Two milestones in {where} have the {attribute} {value}.")
    return tuple(sorted(found, key=lambda milestone: milestone.rubric.number))


def get(name: str | int, folder: Path | None = None) -> Milestone:
    """The milestone with this number or slug (underscores allowed). Raises KeyError with the names there are."""
    wanted = str(name).strip().replace("_", "-")
    for milestone in catalog(folder):
        if wanted in (str(milestone.rubric.number), milestone.rubric.slug):
            return milestone
    names = ", ".join(f"{m.rubric.number} {m.rubric.slug}" for m in catalog(folder))
    raise KeyError(f"There is no milestone “{name}”; there are: {names}.")


def read(folder: Path) -> Milestone:
    """One milestone from its folder. Raises InvalidMilestone."""
    try:
        rubric = read_rubric(tomllib.loads((folder / "rubric.toml").read_text(encoding="utf-8")))
        groups = tuple(_module(folder).GROUPS)
    except (KeyError, TypeError, AttributeError, ValueError, OSError) as error:
        raise InvalidMilestone(f"{folder.name}: {error!r}") from error
    if not groups or not all(isinstance(group, Group) for group in groups):
        raise InvalidMilestone(f"{folder.name}: evaluation.py must define GROUPS, a tuple of Group.")
    keys = [check.key for group in groups for check in group.checks]
    if len(keys) != len(set(keys)):
        raise InvalidMilestone(f"{folder.name}: two checks have the same key.")
    return Milestone(rubric=rubric, groups=groups, folder=folder)


def read_rubric(stated: dict) -> Rubric:
    """A rubric from its TOML tables. Raises KeyError, TypeError or ValueError with what is missing or unsound."""
    criteria = tuple(_criterion(table) for table in stated["criteria"])
    total = sum(criterion.percent for criterion in criteria)
    if abs(total - 100) > 1e-9:
        raise ValueError(f"the criteria add up to {total:g} percent, not to 100")
    if len({criterion.key for criterion in criteria}) != len(criteria):
        raise ValueError("two criteria have the same key")
    benchmark = Benchmark(**stated["benchmark"])
    if not all(math.isfinite(number) for number in (benchmark.mark, *benchmark.requires.values())):
        raise ValueError("the benchmark: a mark is a finite number")
    slug = stated["slug"]
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", slug):
        raise ValueError(f"the slug {slug!r} is not lower-case words joined by hyphens")
    return Rubric(
        number=int(stated["number"]),
        slug=slug,
        title=stated["title"],
        capability=stated["capability"],
        module=str(stated["module"]),
        weight=float(stated["weight"]),
        badge=stated["badge"],
        benchmark=benchmark,
        criteria=criteria,
        texts=stated.get("texts", {}),
    )


def _criterion(table: dict) -> Criterion:
    measure, named = table["measure"], table["title"]
    if measure not in MEASURES:
        raise ValueError(f"criterion {named}: measure must be one of {', '.join(sorted(MEASURES))}")
    percent = float(table["percent"])
    if not 0 < percent <= 100:
        raise ValueError(f"criterion {named}: a weight is a number above 0, at most 100")
    measurements = {key: float(weight) for key, weight in table.get("measurements", {}).items()}
    anchors = tuple((float(x), float(y)) for x, y in table.get("anchors", ()))
    if measure != "human" and not measurements:
        raise ValueError(f"criterion {named}: no measurements")
    weights = measurements.values()
    if not all(0 <= weight < math.inf for weight in weights) or (measurements and not sum(weights)):
        raise ValueError(f"criterion {named}: the checks' weights are numbers from 0, and not all of them 0")
    if measure == "anchors" and not (len(measurements) == 1 and _rise(anchors)):
        raise ValueError(
            f"criterion {named}: needs one measurement and rising anchors: two or more, each measured value above the one "
            "before, no share below the one before, shares from 0 to 100 %"
        )
    return Criterion(
        key=table["key"],
        title=table["title"],
        percent=percent,
        measure=measure,
        measurements=measurements,
        anchors=anchors,
        texts={"description": table.get("description", "")},
    )


def _rise(anchors: tuple[tuple[float, float], ...]) -> bool:
    """Whether more is never worth less; written so that NaN is refused as well."""
    steps = itertools.pairwise(anchors)
    return (
        len(anchors) >= 2
        and all(math.isfinite(x) and 0 <= share <= 1 for x, share in anchors)
        and all(x0 < x1 and share0 <= share1 for (x0, share0), (x1, share1) in steps)
    )


def rubric_text(rubric: Rubric) -> str:
    """``rubric`` as the text of a ``rubric.toml``; :func:`read_rubric` makes the same of it again."""
    lines = [
        *_lines(rubric, ("number", "slug", "title", "capability", "module", "weight", "badge")),
        "\n[benchmark]",
        *_lines(rubric.benchmark, ("measurement", "mark", "title", "requires")),
    ]
    for criterion in rubric.criteria:
        lines += ["\n[[criteria]]", *_lines(criterion, ("key", "title", "percent", "measure"))]
        lines.append(f"description = {_toml(criterion.texts.get('description', ''))}")
        if criterion.anchors:
            lines.append(f"anchors = {_toml(criterion.anchors)}")
        if criterion.measurements:
            lines += ["\n[criteria.measurements]", *_pairs(criterion.measurements)]
    if rubric.texts:
        lines += ["\n[texts]", *_pairs(rubric.texts)]
    return "\n".join(lines) + "\n"


def _lines(source: object, names: Sequence[str]) -> list[str]:
    return _pairs({name: getattr(source, name) for name in names})


def _pairs(values: Mapping[str, Any]) -> list[str]:
    return [f"{_toml(key)} = {_toml(value)}" for key, value in values.items()]


def _toml(value: Any) -> str:
    """A key or a value in TOML: strings as JSON writes them, which TOML reads (but for U+007F)."""
    if isinstance(value, Mapping):
        return f"{{ {', '.join(_pairs(value))} }}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(_toml(part) for part in value)}]"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _module(folder: Path) -> ModuleType:
    """The milestone's ``evaluation.py``, wherever the folder lies."""
    name = f"milestones_catalog_{folder.name}_evaluation"
    if folder.parent == CATALOG:
        return importlib.import_module(f"milestones.catalog.{folder.name}.evaluation")
    spec = importlib.util.spec_from_file_location(name, folder / "evaluation.py")
    if spec is None or spec.loader is None:
        raise ValueError("evaluation.py can't be loaded")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
