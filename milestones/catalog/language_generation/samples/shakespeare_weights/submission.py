"""The language model for milestone 5, trained on Shakespeare's 65 characters in their sorted order."""

import os

import numpy as np

from tinytorch.core.tensor import Tensor
from tinytorch.core.transformer import GPT

WEIGHTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "weights", "gpt.npz")
VOCABULARY = 65


def new_model(vocab_size):
    """An untrained GPT for texts of up to 32 characters; a small one for all but Shakespeare."""
    if vocab_size == VOCABULARY:
        return GPT(vocab_size, embed_dim=32, num_layers=2, num_heads=2, max_seq_len=32)
    return GPT(vocab_size, embed_dim=18, num_layers=1, num_heads=2, max_seq_len=32)


def build_model(vocab_size):
    """The trained GPT, or an untrained one for another vocabulary."""
    model = new_model(vocab_size)
    if vocab_size == VOCABULARY:
        with np.load(WEIGHTS, allow_pickle=False) as weights:
            for parameter, name in zip(model.parameters(), sorted(weights.files)):
                parameter.data = weights[name]
    return model


def logits(model, ids):
    """Scores (n, length, vocab_size) of the next character for ids (n, length)."""
    return model(Tensor(ids)).data


def generate(model, ids, n):
    """The prompt and n characters more."""
    return model.generate(Tensor(ids), n, temperature=0.8).data
