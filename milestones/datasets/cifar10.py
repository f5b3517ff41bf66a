"""CIFAR-10 from NumPy archives: ``train_1.npz`` to ``train_5.npz`` and ``test.npz``, each with ``images`` (10,000, 3, 32, 32)
and ``labels`` (10,000,), both unsigned bytes.

The original files are pickles, which no trusted code opens; ``download-datasets`` converts them elsewhere.
"""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

import numpy as np

from milestones.contract import OurTrouble
from milestones.datasets.data import ImageData, image_data

TRAIN_FILES = tuple(f"train_{number}.npz" for number in range(1, 6))
TEST_FILE = "test.npz"
BATCH = 10_000
CLASS_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def is_installed(folder: Path) -> bool:
    """Whether ``folder`` holds any of the files. One of six is a broken installation and not a missing one."""
    return any((folder / name).is_file() for name in (*TRAIN_FILES, TEST_FILE))


def load(folder: Path) -> ImageData:
    """Read all six files, 184 MB as arrays.

    Raises
    ------
    OurTrouble: a file is missing, damaged, or not of the size that CIFAR-10 has; the message names it.
    """
    # Filled in place: joining five batches afterwards would need the memory twice.
    images = np.empty((BATCH * len(TRAIN_FILES), 3, 32, 32), np.uint8)
    labels = np.empty(len(images), np.int64)
    for number, name in enumerate(TRAIN_FILES):
        batch = slice(number * BATCH, (number + 1) * BATCH)
        images[batch], labels[batch] = read_batch(folder / name)
    return image_data(
        train=(images, labels),
        test=read_batch(folder / TEST_FILE),
        class_names=CLASS_NAMES,
        name="CIFAR-10",
        practice=False,
    )


def read_batch(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """(images, labels) of one file.

    Raises
    ------
    OurTrouble: the file is missing, damaged, or of another shape.
    """
    if not path.is_file():
        raise OurTrouble(f"CIFAR-10 is installed in {path.parent} only in part: {path.name} is missing.")
    try:
        with np.load(path, allow_pickle=False) as archive:
            images, labels = archive["images"], archive["labels"]
    except (OSError, EOFError, KeyError, ValueError, zlib.error, zipfile.BadZipFile) as trouble:
        raise OurTrouble(f"The data file {path} is damaged or can't be read: {trouble}.") from trouble
    if images.dtype != np.uint8 or images.shape != (BATCH, 3, 32, 32):
        raise OurTrouble(
            f"The data file {path} holds images {images.dtype} {images.shape}, not uint8 (10000, 3, 32, 32)."
        )
    if labels.dtype != np.uint8 or labels.shape != (BATCH,) or labels.max() > 9:
        raise OurTrouble(f"The data file {path} does not hold 10,000 labels from 0 to 9.")
    return images, labels
