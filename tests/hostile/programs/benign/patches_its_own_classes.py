"""Adds methods to its own Tensor and wraps its own layers, as later modules of the course do."""
from tinytorch.core import layers, tensor

tensor.Tensor.double = lambda self: self * 2
honest = layers.Linear.forward


def counted(self, x):
    layers.Linear.calls = getattr(layers.Linear, "calls", 0) + 1
    return honest(self, x)


layers.Linear.forward = counted
print("FINE", flush=True)
