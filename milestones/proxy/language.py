"""Questions about language models: their parts, a whole GPT, its training, its text, what it calls, and the tokenizer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from milestones.networks import Layer
from milestones.proxy.connection import DONE, Connection, any_numbers, one_line, text_of
from milestones.sandbox.answers import Expected
from milestones.sandbox.protocol import array_to_text
from milestones.student.operations import GPT_FACTS, REPORT_BYTES, STRUCTURE_BYTES, GPTFact, Operation

MOST_ARRAYS = 4_000
MOST_PARAMETERS = 4_000_000
MOST_CALLED = 2_000
FLOATS = (np.float32, np.float64)


@dataclass(frozen=True, kw_only=True)
class GPTSizes:
    """The sizes of a GPT: different tokens, longest text, numbers at each position, blocks, heads in each."""

    vocabulary: int
    context: int
    dim: int
    layers: int
    heads: int


@dataclass(frozen=True)
class GPTFacts:
    """What GPT_BUILD says. Claims of the sandboxed side: they choose the road, never the score. ``sizes`` and ``names`` are
    those of its parameter arrays; ``left_out`` names tensors that want a gradient and are no parameters."""

    own_model: bool
    supplied_weights: bool
    has_autograd: bool
    context: int
    sizes: NDArray[np.int64]
    names: tuple[str, ...]
    left_out: tuple[str, ...]


@dataclass(frozen=True)
class Called:
    """A function of the package and how often it was called: the sandboxed side's words."""

    file: str
    name: str
    line: int
    times: int


