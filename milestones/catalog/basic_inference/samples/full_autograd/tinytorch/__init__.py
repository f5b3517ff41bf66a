"""TinyTorch: a neural-network framework built from scratch on NumPy."""

from tinytorch.core.activations import ReLU, Sigmoid, Softmax, Tanh
from tinytorch.core.autograd import enable_autograd
from tinytorch.core.layers import Dense, Linear, Sequential
from tinytorch.core.losses import CrossEntropyLoss, MSELoss
from tinytorch.core.optimizers import SGD, Adam
from tinytorch.core.tensor import Tensor
from tinytorch.core.training import Trainer

__version__ = "0.1.0"

__all__ = [
    "SGD",
    "Adam",
    "CrossEntropyLoss",
    "Dense",
    "Linear",
    "MSELoss",
    "ReLU",
    "Sequential",
    "Sigmoid",
    "Softmax",
    "Tanh",
    "Tensor",
    "Trainer",
    "enable_autograd",
]
