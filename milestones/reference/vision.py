"""Convolution and pooling of images.

Shapes: N images, C channels in, O channels out, H × W pixels, K × L pixels in a window, R × S places where it stops.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Array = NDArray[np.float64]


def windows(images: Array, window: tuple[int, int], stride: int) -> Array:
    """(N, C, H, W) -> every place of a window and what it shows there, (N, C, R, S, K, L); a view."""
    return sliding_window_view(images, window, axis=(2, 3))[:, :, ::stride, ::stride]


def pad(images: Array, padding: int) -> Array:
    """The images with zeros around them."""
    return np.pad(images, ((0, 0), (0, 0), (padding, padding), (padding, padding)))


def convolution(images: Array, weight: Array, bias: Array | None = None, *, stride: int = 1, padding: int = 0) -> Array:
    """Cross-correlation, as all frameworks say convolution: (N, C, H, W) by (O, C, K, L) plus (O,) -> (N, O, R, S)."""
    seen = windows(pad(images, padding), weight.shape[2:], stride)
    product = np.einsum("ncrskl,ockl->nors", seen, weight, optimize=True)
    return product if bias is None else product + bias[:, None, None]


def convolution_gradients(
    images: Array, weight: Array, upstream: Array, *, stride: int = 1, padding: int = 0
) -> tuple[Array, Array, Array]:
    """Gradients of sum(convolution(...) * upstream) by images (N, C, H, W), weight (O, C, K, L) and bias (O,)."""
    around = pad(images, padding)
    seen = windows(around, weight.shape[2:], stride)
    by_weight = np.einsum("ncrskl,nors->ockl", seen, upstream, optimize=True)
    by_windows = np.einsum("nors,ockl->ncrskl", upstream, weight, optimize=True)
    by_images = put_back(by_windows, around.shape, stride)
    height, width = images.shape[2:]
    inner = by_images[:, :, padding : padding + height, padding : padding + width]
    return inner, by_weight, upstream.sum(axis=(0, 2, 3))


def put_back(parts: Array, shape: tuple[int, ...], stride: int) -> Array:
    """The sum over all places of what belongs to each window's pixels, (N, C, R, S, K, L) -> (N, C, H, W)."""
    images = np.zeros(shape)
    rows, columns = parts.shape[2:4]
    for i, j in np.ndindex(*parts.shape[4:]):
        images[:, :, i : i + stride * rows : stride, j : j + stride * columns : stride] += parts[..., i, j]
    return images


def max_pool(images: Array, size: int, *, stride: int | None = None) -> Array:
    """The largest number in each window, (N, C, H, W) -> (N, C, R, S)."""
    return windows(images, (size, size), stride or size).max(axis=(4, 5))


def max_pool_gradient(images: Array, upstream: Array, size: int, *, stride: int | None = None) -> Array:
    """Gradient of sum(max_pool(...) * upstream) by the images; undefined where a window has its maximum twice."""
    stride = stride or size
    seen = windows(images, (size, size), stride)
    is_largest = seen == seen.max(axis=(4, 5), keepdims=True)
    return put_back(is_largest * upstream[..., None, None], images.shape, stride)


def average_pool(images: Array, size: int, *, stride: int | None = None) -> Array:
    """The mean of each window, (N, C, H, W) -> (N, C, R, S)."""
    return windows(images, (size, size), stride or size).mean(axis=(4, 5))


def average_pool_gradient(images: Array, upstream: Array, size: int, *, stride: int | None = None) -> Array:
    """Gradient of sum(average_pool(...) * upstream) by the images."""
    parts = np.broadcast_to(upstream[..., None, None] / size**2, (*upstream.shape, size, size))
    return put_back(parts, images.shape, stride or size)
