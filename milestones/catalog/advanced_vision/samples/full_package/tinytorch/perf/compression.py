"""Doing without the weights that matter least."""

import numpy as np


def magnitude_prune(model, sparsity=0.5):
    """Set the smallest weights of all layers together to zero; ``sparsity`` is the share of them. Biases stay."""
    weights = [tensor for tensor in model.parameters() if len(tensor.shape) > 1]
    threshold = np.quantile(np.concatenate([np.abs(tensor.data).ravel() for tensor in weights]), sparsity)
    for tensor in weights:
        tensor.data = np.where(np.abs(tensor.data) < threshold, 0, tensor.data)
