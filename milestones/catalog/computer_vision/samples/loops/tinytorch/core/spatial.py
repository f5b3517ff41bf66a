"""Layers for images, with every sum written out as loops.

Images have the shape (batch, channels, height, width). Slow on purpose: each line is one step of the mathematics.
"""

import numpy as np

from tinytorch.core.autograd import Operation
from tinytorch.core.layers import Layer
from tinytorch.core.tensor import Tensor, apply


def with_border(images, padding):
    """The images with zeros around them."""
    if padding == 0:
        return images
    return np.pad(images, ((0, 0), (0, 0), (padding, padding), (padding, padding)))


class ConvolveOperation(Operation):
    """The convolution and its way back: seven loops each."""

    def __init__(self, images, weight, bias, stride, padding):
        super().__init__(*((images, weight) if bias is None else (images, weight, bias)))
        self.stride = stride
        self.padding = padding

    def forward(self, images, weight, bias=None):
        """Every output pixel is the sum of a window times the filter, over all input channels."""
        self.border = with_border(images, self.padding)
        batch, in_channels, height, width = self.border.shape
        out_channels, _, kernel_height, kernel_width = weight.shape
        out_height = (height - kernel_height) // self.stride + 1
        out_width = (width - kernel_width) // self.stride + 1
        output = np.zeros((batch, out_channels, out_height, out_width), dtype=self.border.dtype)
        for b in range(batch):
            for o in range(out_channels):
                for i in range(out_height):
                    for j in range(out_width):
                        total = 0.0
                        for c in range(in_channels):
                            for di in range(kernel_height):
                                for dj in range(kernel_width):
                                    pixel = self.border[b, c, i * self.stride + di, j * self.stride + dj]
                                    total += pixel * weight[o, c, di, dj]
                        output[b, o, i, j] = total
        if bias is not None:
            for o in range(out_channels):
                output[:, o] += bias[o]
        return output

    def backward(self, grad):
        """Each product of the forward pass sends its gradient to its pixel and to its weight."""
        weight = self.inputs[1].data
        grad_border = np.zeros_like(self.border)
        grad_weight = np.zeros_like(weight)
        batch, out_channels, out_height, out_width = grad.shape
        _, in_channels, kernel_height, kernel_width = weight.shape
        for b in range(batch):
            for o in range(out_channels):
                for i in range(out_height):
                    for j in range(out_width):
                        upstream = grad[b, o, i, j]
                        for c in range(in_channels):
                            for di in range(kernel_height):
                                for dj in range(kernel_width):
                                    row, column = i * self.stride + di, j * self.stride + dj
                                    grad_weight[o, c, di, dj] += self.border[b, c, row, column] * upstream
                                    grad_border[b, c, row, column] += weight[o, c, di, dj] * upstream
        inside = slice(self.padding, -self.padding or None)
        return grad_border[:, :, inside, inside], grad_weight, grad.sum(axis=(0, 2, 3))


class MaxPoolOperation(Operation):
    """The largest pixel of every window."""

    def __init__(self, images, size, stride):
        super().__init__(images)
        self.size = size
        self.stride = stride

    def forward(self, images):
        """Look into every window and remember where its largest pixel is."""
        batch, channels, height, width = images.shape
        out_height = (height - self.size) // self.stride + 1
        out_width = (width - self.size) // self.stride + 1
        output = np.zeros((batch, channels, out_height, out_width), dtype=images.dtype)
        self.largest = {}
        for b in range(batch):
            for c in range(channels):
                for i in range(out_height):
                    for j in range(out_width):
                        top, left = i * self.stride, j * self.stride
                        window = images[b, c, top : top + self.size, left : left + self.size]
                        row, column = np.unravel_index(window.argmax(), window.shape)
                        self.largest[b, c, i, j] = (top + row, left + column)
                        output[b, c, i, j] = window[row, column]
        return output

    def backward(self, grad):
        """The gradient goes to the pixel that was the largest."""
        images = np.zeros(self.inputs[0].shape, dtype=grad.dtype)
        for (b, c, i, j), (row, column) in self.largest.items():
            images[b, c, row, column] += grad[b, c, i, j]
        return (images,)


class Conv2d(Layer):
    """A convolution: the same small weights at every place of the image.

    Args:
        in_channels: channels of the images that go in.
        out_channels: channels that come out, one for each filter.
        kernel_size: height and width of the window.
        stride: how far the window moves.
        padding: rows and columns of zeros around the image.
        bias: whether to add a bias to each output channel.
    """

    def __init__(self, in_channels, out_channels, kernel_size, stride=1, padding=0, bias=True):
        self.stride = stride
        self.padding = padding
        shape = (out_channels, in_channels, kernel_size, kernel_size)
        scale = np.sqrt(2.0 / (in_channels * kernel_size * kernel_size))
        self.weight = Tensor((np.random.randn(*shape) * scale).astype(np.float32), requires_grad=True)
        self.bias = Tensor(np.zeros(out_channels, dtype=np.float32), requires_grad=True) if bias else None

    def forward(self, x):
        """x is (batch, in_channels, height, width); the result is (batch, out_channels, rows, columns)."""
        return apply(ConvolveOperation(x, self.weight, self.bias, self.stride, self.padding))

    def parameters(self):
        """The weight, and the bias if there is one."""
        return [self.weight] if self.bias is None else [self.weight, self.bias]


class MaxPool2d(Layer):
    """The largest pixel of every window.

    Args:
        kernel_size: height and width of the window.
        stride: how far the window moves; by default as far as it is wide.
    """

    def __init__(self, kernel_size, stride=None):
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride

    def forward(self, x):
        """x is (batch, channels, height, width); the result is (batch, channels, rows, columns)."""
        return apply(MaxPoolOperation(x, self.kernel_size, self.stride))


class Flatten(Layer):
    """Pictures become rows of numbers, one for each item of the batch."""

    def forward(self, x):
        """x is (batch, ...); the result is (batch, numbers per item)."""
        return x.reshape(len(x), -1)
