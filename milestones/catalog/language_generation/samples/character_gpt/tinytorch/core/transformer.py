"""The transformer: attention and dense layers in blocks, and a GPT made of them."""

import numpy as np

from tinytorch.core.activations import Tanh
from tinytorch.core.attention import MultiHeadAttention, causal_mask
from tinytorch.core.autograd import Operation
from tinytorch.core.embeddings import Embedding, PositionalEncoding
from tinytorch.core.layers import Layer, Linear
from tinytorch.core.tensor import Tensor, apply


class SquareRoot(Operation):
    """Elementwise square root."""

    def forward(self, a):
        """The root."""
        self.result = np.sqrt(a)
        return self.result

    def backward(self, grad):
        """grad / (2 sqrt(a))."""
        return (grad / (2 * self.result),)


class GELU(Layer):
    """x times the probability that a normal number is below x (Hendrycks and Gimpel, 2016), by its tanh formula."""

    def forward(self, x):
        """0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))."""
        inner = (x + x * x * x * 0.044715) * np.sqrt(2 / np.pi)
        return x * (Tanh()(inner) + 1.0) * 0.5


class LayerNorm(Layer):
    """Every position gets mean 0 and variance 1 over its numbers, then a learnt scale and shift.

    Args:
        normalized_shape: numbers at each position.
        eps: keeps the division from failing where all of them are equal.
    """

    def __init__(self, normalized_shape, eps=1e-5):
        self.eps = eps
        self.gamma = Tensor(np.ones(normalized_shape, dtype=np.float32), requires_grad=True)
        self.beta = Tensor(np.zeros(normalized_shape, dtype=np.float32), requires_grad=True)

    def forward(self, x):
        """x is (..., normalized_shape)."""
        centred = x - x.mean(axis=-1, keepdims=True)
        variance = (centred * centred).mean(axis=-1, keepdims=True)
        return centred / apply(SquareRoot(variance + self.eps)) * self.gamma + self.beta

    def parameters(self):
        """Scale and shift."""
        return [self.gamma, self.beta]


class MLP(Layer):
    """Two dense layers with GELU in between, on every position alone."""

    def __init__(self, embed_dim, hidden_dim):
        self.linear1 = Linear(embed_dim, hidden_dim)
        self.gelu = GELU()
        self.linear2 = Linear(hidden_dim, embed_dim)

    def forward(self, x):
        """x is (batch, length, embed_dim)."""
        return self.linear2(self.gelu(self.linear1(x)))

    def parameters(self):
        """Those of both layers."""
        return self.linear1.parameters() + self.linear2.parameters()


class TransformerBlock(Layer):
    """Attention, then dense layers; each adds to what comes in, after a layer normalisation."""

    def __init__(self, embed_dim, num_heads, mlp_ratio=4):
        self.ln1 = LayerNorm(embed_dim)
        self.attention = MultiHeadAttention(embed_dim, num_heads)
        self.ln2 = LayerNorm(embed_dim)
        self.mlp = MLP(embed_dim, embed_dim * mlp_ratio)

    def forward(self, x, mask=None):
        """x is (batch, length, embed_dim)."""
        x = x + self.attention(self.ln1(x), mask)
        return x + self.mlp(self.ln2(x))

    def __call__(self, x, mask=None):
        return self.forward(x, mask)

    def parameters(self):
        """Those of its four parts."""
        parts = (self.ln1, self.attention, self.ln2, self.mlp)
        return [parameter for part in parts for parameter in part.parameters()]


class GPT(Layer):
    """A language model: token numbers in, scores of the next token out, at every position.

    Args:
        vocab_size: how many different tokens there are.
        embed_dim: numbers at each position.
        num_layers: how many blocks.
        num_heads: attention heads in each.
        max_seq_len: the longest sequence it can look at.
    """

    def __init__(self, vocab_size, embed_dim, num_layers, num_heads, max_seq_len=256):
        self.vocab_size = vocab_size
        self.max_seq_len = max_seq_len
        self.token_embedding = Embedding(vocab_size, embed_dim)
        self.position_embedding = PositionalEncoding(max_seq_len, embed_dim)
        self.blocks = [TransformerBlock(embed_dim, num_heads) for _ in range(num_layers)]
        self.ln_f = LayerNorm(embed_dim)
        self.lm_head = Linear(embed_dim, vocab_size, bias=False)

    def forward(self, tokens):
        """tokens is (batch, length); the result (batch, length, vocab_size)."""
        x = self.position_embedding(self.token_embedding(tokens))
        mask = causal_mask(tokens.shape[1])
        for block in self.blocks:
            x = block(x, mask)
        return self.lm_head(self.ln_f(x))

    def generate(self, prompt_tokens, max_new_tokens=50, temperature=1.0):
        """Continue a prompt, token by token.

        Args:
            prompt_tokens: (1, length).
            max_new_tokens: how many to add.
            temperature: below 1 likely tokens become likelier, above 1 all become more alike.

        Returns:
            (1, length + max_new_tokens): the prompt and what was added.
        """
        tokens = np.asarray(prompt_tokens.data, dtype=np.int64)
        for _ in range(max_new_tokens):
            scores = self.forward(Tensor(tokens[:, -self.max_seq_len :])).data[0, -1]
            scores = scores.astype(np.float64) / temperature
            chances = np.exp(scores - scores.max())
            token = np.random.choice(self.vocab_size, p=chances / chances.sum())
            tokens = np.concatenate([tokens, [[token]]], axis=1)
        return Tensor(tokens)

    def parameters(self):
        """Those of all its parts."""
        parts = (self.token_embedding, self.position_embedding, *self.blocks, self.ln_f, self.lm_head)
        return [parameter for part in parts for parameter in part.parameters()]
