"""Reverse-mode automatic differentiation.

Every operation on tensors is an ``Operation``: it computes its result from NumPy arrays and knows how a gradient of the
result becomes gradients of its inputs. A tensor made by an operation keeps it as ``creator``; ``run_backward`` walks
those links from the loss to the parameters.
"""

import numpy as np


class Operation:
    """One step of a computation, with its way back.

    Subclasses implement ``forward(*arrays)``, which returns an array, and ``backward(grad)``, which returns one
    gradient (or None) for each input.
    """

    def __init__(self, *inputs):
        self.inputs = inputs

    def forward(self, *arrays):
        """Compute the result of this operation from plain arrays."""
        raise NotImplementedError

    def backward(self, grad):
        """Turn the gradient of the result into the gradients of the inputs."""
        raise NotImplementedError

    def needs(self, index):
        """Whether anybody wants the gradient of input ``index``."""
        return self.inputs[index].requires_grad


def unbroadcast(grad, shape):
    """Sum a gradient over the axes along which NumPy stretched its input.

    A bias of shape (10,) that was added to a batch of shape (64, 10) took part in 64 sums, so its gradient is the sum
    of 64 rows.
    """
    extra = grad.ndim - len(shape)
    if extra > 0:
        grad = grad.sum(axis=tuple(range(extra)))
    stretched = tuple(axis for axis, size in enumerate(shape) if size == 1 and grad.shape[axis] != 1)
    if stretched:
        grad = grad.sum(axis=stretched, keepdims=True)
    return grad


class Add(Operation):
    """Elementwise a + b."""

    def forward(self, a, b):
        """The sum, stretched like NumPy stretches it."""
        return a + b

    def backward(self, grad):
        """Both inputs get the gradient as it is."""
        a, b = self.inputs
        return unbroadcast(grad, a.shape), unbroadcast(grad, b.shape)


class Subtract(Operation):
    """Elementwise a - b."""

    def forward(self, a, b):
        """The difference."""
        return a - b

    def backward(self, grad):
        """The second input gets the gradient with its sign turned."""
        a, b = self.inputs
        return unbroadcast(grad, a.shape), unbroadcast(-grad, b.shape)


class Multiply(Operation):
    """Elementwise a * b."""

    def forward(self, a, b):
        """The product."""
        return a * b

    def backward(self, grad):
        """Each input gets the gradient times the other input."""
        a, b = self.inputs
        return unbroadcast(grad * b.data, a.shape), unbroadcast(grad * a.data, b.shape)


class Divide(Operation):
    """Elementwise a / b."""

    def forward(self, a, b):
        """The quotient."""
        return a / b

    def backward(self, grad):
        """1 / b for the first input, -a / b**2 for the second."""
        a, b = self.inputs
        return unbroadcast(grad / b.data, a.shape), unbroadcast(-grad * a.data / b.data**2, b.shape)


class MatMul(Operation):
    """Matrix product of a (..., n, k) and b (..., k, m)."""

    def forward(self, a, b):
        """The matrix product."""
        return a @ b

    def backward(self, grad):
        """grad @ b.T for the first input, a.T @ grad for the second."""
        a, b = self.inputs
        # Images never ask for a gradient, and this product is the most expensive one of a training step.
        grad_a = unbroadcast(grad @ np.swapaxes(b.data, -1, -2), a.shape) if self.needs(0) else None
        grad_b = unbroadcast(np.swapaxes(a.data, -1, -2) @ grad, b.shape) if self.needs(1) else None
        return grad_a, grad_b


class Sum(Operation):
    """Sum over all elements, one axis, or several."""

    def __init__(self, tensor, axis=None, keepdims=False):
        super().__init__(tensor)
        self.axis = axis
        self.keepdims = keepdims

    def forward(self, a):
        """The sum, as an array even when it is one number."""
        return np.asarray(a.sum(axis=self.axis, keepdims=self.keepdims))

    def backward(self, grad):
        """Every summand gets the gradient of its sum."""
        shape = self.inputs[0].shape
        if self.axis is not None and not self.keepdims:
            grad = np.expand_dims(grad, self.axis)
        return (np.broadcast_to(grad, shape).copy(),)


class Reshape(Operation):
    """The same elements in another shape."""

    def __init__(self, tensor, shape):
        super().__init__(tensor)
        self.shape = shape

    def forward(self, a):
        """The elements in the new shape."""
        return a.reshape(self.shape)

    def backward(self, grad):
        """The gradient in the old shape."""
        return (grad.reshape(self.inputs[0].shape),)


class Transpose(Operation):
    """Axes in another order; reversed when no order is given."""

    def __init__(self, tensor, axes=None):
        super().__init__(tensor)
        self.axes = axes

    def forward(self, a):
        """The axes in the new order."""
        return a.transpose(self.axes)

    def backward(self, grad):
        """The gradient with its axes in the old order."""
        order = None if self.axes is None else np.argsort(self.axes)
        return (grad.transpose(order),)


def topological_order(tensor):
    """Tensors from the inputs to ``tensor``, each after everything it was made from.

    Iterative, because a deep network would exhaust the recursion limit.
    """
    order, visited, stack = [], set(), [(tensor, False)]
    while stack:
        node, inputs_done = stack.pop()
        if inputs_done:
            order.append(node)
        elif id(node) not in visited:
            visited.add(id(node))
            stack.append((node, True))
            if node.creator is not None:
                stack.extend((parent, False) for parent in node.creator.inputs if parent.requires_grad)
    return order


def run_backward(tensor, grad):
    """Send ``grad``, the gradient of some loss by ``tensor``, back to every tensor that wants one.

    Gradients of leaves (parameters and inputs) add up in ``.grad`` until they are cleared.
    """
    grads = {id(tensor): grad}
    for node in reversed(topological_order(tensor)):
        grad = grads.pop(id(node))
        if node.creator is None:
            node.grad = grad.copy() if node.grad is None else node.grad + grad
            continue
        for parent, parent_grad in zip(node.creator.inputs, node.creator.backward(grad)):
            if parent.requires_grad and parent_grad is not None:
                known = grads.get(id(parent))
                grads[id(parent)] = parent_grad if known is None else known + parent_grad


def enable_autograd():
    """Tensors differentiate themselves from the start, so there is nothing to switch on.

    Kept because the course's own programs call it.
    """
