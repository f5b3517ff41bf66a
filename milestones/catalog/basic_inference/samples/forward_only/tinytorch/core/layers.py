"""Layers."""

import numpy as np

from tinytorch.core.tensor import Tensor


def matmul(a, b):
    """Matrix product of two tensors."""
    return a.matmul(b)


class Dense:
    """A fully connected layer: output = input @ weights + bias.

    Args:
        input_size: numbers per example that go in.
        output_size: numbers per example that come out.
        use_bias: whether to add a bias.
    """

    def __init__(self, input_size, output_size, use_bias=True):
        self.input_size = input_size
        self.output_size = output_size
        self.use_bias = use_bias
        # Xavier/Glorot: the variance of activations stays about the same from layer to layer.
        scale = np.sqrt(2.0 / (input_size + output_size))
        self.weights = Tensor(np.random.randn(input_size, output_size).astype(np.float32) * np.float32(scale))
        self.bias = Tensor(np.zeros(output_size, dtype=np.float32)) if use_bias else None

    def forward(self, x):
        """x is (batch, input_size); the result is (batch, output_size)."""
        output = matmul(x, self.weights)
        if self.bias is not None:
            output = output + self.bias
        return output

    def __call__(self, x):
        """The same as ``forward``."""
        return self.forward(x)
