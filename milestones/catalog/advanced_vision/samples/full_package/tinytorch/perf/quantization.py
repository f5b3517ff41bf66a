"""Eight bits instead of thirty-two for every weight."""

import numpy as np

from tinytorch.core.tensor import Tensor

LEVELS = 255


def quantize_int8(tensor):
    """(numbers from -128 to 127, scale, zero point) of a tensor: value = (number - zero point) * scale."""
    low, high = float(tensor.data.min()), float(tensor.data.max())
    scale = (high - low) / LEVELS or 1.0
    zero_point = int(np.clip(np.rint(-128 - low / scale), -128, 127))
    numbers = np.clip(np.rint(tensor.data / scale + zero_point), -128, 127).astype(np.int8)
    return numbers, scale, zero_point


def dequantize_int8(numbers, scale, zero_point):
    """The tensor again, each value off by half a step of the scale at most."""
    return Tensor((numbers.astype(np.float32) - zero_point) * np.float32(scale))
