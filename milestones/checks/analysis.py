"""What students wrote about their own systems: found in the upload, and put beside the figures that were measured here.

Whether an analysis is a good one, a person says. Measured is only whether it speaks of what it should and states figures.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from milestones import exhibits
from milestones.checks.outcome import check
from milestones.contract import Measurement, Status
from milestones.lab import Lab
from milestones.source import Document, Source

# What an analysis of a system speaks of, and the words by which that is told.
SUBJECTS = {
    "speed": r"latency|throughput|speed|faster|slower|millisecond|\bms\b|images? per second|images?/s",
    "memory": r"memory|\b[MKG]i?B\b|megabyte|kilobyte|bytes",
    "scaling": r"batch(?: size)?|scal(?:e|es|ing)|grows|O\(|complexity|linear",
    "bottleneck": r"bottleneck|profil|hot ?spot|most of the time|dominat|im2col|vectori[sz]",
}
_WORDS = {subject: re.compile(pattern, re.I) for subject, pattern in SUBJECTS.items()}
# A number with a unit, as a claim has it.
_FIGURE = re.compile(
    r"\d[\d.,]{0,15}\s?(?:%|µs|us\b|ms\b|s\b|sec|[KMG]i?B\b|bytes|×|x\b|times|images?|parameters?|params|FLOPs?|MACs?)",
    re.I,
)
NAMES = re.compile(r"analys|report|benchmark|perform|system|profil|optimi|reflect|bottleneck", re.I)
LEAST_FIGURES = 3
MOST_CLAIMS = 30
SHOWN_CHARACTERS = 20_000


@check("systems_analysis", "An analysis of the system, with figures")
def systems_analysis(source: Source, lab: Lab) -> Measurement:
    """Whether the upload has a text that speaks of speed, memory, scaling and bottlenecks, and states figures; the text and
    its claims go to a person, beside what was measured."""
    if lab.figures:
        lab.exhibit(
            exhibits.table(
                "measured", "What was measured here?", ["Subject", "Figure"], [list(f) for f in lab.figures.items()]
            )
        )
    found = _analyses(source.documents())
    if not found:
        return _result(
            0.0, "No text about the system was found: add one, such as analysis.md, with the figures you measured.", []
        )
    text = "\n".join(document.text for document in found)
    claims = [line.strip() for line in text.split("\n") if _FIGURE.search(line)]
    lab.exhibit(
        exhibits.text("analysis", "What does the analysis say?", {d.name: d.text[:SHOWN_CHARACTERS] for d in found})
    )
    lab.exhibit(
        exhibits.table(
            "claims", "Which figures does it state?", ["Claim"], [[claim[:300]] for claim in claims[:MOST_CLAIMS]]
        )
    )
    subjects = [subject for subject in SUBJECTS if _WORDS[subject].search(text)]
    figures = min(len(claims) / LEAST_FIGURES, 1.0)
    absent = [subject for subject in SUBJECTS if subject not in subjects]
    message = (
        f"{', '.join(d.name for d in found)} speaks of {', '.join(subjects)} and states figures in {len(claims)} lines"
    )
    message += f"; nothing about {', '.join(absent)}." if absent else "."
    return _result((len(subjects) / len(SUBJECTS) + figures) / 2, message, [d.name for d in found])


def _analyses(documents: Sequence[Document]) -> list[Document]:
    """The documents that are about the system: called so, or speaking of at least three of its subjects in figures."""
    return [document for document in documents if _is_analysis(document)][:3]


def _is_analysis(document: Document) -> bool:
    subjects = sum(bool(words.search(document.text)) for words in _WORDS.values())
    figures = len(_FIGURE.findall(document.text))
    called_so = NAMES.search(document.name.rsplit("/", 1)[-1]) is not None
    return (called_so and subjects >= 1) or (subjects >= 3 and figures >= LEAST_FIGURES)


def _result(share: float, message: str, files: list[str]) -> Measurement:
    return Measurement(
        key="systems_analysis",
        title=systems_analysis.title,
        kind="share",
        status=Status.PASSED if share >= 1 else Status.PARTIAL if share else Status.MISSING,
        value=round(share, 3),
        passed=share >= 0.5,
        message=message,
        evidence={"files": files},
    )
