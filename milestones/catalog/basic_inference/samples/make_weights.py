"""Makes the weights of the samples ``forward_only``, ``weak_weights`` and ``trained_on_the_test_images`` again; from the top of
the checkout:

    DATASETS_DIR=... python -m milestones.catalog.basic_inference.samples.make_weights

784-64-10 with ReLU, softmax cross-entropy, SGD with momentum 0.9 in batches of 128, learning rate falling along half a
cosine. Trained on the training images of MNIST and of the practice digits together, so that a sample gets the same
verdict with either; the test images are only measured. ``trained_on_the_test_images`` does what its name says, with 32
hidden units, until it knows them by heart.
"""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from milestones.datasets import DataStore, ImageData, open_store

FOLDER = Path(__file__).parent
NAMES = ("hidden_weights", "hidden_bias", "output_weights", "output_bias")


def scaled(images: np.ndarray) -> np.ndarray:
    """(n, 28, 28) uint8 to (n, 784) float32 from 0 to 1."""
    return images.reshape(len(images), -1).astype(np.float32) / 255


def train(
    images: np.ndarray,
    labels: np.ndarray,
    *,
    steps: int,
    rate: float,
    seed: int,
    decay: float = 5e-5,
    hidden_units: int = 64,
) -> list[np.ndarray]:
    """Weights and biases, in the order of ``NAMES``, all float32."""
    random = np.random.default_rng(seed)
    parameters = [
        random.normal(0, np.sqrt(2 / 784), (784, hidden_units)).astype(np.float32),
        np.zeros(hidden_units, np.float32),
        random.normal(0, np.sqrt(2 / hidden_units), (hidden_units, 10)).astype(np.float32),
        np.zeros(10, np.float32),
    ]
    velocities = [np.zeros_like(parameter) for parameter in parameters]
    for step in range(steps):
        chosen = random.integers(0, len(images), 128)
        x, hidden_weights, output_weights = images[chosen], parameters[0], parameters[2]
        hidden = np.maximum(x @ hidden_weights + parameters[1], 0)
        scores = hidden @ output_weights + parameters[3]
        error = np.exp(scores - scores.max(axis=1, keepdims=True))
        error /= error.sum(axis=1, keepdims=True)
        error[np.arange(128), labels[chosen]] -= 1
        error /= 128
        back = (error @ output_weights.T) * (hidden > 0)
        gradients = [
            x.T @ back + decay * hidden_weights,
            back.sum(axis=0),
            hidden.T @ error + decay * output_weights,
            error.sum(axis=0),
        ]
        now = rate * 0.5 * (1 + np.cos(np.pi * step / steps))
        for parameter, velocity, gradient in zip(parameters, velocities, gradients, strict=True):
            velocity[:] = 0.9 * velocity - now * gradient
            parameter[:] = parameter + velocity
    return parameters


def accuracy(parameters: list[np.ndarray], images: np.ndarray, labels: np.ndarray) -> float:
    """Share of the images that are read rightly."""
    hidden = np.maximum(scaled(images) @ parameters[0] + parameters[1], 0)
    return float(((hidden @ parameters[2] + parameters[3]).argmax(axis=1) == labels).mean())


def main() -> None:
    """Train all, save all, print what they reach on test and on training images."""
    mnist, practice = open_store().mnist(), DataStore(None).mnist()
    if mnist.practice:
        raise SystemExit("MNIST is not installed: set DATASETS_DIR.")
    sets = {
        part: (
            np.concatenate([scaled(getattr(data, f"{part}_images")) for data in (mnist, practice)]),
            np.concatenate([getattr(data, f"{part}_labels") for data in (mnist, practice)]),
        )
        for part in ("train", "test")
    }
    for sample, part, settings in (
        ("forward_only", "train", {"steps": 14_000, "rate": 0.05, "seed": 1}),
        ("weak_weights", "train", {"steps": 80, "rate": 0.02, "seed": 2}),
        (
            "trained_on_the_test_images",
            "test",
            {"steps": 14_000, "rate": 0.05, "seed": 3, "decay": 0.0, "hidden_units": 32},
        ),
    ):
        started = time.process_time()
        parameters = train(*sets[part], **settings)
        seconds = time.process_time() - started
        folder = FOLDER / sample / "weights"
        folder.mkdir(exist_ok=True)
        np.savez(folder / "mnist_mlp.npz", **dict(zip(NAMES, parameters, strict=True)))
        reached = [
            f"{name} {accuracy(parameters, data.test_images, data.test_labels):.4f} "
            f"(training images {accuracy(parameters, data.train_images, data.train_labels):.4f})"
            for name, data in (("MNIST", mnist), ("practice", practice))
        ]
        print(f"{sample}: {', '.join(reached)}, {seconds:.2f} s")


if __name__ == "__main__":
    main()
