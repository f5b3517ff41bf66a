"""Activation functions: what makes a stack of layers more than one matrix."""

import numpy as np

from tinytorch.core.autograd import Operation
from tinytorch.core.tensor import apply


class Activation:
    """A layer without parameters."""

    def forward(self, x):
        """Apply the function to a tensor."""
        raise NotImplementedError

    def __call__(self, x):
        return self.forward(x)

    def parameters(self):
        """Activations learn nothing."""
        return []

    def __repr__(self):
        return f"{type(self).__name__}()"


class ReLU(Activation):
    """max(0, x), elementwise."""

    def forward(self, x):
        """Negative numbers become zero."""
        return apply(ReLUOperation(x))


class Sigmoid(Activation):
    """1 / (1 + exp(-x)), elementwise; between 0 and 1."""

    def forward(self, x):
        """Every number moves between 0 and 1."""
        return apply(SigmoidOperation(x))


class Tanh(Activation):
    """Hyperbolic tangent, elementwise; between -1 and 1."""

    def forward(self, x):
        """Every number moves between -1 and 1."""
        return apply(TanhOperation(x))


class Softmax(Activation):
    """exp(x) / sum(exp(x)) along one axis: scores become probabilities.

    Args:
        dim: the axis whose probabilities sum to one; the last by default.
    """

    def __init__(self, dim=-1):
        self.dim = dim

    def forward(self, x):
        """Scores become probabilities."""
        return apply(SoftmaxOperation(x, self.dim))


class ReLUOperation(Operation):
    """max(0, x) and its gradient: 1 where x is positive, else 0."""

    def forward(self, a):
        """Keeps what is positive."""
        self.positive = a > 0
        return a * self.positive

    def backward(self, grad):
        """The gradient passes where the input was positive."""
        return (grad * self.positive,)


class SigmoidOperation(Operation):
    """The logistic function; its gradient is s * (1 - s)."""

    def forward(self, a):
        """The logistic function, without overflow."""
        # exp of a large positive number overflows, so only exp(-|x|) is ever taken.
        small = np.exp(-np.abs(a))
        self.result = np.where(a >= 0, 1, small) / (1 + small)
        return self.result

    def backward(self, grad):
        """grad * s * (1 - s)."""
        return (grad * self.result * (1 - self.result),)


class TanhOperation(Operation):
    """Hyperbolic tangent; its gradient is 1 - t**2."""

    def forward(self, a):
        """The hyperbolic tangent."""
        self.result = np.tanh(a)
        return self.result

    def backward(self, grad):
        """grad * (1 - t**2)."""
        return (grad * (1 - self.result**2),)


class SoftmaxOperation(Operation):
    """Softmax along one axis; its gradient is s * (grad - sum(grad * s))."""

    def __init__(self, tensor, axis):
        super().__init__(tensor)
        self.axis = axis

    def forward(self, a):
        """Exponentials over their sum, without overflow."""
        # Taking the maximum away changes nothing in the result and keeps exp from overflowing.
        exponentials = np.exp(a - a.max(axis=self.axis, keepdims=True))
        self.result = exponentials / exponentials.sum(axis=self.axis, keepdims=True)
        return self.result

    def backward(self, grad):
        """s * (grad - sum(grad * s))."""
        weighted = grad * self.result
        return (weighted - self.result * weighted.sum(axis=self.axis, keepdims=True),)
