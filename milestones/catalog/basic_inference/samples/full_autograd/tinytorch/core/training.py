"""The training loop."""

import numpy as np

from tinytorch.core.tensor import Tensor


class Trainer:
    """Trains a model and measures it.

    Args:
        model: anything callable on a tensor.
        optimizer: changes the model's parameters.
        loss_fn: takes the model's output and the targets.
    """

    def __init__(self, model, optimizer, loss_fn):
        self.model = model
        self.optimizer = optimizer
        self.loss_fn = loss_fn
        self.history = []

    def train_epoch(self, batches):
        """One pass over an iterable of (inputs, targets) arrays; returns the mean loss."""
        losses = []
        for inputs, targets in batches:
            self.optimizer.zero_grad()
            loss = self.loss_fn(self.model(Tensor(inputs)), targets)
            loss.backward()
            self.optimizer.step()
            losses.append(float(loss.data))
        self.history.append(float(np.mean(losses)))
        return self.history[-1]

    def evaluate(self, batches):
        """(mean loss, accuracy) over an iterable of (inputs, targets) arrays."""
        losses, right, count = [], 0, 0
        for inputs, targets in batches:
            scores = self.model(Tensor(inputs))
            losses.append(float(self.loss_fn(scores, targets).data))
            right += int((scores.data.argmax(axis=1) == np.asarray(targets)).sum())
            count += len(targets)
        return float(np.mean(losses)), right / count
