"""Layers: the parts with parameters, and the box to put them in a row."""

import numpy as np

from tinytorch.core.tensor import Tensor


class Layer:
    """What all layers share: they are called like functions and know their parameters."""

    def forward(self, x):
        """Compute the layer's output for a batch."""
        raise NotImplementedError

    def __call__(self, x):
        return self.forward(x)

    def parameters(self):
        """The tensors that training changes."""
        return []


class Linear(Layer):
    """A fully connected layer: y = x @ weight + bias.

    Args:
        in_features: numbers per example that go in.
        out_features: numbers per example that come out.
        bias: whether to add a bias.

    Attributes:
        weight: (in_features, out_features), from a normal distribution with variance 2 / in_features, so that the
            size of activations survives a ReLU (He et al., 2015).
        bias: (out_features,) of zeros, or None.
    """

    def __init__(self, in_features, out_features, bias=True):
        self.in_features = in_features
        self.out_features = out_features
        scale = np.sqrt(2.0 / in_features)
        weight = np.random.randn(in_features, out_features) * scale
        self.weight = Tensor(weight.astype(np.float32), requires_grad=True)
        self.bias = Tensor(np.zeros(out_features, dtype=np.float32), requires_grad=True) if bias else None

    def forward(self, x):
        """x is (batch, in_features); the result is (batch, out_features)."""
        y = x @ self.weight
        return y if self.bias is None else y + self.bias

    def parameters(self):
        """The weight, and the bias if there is one."""
        return [self.weight] if self.bias is None else [self.weight, self.bias]

    def __repr__(self):
        return f"Linear({self.in_features}, {self.out_features}, bias={self.bias is not None})"


# The name that the first edition of the course uses.
Dense = Linear


class Sequential(Layer):
    """Layers one after the other, given one by one or as a single list."""

    def __init__(self, *layers):
        if len(layers) == 1 and isinstance(layers[0], (list, tuple)):
            layers = layers[0]
        self.layers = list(layers)

    def forward(self, x):
        """Send a batch through all layers in order."""
        for layer in self.layers:
            x = layer(x)
        return x

    def parameters(self):
        """The parameters of all layers, in order."""
        return [parameter for layer in self.layers for parameter in layer.parameters()]

    def __repr__(self):
        return f"Sequential({', '.join(repr(layer) for layer in self.layers)})"
