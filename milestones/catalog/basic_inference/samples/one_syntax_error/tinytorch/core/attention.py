"""Attention, work in progress."""

import numpy as np

from tinytorch.core.tensor import Tensor


def scaled_dot_product_attention(query, key, value)
    """softmax(query @ key.T / sqrt(d)) @ value"""
    scores = query @ key.transpose(-2, -1) / np.sqrt(query.shape[-1])
    return scores @ value
