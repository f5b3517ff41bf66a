"""Tokenization: texts become lists of numbers, and back."""


class CharTokenizer:
    """One number for each character.

    Attributes:
        vocab: the characters in the order of their numbers; the first stands for all that are unknown.
    """

    UNKNOWN = "<UNK>"

    def __init__(self, vocab=None):
        self._use([self.UNKNOWN, *(vocab or [])])

    def _use(self, vocab):
        self.vocab = vocab
        self.vocab_size = len(vocab)
        self.char_to_id = {char: number for number, char in enumerate(vocab)}

    def build_vocab(self, corpus):
        """Number all characters of a list of texts, in their sorted order: the same texts give the same numbers."""
        characters = set("".join(corpus))
        self._use([self.UNKNOWN, *sorted(characters)])

    def encode(self, text):
        """The numbers of a text's characters; 0 for those that are unknown."""
        return [self.char_to_id.get(char, 0) for char in text]

    def decode(self, tokens):
        """The text that numbers stand for."""
        return "".join(self.vocab[int(token)] for token in tokens)
