"""Attention: each position of a sequence gathers from the others what it needs."""

import numpy as np

from tinytorch.core.activations import Softmax
from tinytorch.core.layers import Layer, Linear
from tinytorch.core.tensor import Tensor

# What is added to the score of a position that must not be seen: its weight becomes exp(-1e9), which is 0.
HIDDEN = -1e9


def scaled_dot_product_attention(queries, keys, values, mask=None):
    """softmax(Q K^T / sqrt(d)) V.

    Args:
        queries, keys, values: (batch, heads, length, d).
        mask: (length, length), 0 where a query may look and -1e9 where not.

    Returns:
        (batch, heads, length, d), and the weights (batch, heads, length, length).
    """
    scores = queries @ keys.transpose(-2, -1)
    scores = scores * (1.0 / np.sqrt(queries.shape[-1]))
    if mask is not None:
        scores = scores + mask
    weights = Softmax(dim=-1)(scores)
    return weights @ values, weights


class MultiHeadAttention(Layer):
    """Several attentions side by side, each on its own part of the vector.

    Args:
        embed_dim: numbers at each position.
        num_heads: how many heads; embed_dim is a multiple of it.
    """

    def __init__(self, embed_dim, num_heads):
        if embed_dim % num_heads:
            raise ValueError(f"{embed_dim} numbers can't be shared by {num_heads} heads")
        self.embed_dim = embed_dim
        self.num_heads = num_heads
        self.head_dim = embed_dim // num_heads
        self.q_proj = Linear(embed_dim, embed_dim)
        self.k_proj = Linear(embed_dim, embed_dim)
        self.v_proj = Linear(embed_dim, embed_dim)
        self.out_proj = Linear(embed_dim, embed_dim)

    def forward(self, x, mask=None):
        """x is (batch, length, embed_dim); the result as well."""
        queries = self._split(self.q_proj(x))
        keys = self._split(self.k_proj(x))
        values = self._split(self.v_proj(x))
        gathered, _ = scaled_dot_product_attention(queries, keys, values, mask)
        return self.out_proj(self._merge(gathered))

    def _split(self, x):
        """(batch, length, embed_dim) -> (batch, heads, length, head_dim)."""
        batch, length, _ = x.shape
        return x.reshape(batch, length, self.num_heads, self.head_dim).transpose(1, 2)

    def _merge(self, x):
        """(batch, heads, length, head_dim) -> (batch, length, embed_dim)."""
        batch, _, length, _ = x.shape
        return x.transpose(1, 2).reshape(batch, length, self.embed_dim)

    def __call__(self, x, mask=None):
        return self.forward(x, mask)

    def parameters(self):
        """The parameters of the four projections."""
        projections = (self.q_proj, self.k_proj, self.v_proj, self.out_proj)
        return [parameter for projection in projections for parameter in projection.parameters()]


def causal_mask(length):
    """(length, length): 0 for the position itself and those before it, -1e9 for those after it."""
    return Tensor(np.triu(np.full((length, length), HIDDEN, dtype=np.float32), k=1))
