"""Data in batches."""

import numpy as np

from tinytorch.core.tensor import Tensor


class TensorDataset:
    """Items of several tensors that belong together.

    Args:
        tensors: tensors of the same length; item i is the tuple of their i-th entries.
    """

    def __init__(self, *tensors):
        self.tensors = tensors

    def __len__(self):
        return len(self.tensors[0])

    def __getitem__(self, index):
        return tuple(tensor.data[index] for tensor in self.tensors)


class DataLoader:
    """One pass over a data set in batches.

    Args:
        dataset: anything with a length and items that are tuples.
        batch_size: items in a batch; the last one may be smaller.
        shuffle: whether each pass takes the items in a new order.
    """

    def __init__(self, dataset, batch_size, shuffle=False):
        self.dataset = dataset
        self.batch_size = batch_size
        self.shuffle = shuffle

    def __len__(self):
        """Batches in one pass."""
        return -(-len(self.dataset) // self.batch_size)

    def __iter__(self):
        """Batches as tuples of tensors."""
        order = np.random.permutation(len(self.dataset)) if self.shuffle else np.arange(len(self.dataset))
        for start in range(0, len(order), self.batch_size):
            items = [self.dataset[index] for index in order[start : start + self.batch_size]]
            yield tuple(Tensor(np.stack(part)) for part in zip(*items))
