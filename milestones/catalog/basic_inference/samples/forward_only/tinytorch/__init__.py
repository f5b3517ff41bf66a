"""TinyTorch, first edition: tensors, activations, layers and networks that compute forward."""

__version__ = "0.1.0"
