"""Saving a model's parameters to a file and reading them back."""

import numpy as np


def save_model(model, path):
    """Write all parameters of a model to an .npz file: numbers only, nothing that runs when it is read."""
    np.savez(path, **{f"parameter_{index}": tensor.data for index, tensor in enumerate(model.parameters())})


def load_model(model, path):
    """Read parameters from an .npz file into a model of the same architecture.

    Raises:
        ValueError: the file was saved from another architecture.
    """
    parameters = model.parameters()
    with np.load(path, allow_pickle=False) as saved:
        if len(saved.files) != len(parameters):
            raise ValueError(f"the file holds {len(saved.files)} parameters, the model has {len(parameters)}")
        for index, tensor in enumerate(parameters):
            array = saved[f"parameter_{index}"]
            if array.shape != tensor.shape:
                raise ValueError(f"parameter {index} has shape {array.shape} in the file and {tensor.shape} in the model")
            tensor.data = array
    return model