class LanguageQuestions(Connection):
    """One GPT at a time: building replaces it."""

    def part(
        self, component: Layer, inputs: NDArray, upstream: NDArray | None, parameters: Sequence[NDArray] = ()
    ) -> tuple[NDArray, list[NDArray]]:
        """The output of a part of a GPT for ``inputs``, and gradients of sum(output * upstream) by inputs and each parameter;
        empty where none arrived."""
        sent = np.empty(0) if upstream is None else upstream
        expect = [any_numbers()] * (2 + len(parameters))
        output, *gradients = self._question(Operation.PART, component, [inputs, sent, *parameters], expect)
        return self._in_working_precision(output), [self._in_working_precision(g) if g.size else g for g in gradients]

    def build_gpt(self, sizes: GPTSizes, *, own: bool = False) -> GPTFacts:
        """Build a GPT of these sizes of the student's class, or with ``own`` their build_model() where there is one."""
        facts, counts, text = self._question(
            Operation.GPT_BUILD,
            {**_settings(sizes), "own": own},
            [],
            [
                Expected(np.int64, (GPT_FACTS,), GPT_FACTS),
                Expected(np.int64, (None,), MOST_ARRAYS),
                text_of(REPORT_BYTES),
            ],
        )
        names = [one_line(line, most=120) for line in array_to_text(text, REPORT_BYTES).split("\n")]
        counts = np.clip(counts, 0, MOST_PARAMETERS)
        return GPTFacts(
            own_model=bool(facts[GPTFact.OWN_MODEL] == 1),
            supplied_weights=bool(facts[GPTFact.SUPPLIED_WEIGHTS] == 1),
            has_autograd=bool(facts[GPTFact.HAS_AUTOGRAD] == 1),
            context=int(np.clip(facts[GPTFact.CONTEXT], 1, sizes.context)),
            sizes=counts,
            names=tuple(names[i] if i < len(names) else f"parameter {i}" for i in range(len(counts))),
            left_out=tuple(names[len(counts) :][:20]) if facts[GPTFact.LEFT_OUT] > 0 else (),
        )

    def gpt_scores(self, ids: NDArray[np.int64], vocabulary: int) -> NDArray:
        """Scores (n, length, vocabulary) of the next token at every position."""
        shape = (*ids.shape, vocabulary)
        (scores,) = self._question(Operation.GPT_LOGITS, {}, [ids], [Expected(FLOATS, shape, int(np.prod(shape)))])
        return scores

    def shake(self, *, draw: int, far: float = 0.3, precision: str = "float32") -> None:
        """Move every parameter at random, and remember the result as what ``unchange`` goes back to."""
        self._question(Operation.GPT_SHAKE, {"draw": draw, "far": far, "precision": precision}, [], [DONE])

    def scale_queries(self, factor: float) -> int:
        """Multiply weight and bias of every query projection; how many arrays were found and changed."""
        return self._change({"what": "queries", "factor": factor})

    def turn_positions(self, length: int) -> int:
        """Turn the first rows of the table of positions upside down; whether one was found."""
        return self._change({"what": "positions", "length": length})

    def silence(self, part: str, dim: int) -> int:
        """Set to zero what ``attention`` or the ``dense`` layers of each block answer; how many arrays were changed."""
        return self._change({"what": part, "dim": dim})

    def unchange(self) -> None:
        """Undo all changes since the last ``shake``."""
        self._change({"what": "nothing"})

    def _change(self, settings: dict) -> int:
        (changed,) = self._question(Operation.GPT_CHANGE, settings, [], [DONE])
        return int(changed[0])

    def gpt_gradient(
        self, ids: NDArray[np.int64], upstream: NDArray, count: int, arrays: int
    ) -> tuple[NDArray, NDArray]:
        """Gradients of sum(scores * upstream) by all ``count`` parameters in one row, and which of the ``arrays`` have one."""
        gradients, arrived = self._question(
            Operation.GPT_GRADIENT,
            {},
            [ids, upstream],
            [Expected(np.float64, (count,), count), Expected(np.int64, (arrays,), arrays)],
        )
        return gradients, arrived == 1

    def nudge(
        self, ids: NDArray[np.int64], vocabulary: int, which: NDArray[np.int64], places: NDArray[np.int64], step: float
    ) -> NDArray:
        """Scores (asked, 4, n · length · vocabulary) with one number of one parameter moved by -2, -1, 1 and 2 steps."""
        shape = (len(which), 4, ids.size * vocabulary)
        (scores,) = self._question(
            Operation.GPT_NUDGE,
            {"step": step},
            [ids, which, places],
            [Expected(np.float64, shape, int(np.prod(shape)))],
        )
        return scores

    def text_data(self, ids: NDArray[np.int64]) -> None:
        """Hand over the text to learn from."""
        self._question(Operation.TEXT_DATA, {}, [ids], [DONE])

    def text_slice(
        self, *, first: int, rates: Sequence[float], batch: int, length: int, order: int
    ) -> tuple[NDArray, str]:
        """Train one step for each rate; the losses that the student's code claims, and by what means it trained."""
        settings = {"first": first, "rates": list(rates), "batch": batch, "length": length, "order": order}
        expect = [Expected(np.float64, (len(rates),), len(rates)), text_of(STRUCTURE_BYTES)]
        losses, manner = self._question(Operation.TEXT_SLICE, settings, [], expect)
        return losses, one_line(array_to_text(manner, STRUCTURE_BYTES))

    def generate(
        self, ids: NDArray[np.int64], count: int, *, temperature: float = 1.0, draw: int = 0
    ) -> NDArray[np.int64]:
        """What the student's own generate() answers to a prompt (1, length): tokens, with or without the prompt."""
        most = ids.size + count + 4096
        (tokens,) = self._question(
            Operation.GENERATE,
            {"count": count, "temperature": temperature, "seed": draw},
            [ids],
            [Expected(np.int64, (None,), most)],
        )
        return tokens

    def tokenize(self, corpus: str, text: str) -> tuple[NDArray[np.int64], str, int]:
        """Fit the student's tokenizer to ``corpus``; the tokens of ``text``, the text that they stand for, the vocabulary."""
        most = 8 * len(text) + 1_000
        ids, back, size = self._question(
            Operation.TOKENIZE,
            {"corpus": corpus, "text": text},
            [],
            [Expected(np.int64, (None,), most), text_of(most), DONE],
        )
        return ids, array_to_text(back, most), int(size[0])

    def calls(self, sizes: GPTSizes, ids: NDArray[np.int64]) -> list[Called]:
        """Which functions of the package one look forward, and backward where there is a way, calls."""
        (text,) = self._question(Operation.CALLS, {**_settings(sizes), "own": False}, [ids], [text_of(REPORT_BYTES)])
        found = []
        for line in array_to_text(text, REPORT_BYTES).split("\n")[:MOST_CALLED]:
            parts = line.split("\t")
            if len(parts) == 4 and parts[2].isdecimal() and parts[3].isdecimal() and len(parts[2] + parts[3]) < 24:
                found.append(Called(parts[0][:400], one_line(parts[1], most=200), int(parts[2]), int(parts[3])))
        return found


def _settings(sizes: GPTSizes) -> dict[str, int]:
    return {
        "vocabulary": sizes.vocabulary,
        "context": sizes.context,
        "dim": sizes.dim,
        "layers": sizes.layers,
        "heads": sizes.heads,
    }
