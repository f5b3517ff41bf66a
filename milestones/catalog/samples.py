"""Sample submissions of a milestone: packages as students write them, mistakes included, made whole and packed for upload.

A sample is a folder in the milestone's ``samples/`` with a ``sample.toml``: ``title``, ``shows`` (one sentence),
``[expected]``, and, for a sample that differs little from another, ``base`` (that sample's folder, as a relative path where
it is another milestone's), ``remove`` (files it does without) and ``[[replace]]`` tables (``file``, ``find``, ``with``).
All other files of the folder are added to those of the base. So the text of a package exists once, and a sample shows its
mistake and nothing else.

``python -m milestones.catalog.samples FOLDER TARGET`` writes every sample of a milestone as a zip.
"""

from __future__ import annotations

import sys
import tomllib
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DESCRIPTION = "sample.toml"
# Zip files hold no time before 1980; a fixed one makes packing the same sample twice give the same bytes.
PACKED_AT = (2024, 9, 1, 12, 0, 0)
LEFT_BEHIND = frozenset({"__pycache__", ".ruff_cache", ".ipynb_checkpoints"})


@dataclass(frozen=True, kw_only=True)
class Expected:
    """What an evaluation of the sample must find: ``diagnoses`` are all codes of causes, in alphabetical order. ``groups`` are
    the milestone's groups that show it; none named: all of them, and then ``benchmark_met`` is meant as well."""

    unusable: bool
    groups: tuple[str, ...]
    benchmark_met: bool | None
    diagnoses: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One sample submission, described."""

    name: str
    title: str
    shows: str
    folder: Path
    base: str | None
    expected: Expected


def list_samples(milestone_folder: Path) -> tuple[Sample, ...]:
    """All samples of a milestone's folder, by name; none when it has no ``samples``.

    Raises
    ------
    ValueError: a ``sample.toml`` is missing, broken or says something unknown; the message names it.
    """
    folders = sorted(path for path in (Path(milestone_folder) / "samples").glob("*") if path.is_dir())
    return tuple(describe(folder) for folder in folders if folder.name not in LEFT_BEHIND)


def describe(sample_folder: Path) -> Sample:
    """The sample in a folder. Raises ValueError as ``list_samples`` does."""
    folder = Path(sample_folder)
    settings = _settings(folder)
    expected = settings["expected"]
    return Sample(
        name=folder.name,
        title=settings["title"],
        shows=settings["shows"],
        folder=folder,
        base=settings.get("base"),
        expected=Expected(
            unusable=expected.get("unusable", False),
            groups=tuple(expected.get("groups", ())),
            benchmark_met=expected.get("benchmark_met"),
            diagnoses=tuple(sorted(expected["diagnoses"])),
        ),
    )


def files_of(sample_folder: Path) -> dict[str, bytes]:
    """The whole sample, base included: relative POSIX names, sorted, to contents.

    Raises
    ------
    ValueError: a file to remove or a text to replace is not there (exactly once): the base has changed under the sample.
    """
    folder = Path(sample_folder)
    settings = _settings(folder)
    files = files_of(folder.parent / settings["base"]) if "base" in settings else {}
    for name in settings.get("remove", ()):
        if files.pop(name, None) is None:
            raise ValueError(f"{folder / DESCRIPTION}: there is no file {name} to remove")
    for change in settings.get("replace", ()):
        files[change["file"]] = _replaced(files, change, folder)
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if path.is_file() and name.name != DESCRIPTION and not LEFT_BEHIND & set(name.parts):
            files[name.as_posix()] = path.read_bytes()
    return dict(sorted(files.items()))


def materialise(sample_folder: Path, target: Path) -> Path:
    """Write the whole sample into ``target``, which must not exist yet, and return it."""
    target = Path(target)
    files = files_of(sample_folder)
    target.mkdir(parents=True)
    for name, content in files.items():
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return target


def pack(sample: Sample | Path, target_zip: Path) -> Path:
    """Pack the whole sample as a zip with one top folder, as students upload them. The same sample gives the same bytes."""
    folder = sample.folder if isinstance(sample, Sample) else Path(sample)
    files = files_of(folder)
    target_zip = Path(target_zip)
    target_zip.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(target_zip, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            member = zipfile.ZipInfo(f"{folder.name}/{name}", PACKED_AT)
            member.external_attr = 0o644 << 16
            archive.writestr(member, content, zipfile.ZIP_DEFLATED)
    return target_zip


def _settings(folder: Path) -> dict[str, Any]:
    path = folder / DESCRIPTION
    try:
        settings = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise ValueError(f"{path}: {error}") from error
    unknown = settings.keys() - {"title", "shows", "base", "remove", "replace", "expected"}
    missing = {"title", "shows", "expected"} - settings.keys()
    if unknown or missing:
        raise ValueError(f"{path}: unknown {sorted(unknown)}, missing {sorted(missing)}")
    unknown = settings["expected"].keys() - {"unusable", "groups", "benchmark_met", "diagnoses"}
    if unknown or "diagnoses" not in settings["expected"]:
        raise ValueError(f"{path}: [expected] must have diagnoses and may have unusable, groups and benchmark_met")
    return settings


def _replaced(files: Mapping[str, bytes], change: Mapping[str, str], folder: Path) -> bytes:
    text = files.get(change["file"], b"").decode("utf-8")
    found = text.count(change["find"])
    if found != 1:
        raise ValueError(f"{folder / DESCRIPTION}: the text to replace is {found} times in {change['file']}, not once")
    return text.replace(change["find"], change["with"]).encode("utf-8")


def _main(arguments: list[str]) -> int:
    if len(arguments) != 2:
        print("usage: python -m milestones.catalog.samples MILESTONE_FOLDER TARGET_FOLDER", file=sys.stderr)
        return 2
    for sample in list_samples(Path(arguments[0])):
        print(pack(sample, Path(arguments[1]) / f"{sample.name}.zip"))
    return 0


if __name__ == "__main__":
    raise SystemExit(_main(sys.argv[1:]))
