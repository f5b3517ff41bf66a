"""The trusted side of a check: random draws, data, tolerances, ladder of sizes. Nothing in here enters the sandbox."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from milestones.contract import Exhibit
from milestones.datasets.data import ImageData, TextData
from milestones.datasets.store import DataStore

Data = TypeVar("Data", ImageData, TextData)

# Sizes that a count may settle on. Fixed steps, so that a replay needs only the step and not the speed of a machine.
LADDER = (200, 500, 1_000, 2_000, 5_000, 10_000)

# Largest relative error that counts as equal, by the precision the student's code computes in.
TOLERANCES = {np.dtype(np.float64): 1e-6, np.dtype(np.float32): 1e-3}


@dataclass(frozen=True)
class Comparison:
    """How an answer differs from the expected array: the largest relative error and where it is."""

    equal: bool
    same_shape: bool
    largest_error: float
    index: tuple[int, ...]
    got: float
    expected: float
    got_shape: tuple[int, ...]
    expected_shape: tuple[int, ...]

    def sentence(self) -> str:
        """In words for the student."""
        if not self.same_shape:
            return f"the answer has shape {self.got_shape}, expected {self.expected_shape}"
        if self.equal:
            return "agrees with the reference"
        if not np.isfinite(self.got):
            return f"the answer is {self.got} at {list(self.index)}, expected {self.expected:.6g}"
        return (
            f"largest relative error {self.largest_error:.2g} at {list(self.index)}: "
            f"got {self.got:.6g}, expected {self.expected:.6g}"
        )

    def evidence(self) -> dict[str, object]:
        return {
            "largest_relative_error": _finite(self.largest_error),
            "index": list(self.index),
            "got": _finite(self.got),
            "expected": _finite(self.expected),
            "got_shape": list(self.got_shape),
            "expected_shape": list(self.expected_shape),
        }


def _finite(value: float) -> float | str:
    """JSON (and PostgreSQL) have no NaN: write it as a word."""
    return float(value) if np.isfinite(value) else str(float(value))


def compare(answer: NDArray, expected: NDArray[np.float64], *, tolerance: float | None = None) -> Comparison:
    """Compare element by element, relative to the scale of ``expected``; NaN and infinity never pass.

    The error of an element is |a - e| / max(|e|, s) where s is a hundredth of the largest |expected|: elements near zero
    are judged on the scale of their neighbours. ``tolerance`` defaults by the answer's precision.
    """
    if answer.shape != expected.shape:
        return Comparison(False, False, float("inf"), (), float("nan"), float("nan"), answer.shape, expected.shape)
    if answer.size == 0:
        return Comparison(True, True, 0.0, (), 0.0, 0.0, answer.shape, expected.shape)
    limit = TOLERANCES.get(answer.dtype, 1e-3) if tolerance is None else tolerance
    got = answer.astype(np.float64)
    floor = max(float(np.abs(expected).max()) * 1e-2, 1e-12)
    with np.errstate(all="ignore"):
        error = np.abs(got - expected) / np.maximum(np.abs(expected), floor)
    error = np.where(np.isfinite(got), error, np.inf)
    index = np.unravel_index(int(np.argmax(error)), error.shape)
    worst = float(error[index])
    return Comparison(
        equal=bool(worst <= limit),
        same_shape=True,
        largest_error=worst,
        index=tuple(int(i) for i in index),
        got=float(got[index]),
        expected=float(expected[index]),
        got_shape=answer.shape,
        expected_shape=expected.shape,
    )


def constant_factor(answer: NDArray, truth: NDArray[np.float64]) -> float:
    """c where answer = c × truth throughout, NaN where there is no such c. Both have the same shape."""
    scale = float((answer.astype(np.float64) * truth).sum() / (truth * truth).sum())
    return scale if abs(scale) > 1e-9 and compare(answer, truth * scale, tolerance=1e-4).equal else float("nan")


class Lab:
    """What a check may use. One per evaluation; every random draw comes from the evaluation's secret seed.

    ``counts`` are sizes settled on by an earlier run of the same evaluation, replayed as they are; ``identity`` is a secret
    per student, which fixes small draws so that many attempts cannot fish for a lucky one.
    """

    def __init__(
        self,
        *,
        seed: int,
        datasets: DataStore,
        identity: bytes = b"",
        package_digest: str = "",
        counts: Mapping[str, int] | None = None,
        mark: float | None = None,
    ) -> None:
        self.seed = seed
        self._datasets = datasets
        self.counts: dict[str, int] = dict(counts or {})
        self.mark = mark
        self.exhibits: list[Exhibit] = []
        self.figures: dict[str, str] = {}
        self.used: dict[str, ImageData | TextData] = {}
        # What the sandboxed side said in one group that a later group holds against the source.
        self.claims: dict[str, Any] = {}
        self._identity = identity
        self._package_digest = package_digest
        self._replayed = frozenset(counts or {})
        self.on_curve: Callable[[Exhibit], None] = lambda curve: None

    # -- data --------------------------------------------------------------------------------------------------------

    def mnist(self) -> ImageData:
        """MNIST or practice digits; noted, so that the result says what it was measured on."""
        return self._noted(self._datasets.mnist())

    def cifar10(self) -> ImageData:
        """CIFAR-10 or practice shapes; noted as well."""
        return self._noted(self._datasets.cifar10())

    def text(self) -> TextData:
        """The text corpus or practice sentences; noted as well."""
        return self._noted(self._datasets.text())

    def _noted(self, data: Data) -> Data:
        self.used[data.name] = data
        return data

    # -- draws -------------------------------------------------------------------------------------------------------

    def random(self, purpose: str) -> np.random.Generator:
        """A generator for one purpose: independent of how many numbers other checks drew."""
        return np.random.default_rng(_digest_number(f"{self.seed}/{purpose}".encode()))

    def student_random(self, purpose: str) -> np.random.Generator:
        """A generator that is the same for every attempt of one student, whatever the seed and whatever was changed in the
        package: a new draw for every new comment could be fished for. Without an identity, the same for one package."""
        key = (self._identity or self._package_digest.encode()) + b"/" + purpose.encode()
        return np.random.default_rng(_digest_number(key))

    def public_seed(self, purpose: str) -> int:
        """A seed that may enter the sandbox: derived from the secret one, which can't be found from it."""
        return _digest_number(f"{self.seed}/inside/{purpose}".encode()) % (1 << 31)

    # -- counts ------------------------------------------------------------------------------------------------------

    def settle(self, name: str, affordable: float, *, most: int = LADDER[-1]) -> int:
        """The step of the ladder for ``name``: replayed if known, else the largest not above half of ``affordable``.

        The factor of two is the margin for a busier machine; the smallest step is always affordable.
        """
        if name not in self.counts:
            steps = [step for step in LADDER if step <= min(affordable / 2, most)]
            self.counts[name] = steps[-1] if steps else LADDER[0]
        return self.counts[name]

    def settle_exactly(self, name: str, value: int) -> int:
        """Remember a count that a check worked out itself, or replay the remembered one."""
        return self.counts.setdefault(name, value)

    def is_replay(self, name: str) -> bool:
        return name in self._replayed

    # -- for people --------------------------------------------------------------------------------------------------

    def exhibit(self, exhibit: Exhibit) -> None:
        self.exhibits.append(exhibit)

    def figure(self, name: str, words: str) -> None:
        """Keep a figure that was measured, to stand beside what the student claims."""
        self.figures[name] = words

    def show_curve(self, curve: Exhibit) -> None:
        """Show a curve live, as far as it is known; what is shown later under the same key takes its place."""
        self.on_curve(curve)


def _digest_number(material: bytes) -> int:
    return int.from_bytes(hashlib.sha256(material).digest()[:16], "big")
