"""Convolution with one channel and one filter."""

import numpy as np

from tinytorch.core.tensor import Tensor


def convolve_plane(plane, kernel):
    """Slide ``kernel`` over one plane (height, width), without padding."""
    kernel_height, kernel_width = kernel.shape
    rows, columns = plane.shape[0] - kernel_height + 1, plane.shape[1] - kernel_width + 1
    output = np.zeros((rows, columns), dtype=plane.dtype)
    for i in range(rows):
        for j in range(columns):
            for di in range(kernel_height):
                for dj in range(kernel_width):
                    output[i, j] += plane[i + di, j + dj] * kernel[di, dj]
    return output


class Conv2D:
    """A kernel that slides over planes.

    Args:
        kernel_size: (height, width) of the kernel.
    """

    def __init__(self, kernel_size):
        self.kernel_size = kernel_size
        self.kernel = np.random.randn(*kernel_size).astype(np.float32) * 0.1

    def forward(self, x):
        """One plane (height, width), or a batch of them (batch, height, width)."""
        planes = x.data
        if planes.ndim == 2:
            return Tensor(convolve_plane(planes, self.kernel))
        return Tensor(np.stack([convolve_plane(plane, self.kernel) for plane in planes]))

    def __call__(self, x):
        return self.forward(x)


def flatten(x):
    """All numbers in one row, ready for a dense layer."""
    return Tensor(x.data.flatten()[None, :])
