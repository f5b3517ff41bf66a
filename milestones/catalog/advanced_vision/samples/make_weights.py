"""Makes the weights of the sample ``just_below`` again out of those of ``loop_convolution``; from the top of the checkout:

    DATASETS_DIR=... python -m milestones.catalog.advanced_vision.samples.make_weights

Normal noise of a share of its own deviation is added to every array. How large the share was chosen on the test images: the
sample is there to lie just below the mark, not to be honest about it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from milestones.datasets import open_store
from milestones.reference import convolution, dense, max_pool, relu

FOLDER = Path(__file__).parent
SOURCE = FOLDER / "loop_convolution" / "weights" / "cifar10_3conv.npz"
TARGET = FOLDER / "just_below" / "weights" / "cifar10_3conv_noisy.npz"
NOISE, SEED = 0.1, 4
MEAN, DEVIATION = (np.reshape(v, (1, 3, 1, 1)) for v in ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)))


def noisy(weights: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays with noise of ``NOISE`` times their deviation."""
    random = np.random.default_rng(SEED)
    return {
        name: (array + random.normal(0, NOISE * array.std(), array.shape)).astype(np.float32)
        for name, array in weights.items()
    }


def accuracy(weights: dict[str, np.ndarray], images: np.ndarray, labels: np.ndarray) -> float:
    """Share of the images that the network of three convolutions reads rightly."""
    right = 0
    for start in range(0, len(images), 500):
        x = (images[start : start + 500] / 255 - MEAN) / DEVIATION
        x = relu(convolution(x, weights["w0"], weights["b0"], stride=2, padding=1))
        for name in ("1", "2"):
            x = max_pool(relu(convolution(x, weights[f"w{name}"], weights[f"b{name}"], padding=1)), 2)
        scores = dense(x.reshape(len(x), -1), weights["fw"], weights["fb"])
        right += int((scores.argmax(axis=1) == labels[start : start + 500]).sum())
    return right / len(images)


def main() -> None:
    """Make them, save them, print what both reach."""
    with np.load(SOURCE) as archive:
        weights = {name: archive[name] for name in archive.files}
    made = noisy(weights)
    TARGET.parent.mkdir(exist_ok=True)
    np.savez(TARGET, **made)
    data = open_store().cifar10()
    for name, arrays in {"loop_convolution": weights, "just_below": made}.items():
        print(f"{name}: {accuracy(arrays, data.test_images, data.test_labels):.4f} on {data.name}")


if __name__ == "__main__":
    main()
