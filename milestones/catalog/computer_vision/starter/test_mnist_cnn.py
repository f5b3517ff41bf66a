"""Does your convolutional network read 95 % of unseen MNIST digits, with a convolution that learns?"""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "milestone_evaluator"))

from public_checks import run

if __name__ == "__main__":
    run(__file__, milestone="computer-vision", groups=["convolution", "mnist"])
