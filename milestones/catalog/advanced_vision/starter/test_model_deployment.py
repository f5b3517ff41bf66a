"""Can your model be deployed: saved and loaded, one image or many, bad input, smaller models?"""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "milestone_evaluator"))

from public_checks import run

if __name__ == "__main__":
    run(__file__, milestone="advanced-vision", groups=["deployment"])
