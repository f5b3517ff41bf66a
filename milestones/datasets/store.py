"""Where data comes from: the installed set if there is one, practice data if there is none, and never one for the other.

A set that is installed but broken is our trouble and stops the evaluation: a student's score must not depend on a disk
error that nobody noticed.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import ModuleType

from milestones.contract import OurTrouble
from milestones.datasets import cifar10, mnist, practice, text
from milestones.datasets.data import ImageData, TextData

__all__ = ["DataStore", "ImageData", "TextData", "open_store"]


@dataclass(frozen=True)
class DataStore:
    """The data sets under one folder: ``mnist/``, ``cifar10/`` and ``text/``. ``folder`` is None where nothing is installed.

    Every set is loaded when it is first asked for and then shared by the whole process.
    """

    folder: Path | None

    def mnist(self) -> ImageData:
        """MNIST, or practice digits of the same shape and number. Raises OurTrouble when it is installed but broken."""
        return self._installed("mnist", mnist) or practice_digits()

    def cifar10(self) -> ImageData:
        """CIFAR-10, or practice shapes of the same shape and number. Raises OurTrouble when installed but broken."""
        return self._installed("cifar10", cifar10) or practice_shapes()

    def text(self) -> TextData:
        """The text corpus, or practice sentences. Raises OurTrouble when it is installed but broken."""
        return self._installed("text", text) or practice_text()

    def _installed(self, name: str, reader: ModuleType) -> ImageData | TextData | None:
        if self.folder is None:
            return None
        folder = self.folder / name
        return _load(folder, reader.load) if reader.is_installed(folder) else None


def open_store(folder: Path | None = None) -> DataStore:
    """The store under ``folder``, or under the environment's ``DATASETS_DIR`` when it is None.

    A folder that is not there yet is a store with nothing installed.

    Raises
    ------
    OurTrouble: the path is there and is not a folder that can be read.
    """
    if folder is None and os.environ.get("DATASETS_DIR"):
        folder = Path(os.environ["DATASETS_DIR"])
    if folder is None:
        return DataStore(None)
    folder = Path(folder).expanduser().resolve()
    if folder.exists() and not (folder.is_dir() and os.access(folder, os.R_OK | os.X_OK)):
        raise OurTrouble(f"The data folder {folder} is not a folder that can be read.")
    return DataStore(folder)


@lru_cache(maxsize=8)
def _load(folder: Path, load: Callable[[Path], ImageData | TextData]) -> ImageData | TextData:
    return load(folder)


@lru_cache(maxsize=1)
def practice_digits() -> ImageData:
    """60,000 and 10,000 practice digits, drawn once and kept on disk from then on."""
    return practice.kept("digits", practice.digits)


@lru_cache(maxsize=1)
def practice_shapes() -> ImageData:
    """50,000 and 10,000 practice shapes, drawn once and kept on disk from then on."""
    return practice.kept("shapes", practice.shapes)


@lru_cache(maxsize=1)
def practice_text() -> TextData:
    """A million characters of practice sentences."""
    return practice.sentences()
