"""The language model for milestone 5: as small as it gets."""

from tinytorch.core.transformer import GPT


def build_model(vocab_size):
    """An untrained GPT for texts of up to 32 characters."""
    return GPT(vocab_size, embed_dim=18, num_layers=1, num_heads=2, max_seq_len=32)
