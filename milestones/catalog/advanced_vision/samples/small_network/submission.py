"""My model for CIFAR-10, not trained yet."""

from tinytorch import Conv2d, Flatten, Linear, MaxPool2d, ReLU, Sequential


def build_model():
    """A small network; it takes images (batch, 3, 32, 32) with values from 0 to 1."""
    return Sequential(
        Conv2d(3, 8, 3, stride=2, padding=1), ReLU(), MaxPool2d(2),
        Conv2d(8, 16, 3, padding=1), ReLU(), MaxPool2d(2),
        Flatten(), Linear(256, 10),
    )  # fmt: skip
