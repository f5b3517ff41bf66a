"""A small grammar of English sentences, for practice text.

Words agree across a distance (one cat *sees*, two cats *see*; *she* is the queen and not the king), so that more context
than a word helps a model. Bits per character of interpolated n-gram models, fitted to 900,000 characters and measured on
the next 50,000: 4.20 for n = 1, 2.67 for 2, 1.48 for 3, 0.95 for 4.
"""

from __future__ import annotations

from dataclasses import dataclass
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
LINKS = ("but", "because", "when")


@dataclass(frozen=True)
class Words:
    """What sentences are made of, in the forms of the tables above."""

    actors: tuple[tuple[str, str, str], ...] = ACTORS
    things: tuple[tuple[str, str], ...] = THINGS
    deeds: tuple[tuple[str, str], ...] = DEEDS
    qualities: tuple[str, ...] = QUALITIES
    numbers: tuple[str, ...] = NUMBERS
    places: tuple[str, ...] = PLACES
    times: tuple[str, ...] = TIMES

    def spelt(self) -> frozenset[str]:
        """Every word that can occur, in lower case."""
        phrases = [*self.qualities, *self.numbers, *self.places, *self.times, *LINKS, *OBJECTS, *OBJECTS.values()]
        forms = [form for group in (self.actors, self.things, self.deeds) for entry in group for form in entry]
        return frozenset(word for phrase in ("the and", *phrases, *forms) for word in phrase.split())


EVERYTHING = Words()


def some_words(random: np.random.Generator) -> Words:
    """About half of the words, drawn at random: a language of its own that a small model learns in a minute."""

    def some(choices: tuple[Choice, ...], count: int) -> tuple[Choice, ...]:
        return tuple(choices[i] for i in sorted(random.choice(len(choices), count, replace=False)))

    return Words(
        actors=some(ACTORS, 6),
        things=some(THINGS, 5),
        deeds=some(DEEDS, 5),
        qualities=some(QUALITIES, 5),
        numbers=some(NUMBERS, 3),
        places=some(PLACES, 3),
        times=some(TIMES, 2),
    )


def write_sentences(random: np.random.Generator, characters: int, words: Words = EVERYTHING) -> str:
    """Exactly ``characters`` characters of sentences, one to a line; the last may be cut off."""
    writer = _Writer(random, words)
    lines: list[str] = []
    written = 0
    while written < characters:
        line = writer.sentence()
        lines.append(line)
        written += len(line) + 1
    return ("\n".join(lines) + "\n")[:characters]


class _Writer:
    """Writes one sentence after the other from a supply of random numbers (asking for each alone is slow)."""

    def __init__(self, random: np.random.Generator, words: Words) -> None:
        self._random = random
        self._words = words
        self._supply: list[float] = []

    def sentence(self) -> str:
        subject, plural, pronoun = self._actor()
        parts = [subject, self._deed(plural=plural), self._thing()]
        if self._chance() < 0.35:
            parts.append(self._one_of(self._words.places))
        if self._chance() < 0.3:
            companion, many, other = self._actor()
            parts += ["and", companion, self._deed(plural=many), OBJECTS[pronoun]]
            pronoun, plural = other, many
        if self._chance() < 0.35:
            parts += [self._one_of(LINKS), pronoun]
            parts += [self._deed(plural=plural), self._thing()]
        if self._chance() < 0.25:
            parts.append(self._one_of(self._words.times))
        text = " ".join(parts)
        return text[0].upper() + text[1:] + "."

    def _actor(self) -> tuple[str, bool, str]:
        """(words, whether there are several, the pronoun that stands for them)"""
        one, several, pronoun = self._one_of(self._words.actors)
        words, plural = self._counted(one, several)
        return words, plural, "they" if plural else pronoun

    def _thing(self) -> str:
        return self._counted(*self._one_of(self._words.things))[0]

    def _counted(self, one: str, several: str) -> tuple[str, bool]:
        quality = self._one_of(self._words.qualities) + " " if self._chance() < 0.4 else ""
        if self._chance() < 0.35:
            return f"{self._one_of(self._words.numbers)} {quality}{several}", True
        return f"the {quality}{one}", False

    def _deed(self, *, plural: bool) -> str:
        return self._one_of(self._words.deeds)[plural]

    def _one_of(self, choices: tuple[Choice, ...]) -> Choice:
        return choices[int(self._chance() * len(choices))]

    def _chance(self) -> float:
        if not self._supply:
            self._supply = self._random.random(100_000).tolist()
        return self._supply.pop()
