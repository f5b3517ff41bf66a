"""Convolutions, pooling and flattening as students write them, over the generations of the course: a correct one loses nothing,
whatever it looks like, and one that is not there yet reads what is missing."""

import pytest

from milestones import registry
from milestones.contract import Status
from tests.milestones.packages import Files, Seen, changed, everywhere, look_at, moved, sample

pytestmark = pytest.mark.sandbox

PACKAGE = moved(sample("full_package", milestone=2), "tinytorch/", "tinytorch/")
FORWARD_ONLY = moved(sample("forward_only"), "tinytorch/", "tinytorch/")
SPATIAL, TENSOR = "tinytorch/core/spatial.py", "tinytorch/core/tensor.py"
CHECKS = [check for group in registry.get(2).groups[:3] for check in group.checks]


def seen_of(files: Files, folder) -> Seen:
    """What the checks of convolution, spatial processing and memory say."""
    alone = {name: text for name, text in files.items() if name != "tinytorch/__init__.py"}
    return look_at(alone, folder, train=False, checks=CHECKS)


def cases(**named):
    """Parameters with their names as words."""
    return [pytest.param(value, id=name.replace("_", " ")) for name, value in named.items()]


PAIR_ONLY = (("    height, width = (size, size) if np.isscalar(size) else size\n", "    height, width = size\n"),)
ALL_PAIRS = (
    *PAIR_ONLY,
    (
        "self.stride = stride\n        self.padding = padding\n        shape",
        "self.stride, self.padding = stride[0], padding[0]\n        shape",
    ),
    ("kernel_size, stride=1, padding=0, bias=True", "kernel_size, stride=(1, 1), padding=(0, 0), bias=True"),
)
STORED = "apply(ConvolveOperation(x, self.weight, self.bias, self.stride, self.padding))"
MADE = "self.weight = Tensor((np.random.randn(*shape) * scale).astype(np.float32), requires_grad=True)"


def stored(there: str, back: str):
    """The weight kept in another form: how it is made, and how the layer uses it."""
    made = MADE.replace("(np.random.randn(*shape) * scale)", f"(np.random.randn(*shape) * scale){there}")
    return (
        (MADE, f"self.shape = shape\n        {made}"),
        (STORED, STORED.replace("self.weight", f"self.weight{back}")),
        ("        outputs, inputs = self.weight.shape[:2]\n", "        outputs, inputs = self.shape[:2]\n"),
    )


NO_FLATTEN = (("class Flatten(Layer):", "class Unneeded(Layer):"),)
FLATTEN_FUNCTION = (
    *NO_FLATTEN,
    ("class Pool(Layer):", "def flatten(x, start_dim=1):\n    return x.reshape(len(x), -1)\n\n\nclass Pool(Layer):"),
)


@pytest.mark.parametrize(
    "changes",
    cases(
        as_it_is=(),
        called_conv2D=(("class Conv2d(", "class Conv2D("), ("class MaxPool2d(", "class MaxPool2D(")),
        called_multi_channel=(("class Conv2d(", "class MultiChannelConv2D("),),
        pool_size=(
            ("(self, kernel_size, stride=None", "(self, pool_size, stride=None"),
            (
                "        self.kernel_size = pair(kernel_size)\n        self.stride = self",
                "        self.kernel_size = pair(pool_size)\n        self.stride = self",
            ),
        ),
        sizes_of_windows_only_as_pairs=PAIR_ONLY,
        all_sizes_only_as_pairs=ALL_PAIRS,
        weight_stored_in_out=stored(".swapaxes(0, 1)", ".transpose(1, 0, 2, 3)"),
        weight_stored_with_the_kernel_first=stored(".transpose(2, 3, 1, 0)", ".transpose(3, 2, 0, 1)"),
        weight_stored_as_rows=stored(".reshape(len(self.shape) and shape[0], -1)", ".reshape(*self.shape)"),
        weight_stored_as_columns=stored(".reshape(shape[0], -1).T", ".transpose(1, 0).reshape(*self.shape)"),
        weight_called_filters=(("self.weight", "self.filters"),),
        bias_of_three_axes=(
            ("np.zeros(out_channels, dtype", "np.zeros((out_channels, 1, 1), dtype"),
            ("self.weight, self.bias, self.stride", "self.weight, self.bias and self.bias.reshape(-1), self.stride"),
        ),
        strides_and_pad=(
            ("kernel_size, stride=1, padding=0, bias=True", "kernel_size, strides=1, pad=0, use_bias=True"),
            (
                "        self.stride = stride\n        self.padding = padding\n        shape",
                "        self.stride, self.padding, bias = strides, pad, use_bias\n        shape",
            ),
        ),
        requires_grad_never_set=((", requires_grad=True)", ")"),),
        no_flatten=NO_FLATTEN,
        flatten_as_a_function=FLATTEN_FUNCTION,
    ),
)
def test_a_correct_convolution_is_whole_whatever_it_is_called_and_keeps(changes, tmp_path):
    assert seen_of(changed(PACKAGE, SPATIAL, *changes), tmp_path).wrong == {}


def test_layers_that_are_not_callable_and_keep_gradients_as_tensors_are_whole(tmp_path):
    files = changed(
        PACKAGE,
        "tinytorch/core/layers.py",
        ("    def __call__(self, x):\n        return self.forward(x)\n", ""),
        ("x = layer(x)", "x = layer.forward(x)"),
    )
    files = changed(
        files,
        "tinytorch/core/autograd.py",
        (
            "node.grad = grad.copy() if node.grad is None else node.grad + grad",
            "node.grad = type(node)(grad.copy() if node.grad is None else node.grad.data + grad)",
        ),
    )
    assert seen_of(files, tmp_path).wrong == {}


