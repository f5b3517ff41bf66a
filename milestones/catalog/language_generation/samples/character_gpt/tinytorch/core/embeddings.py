"""Embeddings: how numbers that only name something become vectors that can be learnt."""

import numpy as np

from tinytorch.core.autograd import Operation
from tinytorch.core.layers import Layer
from tinytorch.core.tensor import Tensor, apply


class Embedding(Layer):
    """A table with one learnt row for each token.

    Args:
        vocab_size: how many different tokens there are.
        embed_dim: numbers in a row.

    Attributes:
        weight: (vocab_size, embed_dim).
    """

    def __init__(self, vocab_size, embed_dim):
        self.vocab_size = vocab_size
        self.embed_dim = embed_dim
        table = np.random.randn(vocab_size, embed_dim) * 0.1
        self.weight = Tensor(table.astype(np.float32), requires_grad=True)

    def forward(self, tokens):
        """Token numbers of any shape become rows: (batch, length) gives (batch, length, embed_dim)."""
        return apply(Lookup(self.weight, np.asarray(tokens.data, dtype=np.int64)))

    def parameters(self):
        """The table."""
        return [self.weight]


class PositionalEncoding(Layer):
    """Adds to each position of a sequence a learnt vector that says where it is.

    Args:
        max_seq_len: the longest sequence.
        embed_dim: numbers in a vector.

    Attributes:
        weight: (max_seq_len, embed_dim).
    """

    def __init__(self, max_seq_len, embed_dim):
        self.max_seq_len = max_seq_len
        self.embed_dim = embed_dim
        table = np.random.randn(max_seq_len, embed_dim) * 0.1
        self.weight = Tensor(table.astype(np.float32), requires_grad=True)

    def forward(self, x):
        """x is (batch, length, embed_dim); the result as well."""
        length = x.shape[1]
        if length > self.max_seq_len:
            raise ValueError(f"a sequence of {length} is longer than the {self.max_seq_len} positions there are")
        return x + apply(Lookup(self.weight, np.arange(length)))

    def parameters(self):
        """The table of positions."""
        return [self.weight]


class Lookup(Operation):
    """Rows of a table, in the order of ``tokens``."""

    def __init__(self, table, tokens):
        super().__init__(table)
        self.tokens = tokens

    def forward(self, a):
        """The rows."""
        return a[self.tokens]

    def backward(self, grad):
        """Each row gets the sum of the gradients of all places where it was used."""
        gradient = np.zeros_like(self.inputs[0].data)
        np.add.at(gradient, self.tokens, grad)
        return (gradient,)
