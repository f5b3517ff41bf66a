"""The Tensor: an array of numbers and what can be computed with it."""

import numpy as np


class Tensor:
    """An N-dimensional array on top of NumPy.

    Args:
        data: a number, a (nested) list, an array or another tensor.
        dtype: the NumPy type wanted; by default what an array has, and float32 for Python floats.
    """

    def __init__(self, data, dtype=None):
        if isinstance(data, Tensor):
            data = data.data
        array = np.array(data, dtype=dtype)
        if dtype is None and array.dtype == np.float64 and not isinstance(data, np.ndarray):
            array = array.astype(np.float32)
        self._data = array

    @property
    def data(self):
        """The NumPy array inside."""
        return self._data

    @property
    def shape(self):
        """The length of each axis."""
        return self._data.shape

    @property
    def size(self):
        """How many numbers there are."""
        return self._data.size

    @property
    def dtype(self):
        """The NumPy type of the numbers."""
        return self._data.dtype

    def __repr__(self):
        return f"Tensor({self._data.tolist()}, shape={self.shape}, dtype={self.dtype})"

    def add(self, other):
        """Elementwise sum with a tensor of a shape that fits."""
        return Tensor(self._data + other._data)

    def multiply(self, other):
        """Elementwise product with a tensor of a shape that fits."""
        return Tensor(self._data * other._data)

    def matmul(self, other):
        """Matrix product of two matrices.

        Raises:
            ValueError: the inner sizes differ.
        """
        if self._data.ndim != 2 or other._data.ndim != 2:
            raise ValueError(f"matmul needs two matrices, got shapes {self.shape} and {other.shape}")
        if self.shape[1] != other.shape[0]:
            raise ValueError(f"inner sizes differ: {self.shape} and {other.shape}")
        return Tensor(self._data @ other._data)

    def mean(self):
        """The mean of all numbers."""
        return Tensor(np.mean(self._data))

    def __add__(self, other):
        return self.add(self._wrap(other))

    def __mul__(self, other):
        return self.multiply(self._wrap(other))

    def __sub__(self, other):
        return Tensor(self._data - self._wrap(other)._data)

    def __truediv__(self, other):
        return Tensor(self._data / self._wrap(other)._data)

    def _wrap(self, other):
        """Numbers take part in arithmetic as tensors of the same type."""
        return other if isinstance(other, Tensor) else Tensor(np.array(other, dtype=self.dtype))
