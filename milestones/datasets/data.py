"""What every data set is once it is loaded: arrays or text, a name, a fingerprint, and whether it is practice data."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, kw_only=True, eq=False)
class ImageData:
    """A labelled set of images. Arrays are read-only, because every caller in the process shares them.

    ``train_images`` and ``test_images`` are uint8, (n, 28, 28) for digits and (n, 3, 32, 32) for CIFAR-10 and shapes;
    labels are int64, (n,), indices into ``class_names``. ``fingerprint`` is the SHA-256 (hex) of the four arrays.
    """

    train_images: np.ndarray
    train_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    class_names: tuple[str, ...]
    name: str
    fingerprint: str
    practice: bool


@dataclass(frozen=True, kw_only=True)
class TextData:
    """A text corpus. ``fingerprint`` is the SHA-256 (hex) of its UTF-8 bytes."""

    text: str
    name: str
    fingerprint: str
    practice: bool


def image_data(
    *,
    train: tuple[np.ndarray, np.ndarray],
    test: tuple[np.ndarray, np.ndarray],
    class_names: tuple[str, ...],
    name: str,
    practice: bool,
) -> ImageData:
    """Assemble image data from (images uint8, labels of any integer type), compute its fingerprint, freeze its arrays."""
    arrays = [train[0], train[1].astype(np.int64), test[0], test[1].astype(np.int64)]
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array))
        array.setflags(write=False)
    return ImageData(
        train_images=arrays[0],
        train_labels=arrays[1],
        test_images=arrays[2],
        test_labels=arrays[3],
        class_names=class_names,
        name=name,
        fingerprint=digest.hexdigest(),
        practice=practice,
    )


def text_data(text: str, *, name: str, practice: bool) -> TextData:
    """Assemble text data and compute its fingerprint."""
    return TextData(text=text, name=name, fingerprint=hashlib.sha256(text.encode()).hexdigest(), practice=practice)
