"""The Tensor: a NumPy array that remembers how it was made."""

import numpy as np

from tinytorch.core import autograd


class Tensor:
    """An array of floating-point numbers with optional gradient tracking.

    Args:
        data: a number, a (nested) list, an array or another tensor. Floating-point arrays keep their precision,
            everything else becomes float32.
        requires_grad: whether ``backward`` shall leave a gradient in ``.grad``.

    Attributes:
        data: the NumPy array; may be assigned to.
        grad: None, or a NumPy array of the shape of ``data``.
    """

    def __init__(self, data, requires_grad=False):
        if isinstance(data, Tensor):
            data = data.data
        if isinstance(data, (np.ndarray, np.floating)) and np.issubdtype(data.dtype, np.floating):
            self.data = np.asarray(data)
        else:
            self.data = np.asarray(data, dtype=np.float32)
        self.requires_grad = requires_grad
        self.grad = None
        self.creator = None

    @property
    def shape(self):
        """The length of each axis."""
        return self.data.shape

    @property
    def size(self):
        """How many numbers there are."""
        return self.data.size

    @property
    def dtype(self):
        """The NumPy type of the numbers."""
        return self.data.dtype

    def __repr__(self):
        tracking = ", requires_grad=True" if self.requires_grad else ""
        return f"Tensor({self.data}{tracking})"

    def __len__(self):
        return len(self.data)

    def numpy(self):
        """The data as a NumPy array."""
        return self.data

    # Arithmetic

    def __add__(self, other):
        return apply(autograd.Add(self, as_tensor(other, self)))

    def __sub__(self, other):
        return apply(autograd.Subtract(self, as_tensor(other, self)))

    def __mul__(self, other):
        return apply(autograd.Multiply(self, as_tensor(other, self)))

    def __truediv__(self, other):
        return apply(autograd.Divide(self, as_tensor(other, self)))

    def __matmul__(self, other):
        return apply(autograd.MatMul(self, as_tensor(other, self)))

    def __radd__(self, other):
        return as_tensor(other, self) + self

    def __rsub__(self, other):
        return as_tensor(other, self) - self

    def __rmul__(self, other):
        return as_tensor(other, self) * self

    def __rtruediv__(self, other):
        return as_tensor(other, self) / self

    def __neg__(self):
        return self * -1.0

    def matmul(self, other):
        """Matrix product, the same as ``self @ other``."""
        return self @ other

    # Shapes and sums

    def sum(self, axis=None, keepdims=False):
        """Sum over all elements or along ``axis``."""
        return apply(autograd.Sum(self, axis, keepdims))

    def mean(self, axis=None, keepdims=False):
        """Mean over all elements or along ``axis``."""
        total = self.sum(axis, keepdims)
        return total * (total.size / self.size)

    def reshape(self, *shape):
        """The same elements in another shape, given as numbers or as one tuple."""
        if len(shape) == 1 and isinstance(shape[0], (tuple, list)):
            shape = tuple(shape[0])
        return apply(autograd.Reshape(self, shape))

    def transpose(self, *axes):
        """Swap two axes, order all of them, or reverse them when none is named."""
        if len(axes) == 2 and self.data.ndim != 2:
            order = list(range(self.data.ndim))
            order[axes[0]], order[axes[1]] = order[axes[1]], order[axes[0]]
            axes = order
        return apply(autograd.Transpose(self, tuple(axes) or None))

    @property
    def T(self):
        """The tensor with its axes reversed."""
        return self.transpose()

    # Gradients

    def backward(self, gradient=None):
        """Compute the gradient of this tensor by everything it was made from.

        Args:
            gradient: the gradient of the loss by this tensor, of the same shape; one by default, which is right for
                the loss itself.
        """
        if not self.requires_grad:
            raise RuntimeError("backward() needs a tensor that was made from one with requires_grad=True")
        if gradient is None:
            if self.size != 1:
                raise RuntimeError(f"backward() without a gradient needs a single number, not shape {self.shape}")
            gradient = np.ones_like(self.data)
        gradient = np.asarray(gradient.data if isinstance(gradient, Tensor) else gradient, dtype=self.dtype)
        if gradient.shape != self.shape:
            raise ValueError(f"gradient has shape {gradient.shape}, the tensor has {self.shape}")
        autograd.run_backward(self, gradient)

    def zero_grad(self):
        """Forget the gradient."""
        self.grad = None


def as_tensor(value, like):
    """``value`` as a tensor; plain numbers and lists take the precision of ``like``."""
    if isinstance(value, Tensor):
        return value
    return Tensor(np.asarray(value, dtype=like.dtype))


def apply(operation):
    """Carry out an operation and link its result to it, if anybody will want gradients."""
    result = Tensor(operation.forward(*(tensor.data for tensor in operation.inputs)))
    if any(tensor.requires_grad for tensor in operation.inputs):
        result.requires_grad = True
        result.creator = operation
    return result
