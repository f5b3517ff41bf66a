"""Saving models and reading them back."""

import pickle


def save_model(model, path):
    """Save a model."""
    with open(path, "wb") as file:
        pickle.dump(model, file)


def load_model(path):
    """Read a model."""
    with open(path, "rb") as file:
        return pickle.load(file)
