"""The digit classifier for milestone 1: 784-64-10 with ReLU, and the weights it was trained to."""

from pathlib import Path

import numpy as np

from tinytorch.core.networks import create_mlp
from tinytorch.core.tensor import Tensor

WEIGHTS = Path(__file__).parent / "weights" / "mnist_mlp.npz"


def build_model():
    """The trained model. It takes images as float32 of shape (n, 784) with values 0 to 1 and answers (n, 10) scores."""
    model = create_mlp(784, [64], 10)
    hidden, _, output = model.layers
    with np.load(WEIGHTS, allow_pickle=False) as saved:
        hidden.weights, hidden.bias = Tensor(saved["hidden_weights"]), Tensor(saved["hidden_bias"])
        output.weights, output.bias = Tensor(saved["output_weights"]), Tensor(saved["output_bias"])
    return model
