"""Layers for images: convolution, pooling, and the way from pictures to rows.

Images have the shape (batch, channels, height, width). A window of the kernel's size moves over each of them in steps of
``stride``; where it stops is one pixel of the result.
"""

import numpy as np

from tinytorch.core.autograd import Operation
from tinytorch.core.layers import Layer
from tinytorch.core.tensor import Tensor, apply


def pair(size):
    """(height, width) of a size that is given as one number or as two."""
    height, width = (size, size) if np.isscalar(size) else size
    return int(height), int(width)


def padded(images, padding, value=0.0):
    """The images with ``padding`` pixels of ``value`` on all four sides."""
    if not padding:
        return images
    return np.pad(images, ((0, 0), (0, 0), (padding, padding), (padding, padding)), constant_values=value)


def unpadded(images, padding):
    """The images without the ``padding`` pixels on all four sides."""
    return images[:, :, padding:-padding, padding:-padding] if padding else images


def stops(size, window, stride):
    """(rows, columns) at which a window stops on an image of (height, width) ``size``."""
    if size[0] < window[0] or size[1] < window[1]:
        raise ValueError(f"a window of {window} does not fit into an image of {size}")
    return (size[0] - window[0]) // stride + 1, (size[1] - window[1]) // stride + 1


def pixels_of_windows(images, window, stride):
    """For each pixel of the window, in reading order: that pixel of every window, (batch, channels, rows, columns).

    These are views into ``images``, so a gradient can be added to them.
    """
    rows, columns = stops(images.shape[2:], window, stride)
    for i, j in np.ndindex(*window):
        yield images[:, :, i : i + stride * rows : stride, j : j + stride * columns : stride]


class ConvolveOperation(Operation):
    """Every output channel is a weighted sum over the window in all input channels.

    The windows are laid out as the rows of a matrix (im2col), so that one matrix product does the work of seven loops.
    """

    def __init__(self, images, weight, bias, stride, padding):
        super().__init__(*((images, weight) if bias is None else (images, weight, bias)))
        self.stride = stride
        self.padding = padding

    def forward(self, images, weight, bias=None):
        """(N, C, H, W) with (O, C, kH, kW) and (O,) gives (N, O, rows, columns)."""
        count, channels = images.shape[:2]
        outputs, inputs, *window = weight.shape
        if channels != inputs:
            raise ValueError(f"the images have {channels} channels, this layer takes {inputs}")
        images = padded(images, self.padding)
        self.padded_shape = images.shape
        rows, columns = stops(images.shape[2:], window, self.stride)
        pixels = list(pixels_of_windows(images, window, self.stride))
        # (N, rows, columns, C, kH * kW): one row of the matrix for each place where the window stops.
        self.patches = np.stack(pixels, axis=-1).transpose(0, 2, 3, 1, 4).reshape(count * rows * columns, -1)
        result = self.patches @ weight.reshape(outputs, -1).T
        if bias is not None:
            result = result + bias
        return result.reshape(count, rows, columns, outputs).transpose(0, 3, 1, 2)

    def backward(self, grad):
        """The way back through the matrix product; windows that overlap add up in the images."""
        weight = self.inputs[1].data
        count, outputs, rows, columns = grad.shape
        grad_rows = grad.transpose(0, 2, 3, 1).reshape(-1, outputs)
        grad_weight = (grad_rows.T @ self.patches).reshape(weight.shape)
        # Images themselves never ask for a gradient, so the first layer of a network is spared this.
        grad_images = self.grad_of_images(grad_rows, weight, (count, rows, columns)) if self.needs(0) else None
        return grad_images, grad_weight, grad_rows.sum(axis=0)

    def grad_of_images(self, grad_rows, weight, places):
        """The gradient of the patches, put back to where their pixels came from."""
        outputs, inputs, *window = weight.shape
        patches = (grad_rows @ weight.reshape(outputs, -1)).reshape(*places, inputs, -1).transpose(0, 3, 1, 2, 4)
        images = np.zeros(self.padded_shape, dtype=patches.dtype)
        for position, pixels in enumerate(pixels_of_windows(images, window, self.stride)):
            pixels += patches[..., position]
        return unpadded(images, self.padding)


