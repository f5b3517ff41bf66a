"""Activation functions."""

import numpy as np

from tinytorch.core.tensor import Tensor


class ReLU:
    """Rectified linear unit: max(0, x)."""

    def forward(self, x):
        """Negative numbers become zero."""
        return Tensor(np.maximum(x.data, 0))

    def __call__(self, x):
        """The same as ``forward``."""
        return self.forward(x)


class Sigmoid:
    """The logistic function: 1 / (1 + exp(-x))."""

    def forward(self, x):
        """Every number moves between 0 and 1; only exponentials of negative numbers are taken."""
        small = np.exp(-np.abs(x.data))
        return Tensor(np.where(x.data >= 0, 1 / (1 + small), small / (1 + small)))

    def __call__(self, x):
        """The same as ``forward``."""
        return self.forward(x)


class Tanh:
    """The hyperbolic tangent."""

    def forward(self, x):
        """Every number moves between -1 and 1."""
        return Tensor(np.tanh(x.data))

    def __call__(self, x):
        """The same as ``forward``."""
        return self.forward(x)


class Softmax:
    """Scores to probabilities, along the last axis."""

    def forward(self, x):
        """Each row sums to one. The largest score is taken away first, so that nothing overflows."""
        exponentials = np.exp(x.data - np.max(x.data, axis=-1, keepdims=True))
        return Tensor(exponentials / np.sum(exponentials, axis=-1, keepdims=True))

    def __call__(self, x):
        """The same as ``forward``."""
        return self.forward(x)
