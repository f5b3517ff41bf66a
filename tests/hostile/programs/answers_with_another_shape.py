"""Answers every question with shapes that were not asked for: none, empty, transposed, far too many rows."""
import itertools

import numpy as np
from tinytorch.core import activations, layers
from tinytorch.core.tensor import Tensor

SHAPES = itertools.cycle([(), (0,), (0, 5), (1,), (3, 1, 1, 1), (1_000_000, 1), (1, 1_000_000)])


def forward(self, x):
    return Tensor(np.zeros(next(SHAPES)))


layers.Linear.forward = forward
for name in ("ReLU", "Sigmoid", "Tanh", "Softmax"):
    getattr(activations, name).__call__ = getattr(activations, name).forward = forward
print("ATTEMPTED", flush=True)
