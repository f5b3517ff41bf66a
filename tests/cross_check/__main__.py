"""Compare the whole reference with PyTorch and print the largest relative difference of each function's comparison."""

from __future__ import annotations

import sys

import numpy as np

from tests.cross_check.comparisons import COMPARED, NOT_COMPARED, public_functions

LIMIT = 1e-6
SEEDS = 5


def relative_difference(ours: object, theirs: object) -> float:
    """The largest |a - e| / max(|e|, s), s a hundredth of the largest |e|: the measure that students' answers are judged by."""
    got, expected = np.asarray(ours, dtype=np.float64), np.asarray(theirs, dtype=np.float64)
    if got.shape != expected.shape or not np.isfinite(got).all():
        return float("inf")
    floor = max(float(np.abs(expected).max(initial=0.0)) * 1e-2, 1e-12)
    return float((np.abs(got - expected) / np.maximum(np.abs(expected), floor)).max(initial=0.0))


def main() -> int:
    import torch

    print(f"PyTorch {torch.__version__}, NumPy {np.__version__}, float64, {SEEDS} draws")
    missing = public_functions() - COMPARED.keys() - NOT_COMPARED.keys()
    worst_of_all = float("inf") if missing else 0.0
    for comparison in dict.fromkeys(COMPARED.values()):
        names = [name for name, covering in COMPARED.items() if covering is comparison]
        worst: dict[str, float] = {}
        for seed in range(SEEDS):
            for what, ours, theirs in comparison(np.random.default_rng(seed)):
                worst[what] = max(worst.get(what, 0.0), relative_difference(ours, theirs))
        what = max(worst, key=lambda each: worst[each])
        print(f"{worst[what]:8.1e}  {', '.join(names)}  (largest: {what})")
        worst_of_all = max(worst_of_all, worst[what])
    for name in sorted(missing):
        print(f"  MISSING  {name}")
    print(f"Largest relative difference {worst_of_all:.1e}, allowed {LIMIT:.0e}.")
    return 0 if worst_of_all <= LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
