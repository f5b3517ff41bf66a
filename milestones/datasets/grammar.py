"""A small grammar of English sentences, for practice text.

Words agree across a distance (one cat *sees*, two cats *see*; *she* is the queen and not the king), so that more context
than a word helps a model. Bits per character of interpolated n-gram models, fitted to 900,000 characters and measured on
the next 50,000: 4.20 for n = 1, 2.67 for 2, 1.48 for 3, 0.95 for 4.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np

Choice = TypeVar("Choice")

# (singular, plural, its pronoun)
ACTORS = (
    ("cat", "cats", "it"),
    ("dog", "dogs", "it"),
    ("horse", "horses", "it"),
    ("sparrow", "sparrows", "it"),
    ("queen", "queens", "she"),
    ("sister", "sisters", "she"),
    ("actress", "actresses", "she"),
    ("farmer", "farmers", "he"),
    ("king", "kings", "he"),
    ("brother", "brothers", "he"),
    ("sailor", "sailors", "he"),
    ("robot", "robots", "it"),
)
# (singular, plural)
THINGS = (
    ("ball", "balls"),
    ("letter", "letters"),
    ("house", "houses"),
    ("garden", "gardens"),
    ("river", "rivers"),
    ("mountain", "mountains"),
    ("window", "windows"),
    ("bridge", "bridges"),
    ("lantern", "lanterns"),
    ("machine", "machines"),
)
# (third person, the others)
DEEDS = (
    ("sees", "see"),
    ("finds", "find"),
    ("paints", "paint"),
    ("watches", "watch"),
    ("remembers", "remember"),
    ("follows", "follow"),
    ("builds", "build"),
    ("loves", "love"),
    ("guards", "guard"),
    ("forgets", "forget"),
)
QUALITIES = ("old", "small", "quiet", "golden", "broken", "distant", "green", "heavy", "happy", "strange")
NUMBERS = ("two", "three", "seven", "many", "some")
PLACES = ("near the sea", "in the forest", "under the moon", "behind the tower", "at the market", "on the road")
TIMES = ("every morning", "before sunrise", "in winter", "after the rain", "at night")
OBJECTS = {"it": "it", "she": "her", "he": "him", "they": "them"}


def write_sentences(random: np.random.Generator, characters: int) -> str:
    """Exactly ``characters`` characters of sentences, one to a line; the last may be cut off."""
    writer = _Writer(random)
    lines: list[str] = []
    written = 0
    while written < characters:
        line = writer.sentence()
        lines.append(line)
        written += len(line) + 1
    return ("\n".join(lines) + "\n")[:characters]


class _Writer:
    """Writes one sentence after the other from a supply of random numbers (asking for each alone is slow)."""

    def __init__(self, random: np.random.Generator) -> None:
        self._random = random
        self._supply: list[float] = []

    def sentence(self) -> str:
        subject, plural, pronoun = self._actor()
        parts = [subject, self._deed(plural=plural), self._thing()]
        if self._chance() < 0.35:
            parts.append(self._one_of(PLACES))
        if self._chance() < 0.3:
            companion, many, other = self._actor()
            parts += ["and", companion, self._deed(plural=many), OBJECTS[pronoun]]
            pronoun, plural = other, many
        if self._chance() < 0.35:
            parts += [self._one_of(("but", "because", "when")), pronoun]
            parts += [self._deed(plural=plural), self._thing()]
        if self._chance() < 0.25:
            parts.append(self._one_of(TIMES))
        text = " ".join(parts)
        return text[0].upper() + text[1:] + "."

    def _actor(self) -> tuple[str, bool, str]:
        """(words, whether there are several, the pronoun that stands for them)"""
        one, several, pronoun = self._one_of(ACTORS)
        words, plural = self._counted(one, several)
        return words, plural, "they" if plural else pronoun

    def _thing(self) -> str:
        return self._counted(*self._one_of(THINGS))[0]

    def _counted(self, one: str, several: str) -> tuple[str, bool]:
        quality = self._one_of(QUALITIES) + " " if self._chance() < 0.4 else ""
        if self._chance() < 0.35:
            return f"{self._one_of(NUMBERS)} {quality}{several}", True
        return f"the {quality}{one}", False

    def _deed(self, *, plural: bool) -> str:
        return self._one_of(DEEDS)[plural]

    def _one_of(self, choices: tuple[Choice, ...]) -> Choice:
        return choices[int(self._chance() * len(choices))]

    def _chance(self) -> float:
        if not self._supply:
            self._supply = self._random.random(100_000).tolist()
        return self._supply.pop()
