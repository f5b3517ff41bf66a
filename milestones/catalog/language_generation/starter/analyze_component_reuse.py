"""How much of your GPT is made of components from earlier milestones, and do these still work?"""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "milestone_evaluator"))

from public_checks import run

if __name__ == "__main__":
    run(__file__, milestone="language-generation", groups=["unification", "reuse"])
