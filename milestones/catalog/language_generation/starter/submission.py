"""What you may tell the grader about your language model: this file is optional, and so is each function in it.

Without it, the grader builds a GPT of 2 blocks, 32 numbers and 2 heads out of your package and trains it with your Adam. Take
the "# " away from a function (and adapt it) to have yours used instead. Keep this file beside your `tinytorch` folder when you
upload.
"""

# import numpy as np
#
# from tinytorch import Tensor
# from tinytorch.core.transformer import GPT
#
#
# def build_model(vocab_size):
#     """A GPT for so many different characters.
#
#     Return a trained one (its weights from weights/*.npz beside this file) for Tiny Shakespeare, whose 65 characters are
#     numbered in sorted order, or a fresh one to have it trained on another language.
#     """
#     return GPT(vocab_size, embed_dim=32, num_layers=2, num_heads=2, max_seq_len=32)
#
#
# def logits(model, ids):
#     """Scores of the next character at every place: int64 ids (n, length) in, (n, length, vocab_size) out, as your Tensor."""
#     return model.forward(Tensor(ids))
#
#
# def generate(model, ids, n):
#     """Continue the characters `ids`, int64 (length,), by `n`; the numbers of the new ones, or of all."""
#     answer = model.generate(Tensor(np.asarray(ids)[None]), max_new_tokens=n)
#     return np.asarray(answer.data, dtype=np.int64)[0]
