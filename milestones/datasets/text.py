"""The text corpus: one file of plain ASCII or UTF-8."""

from __future__ import annotations

from pathlib import Path

from milestones.contract import OurTrouble
from milestones.datasets.data import TextData, text_data

FILE = "tinyshakespeare.txt"
CHARACTERS = 1_115_394
DISTINCT = 65


def is_installed(folder: Path) -> bool:
    """Whether ``folder`` holds the corpus."""
    return (folder / FILE).is_file()


def load(folder: Path) -> TextData:
    """Read the corpus.

    Raises
    ------
    OurTrouble: the file can't be read or is not the 1,115,394 characters, 65 of them distinct, that it should be.
    """
    path = folder / FILE
    try:
        text = path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as trouble:
        raise OurTrouble(f"The data file {path} is damaged or can't be read: {trouble}.") from trouble
    if len(text) != CHARACTERS or len(set(text)) != DISTINCT:
        raise OurTrouble(
            f"The data file {path} holds {len(text):,} characters, {len(set(text))} of them distinct, "
            f"not {CHARACTERS:,} and {DISTINCT}."
        )
    return text_data(text, name="Tiny Shakespeare", practice=False)
