"""What the student's convolution is timed against. The grader runs it too, so that nobody can stretch it inside."""

import numpy as np


def convolve_by_loops(images, weight, bias):
    """(N, C, H, W) by (O, C, K, L) plus (O,): one multiplication and one addition at a time, as the course first writes it."""
    count, channels, height, width = images.shape
    outputs, _, kernel_height, kernel_width = weight.shape
    rows, columns = height - kernel_height + 1, width - kernel_width + 1
    result = np.zeros((count, outputs, rows, columns), dtype=np.float32)
    for n in range(count):
        for o in range(outputs):
            for r in range(rows):
                for s in range(columns):
                    total = 0.0
                    for c in range(channels):
                        for k in range(kernel_height):
                            for m in range(kernel_width):
                                total += images[n, c, r + k, s + m] * weight[o, c, k, m]
                    result[n, o, r, s] = total + bias[o]
    return result
