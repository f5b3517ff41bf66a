"""Makes the weights of the sample ``loops_just_below`` again, with the sample ``full_package``; from the top of the checkout:

    DATASETS_DIR=... python -m milestones.catalog.computer_vision.samples.make_weights

Convolution 1→4 (3 × 3, stride 3), ReLU, dense 324-10. Trained on the training images of MNIST and of the practice digits
together, so that the sample gets the same verdict with either; the test images are only measured.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from milestones.catalog import samples
from milestones.datasets import DataStore, ImageData, open_store

FOLDER = Path(__file__).parent
STEPS, BATCH, RATE = 16000, 64, 0.3


def scaled(images: np.ndarray) -> np.ndarray:
    """(n, 28, 28) uint8 to (n, 1, 28, 28) float32 from 0 to 1."""
    return images.reshape(-1, 1, 28, 28).astype(np.float32) / 255


def main() -> None:
    """Train, save, print what it reaches."""
    mnist, practice = open_store().mnist(), DataStore(None).mnist()
    if mnist.practice:
        raise SystemExit("MNIST is not installed: set DATASETS_DIR.")
    with tempfile.TemporaryDirectory() as folder:
        sys.path.insert(0, str(samples.materialise(FOLDER / "full_package", Path(folder) / "sample")))
        import tinytorch as framework

        np.random.seed(1)
        model = framework.Sequential(
            framework.Conv2d(1, 4, 3, stride=3), framework.ReLU(), framework.Flatten(), framework.Linear(324, 10)
        )
        optimizer, loss_fn = framework.SGD(model.parameters(), lr=RATE), framework.CrossEntropyLoss()
        random = np.random.default_rng(1)
        started = time.process_time()
        for step in range(STEPS):
            data = practice if step % 2 else mnist
            chosen = random.integers(0, len(data.train_labels), BATCH)
            optimizer.zero_grad()
            loss = loss_fn(model(framework.Tensor(scaled(data.train_images[chosen]))), data.train_labels[chosen])
            loss.backward()
            optimizer.step()
        seconds = time.process_time() - started

        def accuracy(data: ImageData) -> float:
            scores = model(framework.Tensor(scaled(data.test_images))).data
            return float((scores.argmax(axis=1) == data.test_labels).mean())

        target = FOLDER / "loops_just_below" / "weights" / "mnist_cnn.npz"
        target.parent.mkdir(exist_ok=True)
        names = ("1_kernel", "2_kernel_bias", "3_dense", "4_dense_bias")
        np.savez(target, **{name: part.data for name, part in zip(names, model.parameters(), strict=True)})
        print(f"MNIST {accuracy(mnist):.4f}, practice {accuracy(practice):.4f}, {seconds:.2f} s")


if __name__ == "__main__":
    main()
