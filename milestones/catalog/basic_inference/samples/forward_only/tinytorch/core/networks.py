"""Networks: layers put together."""

from tinytorch.core.activations import ReLU
from tinytorch.core.layers import Dense


class Sequential:
    """A list of layers, applied one after the other.

    Args:
        layers: the layers in order; more can be added with ``add``.
    """

    def __init__(self, layers=None):
        self.layers = list(layers) if layers is not None else []

    def forward(self, x):
        """Send a batch through all layers."""
        for layer in self.layers:
            x = layer(x)
        return x

    def __call__(self, x):
        """The same as ``forward``."""
        return self.forward(x)

    def add(self, layer):
        """Put a layer at the end."""
        self.layers.append(layer)


def create_mlp(input_size, hidden_sizes, output_size, activation=ReLU):
    """A multi-layer perceptron: dense layers with an activation after each but the last."""
    layers = []
    current = input_size
    for hidden_size in hidden_sizes:
        layers += [Dense(current, hidden_size), activation()]
        current = hidden_size
    layers.append(Dense(current, output_size))
    return Sequential(layers)
