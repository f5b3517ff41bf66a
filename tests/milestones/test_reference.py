"""The trusted mathematics itself: against sums written out as loops, and against central differences."""

import itertools

import numpy as np
import pytest

from milestones import reference

RANDOM = np.random.default_rng(8)
GRID = list(itertools.product((1, 3), (1, 2), (1, 2, 3), (1, 2, 3), (0, 1, 2)))


def by_loops(images, weight, bias, stride, padding):
    """A convolution as its definition says it, one product at a time."""
    count, inputs, height, width = images.shape
    outputs, _, kernel, _ = weight.shape
    rows, columns = ((side + 2 * padding - kernel) // stride + 1 for side in (height, width))
    result = np.zeros((count, outputs, rows, columns))
    for n, o, r, s in np.ndindex(*result.shape):
        result[n, o, r, s] = bias[o]
        for c, i, j in np.ndindex(inputs, kernel, kernel):
            row, column = r * stride + i - padding, s * stride + j - padding
            if 0 <= row < height and 0 <= column < width:
                result[n, o, r, s] += images[n, c, row, column] * weight[o, c, i, j]
    return result


def slopes(function, array, upstream, *, step=1e-6):
    """Central differences of sum(function() * upstream) by every number of ``array``."""
    found = np.zeros(array.shape)
    for index in np.ndindex(*array.shape):
        kept, ends = array[index], []
        for change in (step, -step):
            array[index] = kept + change
            ends.append(float((function() * upstream).sum()))
        array[index] = kept
        found[index] = (ends[0] - ends[1]) / (2 * step)
    return found


@pytest.mark.parametrize(("inputs", "outputs", "kernel", "stride", "padding"), GRID)
def test_a_convolution_is_its_definition_and_its_gradient_the_slope(inputs, outputs, kernel, stride, padding):
    images, weight = RANDOM.normal(size=(2, inputs, 5, 4)), RANDOM.normal(size=(outputs, inputs, kernel, kernel))
    bias = RANDOM.normal(size=outputs)
    spacing = {"stride": stride, "padding": padding}
    answer = reference.convolution(images, weight, bias, **spacing)
    np.testing.assert_allclose(answer, by_loops(images, weight, bias, stride, padding), rtol=1e-12, atol=1e-12)

    upstream = RANDOM.normal(size=answer.shape)
    gradients = reference.convolution_gradients(images, weight, upstream, **spacing)
    for array, gradient in zip((images, weight, bias), gradients, strict=True):
        again = lambda: reference.convolution(images, weight, bias, **spacing)  # noqa: E731
        np.testing.assert_allclose(gradient, slopes(again, array, upstream), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(("size", "stride"), [(2, 2), (3, 3), (3, 2), (2, 1)])
def test_pooling_goes_backward_as_its_slope(size, stride):
    images = RANDOM.permutation(2 * 2 * 7 * 6).reshape(2, 2, 7, 6) / 7.0
    for pool, gradient in (
        (reference.max_pool, reference.max_pool_gradient),
        (reference.average_pool, reference.average_pool_gradient),
    ):
        upstream = RANDOM.normal(size=pool(images, size, stride=stride).shape)
        found = gradient(images, upstream, size, stride=stride)
        expected = slopes(lambda pool=pool: pool(images, size, stride=stride), images, upstream)
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-7)
