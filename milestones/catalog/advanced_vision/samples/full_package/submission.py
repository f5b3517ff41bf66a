"""My model for CIFAR-10: five convolutions, trained at home, its weights in weights/cifar10_5conv.npz."""

from pathlib import Path

import numpy as np

from tinytorch import Conv2d, Flatten, Linear, MaxPool2d, ReLU, Sequential, Tensor
from tinytorch.core.layers import Layer

WEIGHTS = Path(__file__).parent / "weights" / "cifar10_5conv.npz"


class Normalize(Layer):
    """Pixels from 0 to 1 become numbers with the mean 0 and the deviation 1 of the training images, channel by channel."""

    MEAN = np.array([0.4914, 0.4822, 0.4465], dtype=np.float32).reshape(1, 3, 1, 1)
    DEVIATION = np.array([0.2470, 0.2435, 0.2616], dtype=np.float32).reshape(1, 3, 1, 1)

    def forward(self, x):
        """x is (batch, 3, height, width)."""
        if not isinstance(x, Tensor):
            raise TypeError(f"expected a Tensor of images, got {type(x).__name__}")
        if len(x.shape) != 4 or x.shape[1] != 3:
            raise ValueError(f"expected images of shape (batch, 3, height, width), got {x.shape}")
        return (x - Tensor(self.MEAN)) / Tensor(self.DEVIATION)


def network():
    """The untrained network."""
    return Sequential(
        Normalize(),
        Conv2d(3, 32, 3, padding=1), ReLU(), MaxPool2d(2),
        Conv2d(32, 64, 3, padding=1), ReLU(),
        Conv2d(64, 64, 3, padding=1), ReLU(), MaxPool2d(2),
        Conv2d(64, 128, 3, padding=1), ReLU(), MaxPool2d(2),
        Conv2d(128, 128, 3, padding=1), ReLU(), MaxPool2d(2),
        Flatten(), Linear(512, 10),
    )  # fmt: skip


def build_model():
    """The trained model; it takes images (batch, 3, 32, 32) with values from 0 to 1."""
    model = network()
    with np.load(WEIGHTS) as trained:
        convolutions = (len(trained.files) - 2) // 2
        names = [f"{kind}{number}" for number in range(convolutions) for kind in "wb"] + ["fw", "fb"]
        for parameter, name in zip(model.parameters(), names):
            parameter.data = trained[name]
    return model
