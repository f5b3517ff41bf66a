"""Packages as students hand them in: our whole sample, changed a little, and what our questions find out about it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from milestones import archive, registry
from milestones.catalog import samples
from milestones.checks.outcome import failed
from milestones.checks.trial import answers_right
from milestones.contract import Check, Measurement, Status
from milestones.datasets.store import DataStore
from milestones.evaluate import inspect
from milestones.lab import Lab
from milestones.networks import Network, dense_chain
from milestones.proxy import LoadReport, Student
from milestones.sandbox.session import Sandbox, SandboxLimits, StudentFault, StudentSide

MILESTONE = registry.get(1)
NETWORK = Network(layers=dense_chain(784, 16, 10), image=(1, 28, 28))
CHECKS = [check for group in MILESTONE.groups[:2] for check in group.checks]

Files = dict[str, str | bytes]


def sample(name: str = "full_autograd", *, milestone: int = 1) -> Files:
    """The files of one of our samples, as text where they are text."""
    found = samples.files_of(registry.get(milestone).folder / "samples" / name).items()
    return {file: content.decode() if file.endswith(".py") else content for file, content in found}


def moved(files: Files, old: str, new: str) -> Files:
    """The files with the beginning ``old`` of their names replaced by ``new``; others are left out."""
    return {new + name.removeprefix(old): content for name, content in files.items() if name.startswith(old)}


def changed(files: Files, file: str, *changes: tuple[str, str]) -> Files:
    """The files with texts replaced in one of them; each has to be there."""
    text = str(files[file])
    for find, replacement in changes:
        assert find in text, f"{find!r} is not in {file}"
        text = text.replace(find, replacement)
    return {**files, file: text}


def everywhere(files: Files, find: str, replacement: str) -> Files:
    """The files with a text replaced in every module."""
    return {name: text.replace(find, replacement) if isinstance(text, str) else text for name, text in files.items()}


def single_file(files: Files) -> str:
    """A package's modules one after the other in a single file, without their imports of each other."""
    order = ("autograd", "tensor", "activations", "layers", "losses", "optimizers")
    parts = [str(files[f"tinytorch/core/{name}.py"]) for name in order]
    text = "\n\n".join(re.sub(r"^from tinytorch.*$", "", part, flags=re.M) for part in parts)
    # tensor.py calls what is in autograd.py by the module's name.
    return "import sys\n\nautograd = sys.modules[__name__]\n\n" + text


def notebook(*cells: str) -> str:
    """A Jupyter notebook with these code cells between texts."""
    text = {"cell_type": "markdown", "metadata": {}, "source": ["# Module\n", "#| export is explained here"]}
    code = [
        {"cell_type": "code", "metadata": {}, "outputs": [], "source": cell.splitlines(keepends=True)} for cell in cells
    ]
    return json.dumps({"cells": [text, *code], "metadata": {}, "nbformat": 4, "nbformat_minor": 5})


@dataclass(frozen=True)
class Seen:
    """What was found out about a package. ``learnt`` is its accuracy on ten blurred patterns after a short training."""

    report: LoadReport
    measurements: Mapping[str, Measurement]
    learnt: float | None
    manner: str
    log: str

    def status(self, key: str) -> Status:
        return self.measurements[key].status

    @property
    def is_right(self) -> bool:
        """Whether every check of mathematics and architecture passed, imports and gradients aside."""
        return not self.wrong

    @property
    def wrong(self) -> dict[str, str]:
        """The checks that did not pass, with what they say."""
        passing = {Status.PASSED, Status.INFORMATION}
        return {
            key: found.message
            for key, found in self.measurements.items()
            if found.status not in passing and key != "package_import"
        }


def look_at(files: Files, folder: Path, *, train: bool = True, checks: Sequence[Check] = CHECKS) -> Seen:
    """Put a package into the real sandbox, ask it all questions of mathematics and architecture, or other ``checks``, and let
    it learn a little."""
    upload, location = inspect(write(files, folder))
    here = archive.write(upload, folder / "submission")
    student = Student(
        open_sandbox=lambda seconds: Sandbox(here, limits=SandboxLimits(cpu_seconds=seconds, memory_bytes=1 << 30)),
        location=location,
        cpu_seconds=60,
        seed=1,
    )
    try:
        report = student.load()
        measurements = dict(_asked(check, student) for check in checks)
        learnt, manner = _learn(student) if train else (None, "")
    finally:
        student.close()
    return Seen(report, measurements, learnt, manner, "\n".join(student.logs))


def write(files: Files, folder: Path) -> Path:
    """Write the files of an upload and return its folder."""
    upload = folder / "upload"
    for name, content in files.items():
        path = upload / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return upload


def _asked(check, student: Student) -> tuple[str, Measurement]:
    try:
        answer = check.function(student, Lab(seed=7, datasets=DataStore(None)))
    except StudentSide as error:
        answer = failed(check.key, check.title, error)
    return check.key, answer


def _learn(student: Student) -> tuple[float | None, str]:
    """Accuracy on unseen noisy copies of ten random patterns, after 40 steps; None where nothing can be trained."""
    random = np.random.default_rng(3)
    # As bright as digits are: a seventh of the pixels.
    patterns = np.where(random.random((10, 784)) < 1 / 7, 200, 0)
    labels = random.integers(0, 10, size=1_000)
    images = np.clip(patterns[labels] + random.normal(scale=50, size=(1_000, 784)), 0, 255).astype(np.uint8)
    try:
        student.build(NETWORK)
        student.train_data(images[:640], labels[:640])
        manner = ""
        for first in (0, 20):
            _, manner = student.train_slice(first=first, steps=20, batch=32, rate=0.1, order=1)
        scores = student.logits(images[640:].astype(np.float32) / np.float32(255))
    except StudentFault as fault:
        return None, str(fault)
    return float(answers_right(scores, labels[640:]).mean()), manner
