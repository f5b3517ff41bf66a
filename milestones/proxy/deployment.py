"""Questions about the model as a thing that is handed on: saved, loaded, given what it can't answer, made smaller."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from milestones.proxy.connection import DONE, Connection, any_numbers, one_line, text_of
from milestones.sandbox.answers import Expected
from milestones.sandbox.protocol import array_to_text
from milestones.student.operations import NAMES_BYTES, SAVED_BYTES, STRUCTURE_BYTES, Operation, Outcome

# How a pickle, of any protocol, names a class out of the student's own modules.
OWN_CLASS = re.compile(rb"(?:\x8c.|c)(?:tinytorch|submission|student_framework|__main__)[.\n\x94]", re.DOTALL)


@dataclass(frozen=True)
class SavedModel:
    """What a model was saved as: opaque bytes, never opened on this side. ``means`` is the sandboxed side's word."""

    names: NDArray[np.uint8]
    content: NDArray[np.uint8]
    means: str

    @property
    def holds_whole_objects(self) -> bool:
        """Whether it is a pickle that names classes of the student's: told by its bytes, which nobody unpickles here."""
        return OWN_CLASS.search(self.content.tobytes()) is not None


class DeploymentQuestions(Connection):
    """All about the model that was built last."""

    def disturb(self, *, amplitude: float, disturbance: int) -> None:
        """Change every parameter of the model by noise of ``amplitude`` times its deviation."""
        self._question(Operation.DISTURB, {"amplitude": amplitude, "disturbance": disturbance}, [], [DONE])

    def save(self) -> SavedModel:
        """Have the model saved by the student's own code."""
        expect = [text_of(NAMES_BYTES), Expected(np.uint8, (None,), SAVED_BYTES), text_of(STRUCTURE_BYTES)]
        names, content, means = self._question(Operation.SAVE, {}, [], expect)
        return SavedModel(names, content, _words(means))

    def load_saved(self, saved: SavedModel) -> str:
        """Have it loaded into the built model, or in its place; by what means."""
        (means,) = self._question(Operation.LOAD_SAVED, {}, [saved.names, saved.content], [text_of(STRUCTURE_BYTES)])
        return _words(means)

    def bad_input(self, kind: str) -> tuple[Outcome, str]:
        """What becomes of an input that no model can answer, and in what words."""
        code, text = self._question(
            Operation.BAD_INPUT, {"kind": kind}, [], [Expected(np.int64, (1,), 1), text_of(STRUCTURE_BYTES)]
        )
        known = {int(outcome): outcome for outcome in Outcome}
        return known.get(int(code[0]), Outcome.ANSWERED), _words(text)

    def quantise(self, array: NDArray) -> tuple[NDArray, int, str]:
        """(the array restored from its quantised form, bytes of that form, by what means)."""
        expect = [any_numbers(), Expected(np.int64, (1,), 1), text_of(STRUCTURE_BYTES)]
        restored, taken, means = self._question(Operation.QUANTISE, {}, [array], expect)
        return restored, int(taken[0]), _words(means)

    def quantise_model(self) -> tuple[int, int]:
        """Quantise all parameters of the model: bytes before and after."""
        expect = [Expected(np.int64, (2,), 2), text_of(STRUCTURE_BYTES)]
        sizes, _ = self._question(Operation.QUANTISE_MODEL, {}, [], expect)
        return int(sizes[0]), int(sizes[1])

    def prune(self, share: float) -> tuple[int, int, str]:
        """(weights that are zero, all weights, by what means) after ``share`` of them was to be removed."""
        expect = [Expected(np.int64, (2,), 2), text_of(STRUCTURE_BYTES)]
        counts, means = self._question(Operation.PRUNE, {"share": share}, [], expect)
        return int(counts[0]), int(counts[1]), _words(means)

    def profile(self) -> tuple[int, str]:
        """(parameters that the student's profiler counts, by what means)."""
        expect = [Expected(np.int64, (1,), 1), text_of(STRUCTURE_BYTES)]
        counted, means = self._question(Operation.PROFILE, {}, [], expect)
        return int(counted[0]), _words(means)


def _words(text: NDArray[np.uint8]) -> str:
    return one_line(array_to_text(text, STRUCTURE_BYTES))
