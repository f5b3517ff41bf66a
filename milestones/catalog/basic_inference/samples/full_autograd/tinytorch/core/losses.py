"""Loss functions: how wrong a batch of predictions is, as one number."""

import numpy as np

from tinytorch.core.autograd import Operation
from tinytorch.core.tensor import Tensor, apply


class MSELoss:
    """Mean of the squared differences between predictions and targets."""

    def forward(self, predictions, targets):
        """The loss of a batch; both tensors have the same shape."""
        difference = predictions - targets
        return (difference * difference).mean()

    def __call__(self, predictions, targets):
        return self.forward(predictions, targets)


class CrossEntropyLoss:
    """Cross-entropy of scores (logits) against class numbers, averaged over the batch."""

    def forward(self, logits, targets):
        """The loss of a batch.

        Args:
            logits: (batch, classes), any numbers; softmax is part of this loss.
            targets: (batch,), class numbers as a tensor, an array or a list.
        """
        classes = targets.data if isinstance(targets, Tensor) else np.asarray(targets)
        return apply(CrossEntropyOperation(logits, classes.astype(np.int64).reshape(-1)))

    def __call__(self, logits, targets):
        return self.forward(logits, targets)


class CrossEntropyOperation(Operation):
    """-log softmax of the right class; its gradient is (softmax - one-hot) / batch."""

    def __init__(self, logits, classes):
        super().__init__(logits)
        self.rows = np.arange(len(classes))
        self.classes = classes

    def forward(self, a):
        """Mean of -log softmax at the right classes."""
        shifted = a - a.max(axis=1, keepdims=True)
        self.log_probabilities = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        return np.asarray(-self.log_probabilities[self.rows, self.classes].mean())

    def backward(self, grad):
        """(softmax - one-hot) / batch, times the incoming gradient."""
        probabilities = np.exp(self.log_probabilities)
        probabilities[self.rows, self.classes] -= 1
        return (probabilities * (grad / len(self.rows)),)