def test_a_package_of_single_precision_in_the_manner_of_pytorch_is_whole(tmp_path):
    files = changed(PACKAGE, TENSOR, ("self.data = np.asarray(data)", "self.data = np.asarray(data, dtype=np.float32)"))
    files = {name: text for name, text in files.items() if name != SPATIAL} | {"tinytorch/nn/conv.py": files[SPATIAL]}
    assert seen_of(everywhere(files, "tinytorch.core.spatial", "tinytorch.nn.conv"), tmp_path).wrong == {}


# -- what is not there yet ---------------------------------------------------------------------------------------------


def test_a_convolution_without_stride_and_padding_loses_these_alone(tmp_path):
    changes = (
        ("kernel_size, stride=1, padding=0, bias=True", "kernel_size, bias=True"),
        (
            "        self.stride = stride\n        self.padding = padding\n        shape",
            "        self.stride, self.padding = 1, 0\n        shape",
        ),
    )
    seen = seen_of(changed(PACKAGE, SPATIAL, *changes), tmp_path)
    assert set(seen.wrong) == {"convolution_stride", "convolution_padding", "convolution_gradient_spaced"}
    assert seen.wrong["convolution_stride"] == "Conv2d takes no stride"
    assert seen.status("convolution_padding") is Status.MISSING


def test_what_is_missing_is_said_with_what_was_looked_for(tmp_path):
    changes = (("class Conv2d(", "class Later("), ("class MaxPool2d(", "class LaterStill("))
    seen = seen_of(changed(PACKAGE, SPATIAL, *changes), tmp_path)
    assert seen.wrong["convolution_forward"] == "No class named Conv2d or Conv2D was found in the package"
    assert seen.wrong["max_pool_forward"] == "No class named MaxPool2d or MaxPool2D was found in the package"
    assert seen.status("convolution_gradient") is Status.MISSING
    assert seen.status("flatten_keeps_batch") is Status.PASSED


def test_stubs_are_not_implemented_yet(tmp_path):
    changes = (
        (f"return {STORED}", "pass"),
        ("return apply(MaxPoolOperation", "raise NotImplementedError\n        return apply(MaxPoolOperation"),
    )
    seen = seen_of(changed(PACKAGE, SPATIAL, *changes), tmp_path)
    keys = (
        "convolution_forward",
        "convolution_gradient",
        "convolution_stride",
        "max_pool_forward",
        "max_pool_gradient",
    )
    assert {key: seen.status(key) for key in keys} == dict.fromkeys(keys, Status.NOT_IMPLEMENTED)


FIRST_EDITION = """
import numpy as np

from tinytorch.core.tensor import Tensor


class Conv2D:
    def __init__(self, kernel_size):
        self.kernel = np.random.randn(*kernel_size).astype(np.float32) * 0.1

    def plane(self, image):
        rows, columns = image.shape[0] - self.kernel.shape[0] + 1, image.shape[1] - self.kernel.shape[1] + 1
        result = np.zeros((rows, columns), dtype=image.dtype)
        for i in range(rows):
            for j in range(columns):
                result[i, j] = (image[i : i + len(self.kernel), j : j + self.kernel.shape[1]] * self.kernel).sum()
        return result

    def forward(self, x):
        BODY

    __call__ = forward


def flatten(x):
    return type(x)(x.data.flatten()[None, :])
"""
BATCHED = "return Tensor(np.stack([self.plane(image) for image in x.data]) if x.data.ndim == 3 else self.plane(x.data))"


@pytest.mark.parametrize("body", cases(batches=BATCHED, single_planes_only="return Tensor(self.plane(x.data))"))
def test_a_first_editions_convolution_gets_what_one_channel_forward_can_show(body, tmp_path):
    files = {**FORWARD_ONLY, SPATIAL: FIRST_EDITION.replace("BODY", body)}
    seen = seen_of(files, tmp_path)
    assert seen.measurements["convolution_forward"].evidence["right"] == 2
    assert "has no bias" in seen.wrong["convolution_forward"]
    assert "one channel and one filter" in seen.wrong["convolution_channels"]
    assert seen.wrong["convolution_gradient"].startswith("Forward only")
    assert seen.status("convolution_parameters") is Status.PASSED
    assert seen.measurements["flatten_keeps_batch"].evidence["joined"] is True


HOSTILE = {
    "a scalar": "return Tensor(np.float64(1))",
    "a huge answer": "return Tensor(np.zeros((2, 3, 400, 400)))",
    "NaN": "return Tensor(np.full((2, 4, 5, 4), np.nan))",
    "five axes": "return Tensor(np.zeros((1, 1, 1, 1, 1)))",
    "a text": "return 'convolved'",
    "an empty answer": "return Tensor(np.zeros((0, 0)))",
    "an exception": "raise ValueError('no')",
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE.keys())
def test_no_answer_of_a_convolution_pool_or_flatten_makes_the_grader_raise_or_passes(body, tmp_path):
    changes = (
        (f"return {STORED}", body),
        ("return apply(MaxPoolOperation(x, self.kernel_size, self.stride, self.padding))", body),
        ("return x.reshape(len(x), -1)", body),
    )
    seen = seen_of(changed(PACKAGE, SPATIAL, *changes), tmp_path)
    for key in (
        "convolution_forward",
        "convolution_gradient",
        "max_pool_forward",
        "max_pool_gradient",
        "flatten_keeps_batch",
    ):
        assert seen.measurements[key].value == 0, key
