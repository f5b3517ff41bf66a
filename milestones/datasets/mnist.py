"""MNIST from its four original idx files, plain or gzip-compressed.

An idx file is big-endian: a 4-byte magic number (two zero bytes, 8 for unsigned bytes, the number of dimensions), one
4-byte length for each dimension, then the bytes row by row. Source: the description that LeCun, Cortes and Burges published with
the data.
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np

from milestones.contract import OurTrouble
from milestones.datasets.data import ImageData, image_data

FILES: dict[str, tuple[int, ...]] = {
    "train-images-idx3-ubyte": (60_000, 28, 28),
    "train-labels-idx1-ubyte": (60_000,),
    "t10k-images-idx3-ubyte": (10_000, 28, 28),
    "t10k-labels-idx1-ubyte": (10_000,),
}
CLASS_NAMES = tuple("0123456789")


def is_installed(folder: Path) -> bool:
    """Whether ``folder`` holds any of the files. One of four is a broken installation and not a missing one."""
    return any(_find(folder, name) for name in FILES)


def load(folder: Path) -> ImageData:
    """Read all four files.

    Raises
    ------
    OurTrouble: a file is missing, damaged, or not of the size that MNIST has; the message names it.
    """
    arrays = []
    for name, shape in FILES.items():
        path = _find(folder, name)
        if path is None:
            raise OurTrouble(f"MNIST is installed in {folder} only in part: {name}.gz is missing.")
        arrays.append(read_idx(path, shape))
        if len(shape) == 1 and arrays[-1].max() > 9:
            raise OurTrouble(f"The data file {path} holds labels above 9.")
    train_images, train_labels, test_images, test_labels = arrays
    return image_data(
        train=(train_images, train_labels),
        test=(test_images, test_labels),
        class_names=CLASS_NAMES,
        name="MNIST",
        practice=False,
    )


def read_idx(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """The unsigned bytes of an idx file, which must have exactly this shape.

    Raises
    ------
    OurTrouble: the file can't be read, is damaged, or has another magic number, shape or length.
    """
    header = struct.calcsize(f">{len(shape) + 1}I")
    wanted = header + math.prod(shape)
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            # One byte more than is wanted shows a file that is too long; reading on would show how long, for nothing.
            content = stream.read(wanted + 1)
    except (OSError, EOFError, zlib.error) as trouble:
        raise OurTrouble(f"The data file {path} is damaged or can't be read: {trouble}.") from trouble
    if len(content) < header:
        raise OurTrouble(f"The data file {path} is too short to be an idx file.")
    magic, *found = struct.unpack(f">{len(shape) + 1}I", content[:header])
    if magic != 0x0800 + len(shape):
        raise OurTrouble(f"The data file {path} begins with magic number {magic}, not {0x0800 + len(shape)}.")
    if tuple(found) != shape or len(content) != wanted:
        raise OurTrouble(f"The data file {path} does not have the size of the original ({_times(shape)} bytes).")
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)


def _find(folder: Path, name: str) -> Path | None:
    return next((path for path in (folder / f"{name}.gz", folder / name) if path.is_file()), None)


def _times(shape: tuple[int, ...]) -> str:
    return " × ".join(f"{length:,}" for length in shape)
