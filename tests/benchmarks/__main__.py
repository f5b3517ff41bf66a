"""``make bench``: every figure that the README quotes, measured in one go on this machine."""

from __future__ import annotations

import argparse

from tests.benchmarks import evaluation, fairness, gradebook, newcomer, queue, rescoring, sandbox

parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
parser.add_argument("--pairs", type=int, default=9, help="evaluations in the sandbox and bare, in turn")
parser.add_argument("--uploads", type=int, default=15, help="uploads of a package that crashes at import")
options = parser.parse_args()
evaluation.main(options.pairs)
sandbox.main()
queue.main()
gradebook.main()
fairness.main()
rescoring.main()
newcomer.main(options.uploads)
