"""Does training with your framework converge on CIFAR-10?"""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "milestone_evaluator"))

from public_checks import run

if __name__ == "__main__":
    run(__file__, milestone="full-training", groups=["cifar10"])
