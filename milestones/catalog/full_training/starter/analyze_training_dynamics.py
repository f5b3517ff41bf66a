"""How does the training go: loss curves, the gap between seen and unseen images, the Trainer step by step, its checkpoint?"""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "milestone_evaluator"))

from public_checks import run

if __name__ == "__main__":
    run(__file__, milestone="full-training", groups=["trainer", "cifar10"], every_check=True)