class MaxPoolOperation(Operation):
    """The largest pixel of every window."""

    def __init__(self, images, window, stride, padding):
        super().__init__(images)
        self.window = window
        self.stride = stride
        self.padding = padding

    def forward(self, images):
        """(N, C, H, W) gives (N, C, rows, columns)."""
        images = padded(images, self.padding, -np.inf)
        self.padded_shape = images.shape
        pixels = np.stack(list(pixels_of_windows(images, self.window, self.stride)))
        self.winner = pixels.argmax(axis=0)
        return pixels.max(axis=0)

    def backward(self, grad):
        """The gradient goes to the pixel that was the largest, the first of them where several are."""
        images = np.zeros(self.padded_shape, dtype=grad.dtype)
        for position, pixels in enumerate(pixels_of_windows(images, self.window, self.stride)):
            pixels += grad * (self.winner == position)
        return (unpadded(images, self.padding),)


class AvgPoolOperation(Operation):
    """The mean of every window."""

    def __init__(self, images, window, stride, padding):
        super().__init__(images)
        self.window = window
        self.stride = stride
        self.padding = padding

    def forward(self, images):
        """(N, C, H, W) gives (N, C, rows, columns)."""
        images = padded(images, self.padding)
        self.padded_shape = images.shape
        return sum(pixels_of_windows(images, self.window, self.stride)) / np.prod(self.window)

    def backward(self, grad):
        """Every pixel of a window gets the same share."""
        images = np.zeros(self.padded_shape, dtype=grad.dtype)
        for pixels in pixels_of_windows(images, self.window, self.stride):
            pixels += grad / np.prod(self.window)
        return (unpadded(images, self.padding),)


class Conv2d(Layer):
    """A convolution: the same small weights at every place of the image.

    Args:
        in_channels: channels of the images that go in.
        out_channels: channels that come out, one for each filter.
        kernel_size: height and width of the window, as one number or a pair.
        stride: how far the window moves.
        padding: rows and columns of zeros around the image.
        bias: whether to add a bias to each output channel.

    Attributes:
        weight: (out_channels, in_channels, kernel height, kernel width), from a normal distribution with variance 2 divided by
            the number of pixels in a window (He et al., 2015).
        bias: (out_channels,) of zeros, or None.
    """

    def __init__(self, in_channels, out_channels, kernel_size, stride=1, padding=0, bias=True):
        self.kernel_size = pair(kernel_size)
        self.stride = stride
        self.padding = padding
        shape = (out_channels, in_channels, *self.kernel_size)
        scale = np.sqrt(2.0 / np.prod(shape[1:]))
        self.weight = Tensor((np.random.randn(*shape) * scale).astype(np.float32), requires_grad=True)
        self.bias = Tensor(np.zeros(out_channels, dtype=np.float32), requires_grad=True) if bias else None

    def forward(self, x):
        """x is (batch, in_channels, height, width); the result is (batch, out_channels, rows, columns)."""
        return apply(ConvolveOperation(x, self.weight, self.bias, self.stride, self.padding))

    def parameters(self):
        """The weight, and the bias if there is one."""
        return [self.weight] if self.bias is None else [self.weight, self.bias]

    def __repr__(self):
        outputs, inputs = self.weight.shape[:2]
        return f"Conv2d({inputs}, {outputs}, {self.kernel_size}, stride={self.stride}, padding={self.padding})"


class Pool(Layer):
    """What both kinds of pooling share.

    Args:
        kernel_size: height and width of the window, as one number or a pair.
        stride: how far the window moves; by default its own height, so that windows do not overlap.
        padding: rows and columns around the image.
    """

    def __init__(self, kernel_size, stride=None, padding=0):
        self.kernel_size = pair(kernel_size)
        self.stride = self.kernel_size[0] if stride is None else stride
        self.padding = padding

    def __repr__(self):
        return f"{type(self).__name__}({self.kernel_size}, stride={self.stride}, padding={self.padding})"


class MaxPool2d(Pool):
    """The largest pixel of every window: what was found there, and not exactly where."""

    def forward(self, x):
        """x is (batch, channels, height, width); the result is (batch, channels, rows, columns)."""
        return apply(MaxPoolOperation(x, self.kernel_size, self.stride, self.padding))


class AvgPool2d(Pool):
    """The mean of every window."""

    def forward(self, x):
        """x is (batch, channels, height, width); the result is (batch, channels, rows, columns)."""
        return apply(AvgPoolOperation(x, self.kernel_size, self.stride, self.padding))


class Flatten(Layer):
    """Pictures become rows of numbers, one for each item of the batch."""

    def forward(self, x):
        """x is (batch, ...); the result is (batch, numbers per item)."""
        return x.reshape(len(x), -1)

    def __repr__(self):
        return "Flatten()"
