"""What a student may add in ``submission.py``: build_model, train and predict, and weights beside them."""

import textwrap

import numpy as np
import pytest

from milestones import registry
from milestones.catalog import samples
from milestones.contract import Status
from milestones.evaluate import evaluate

FULL = registry.get(1).folder / "samples" / "full_autograd"
COUNTS = {"test_images": 2_000}

MODEL = """
    import numpy as np
    from tinytorch.core.tensor import Tensor
    from tinytorch.core.layers import Linear, Sequential
    from tinytorch.core.activations import ReLU
    from tinytorch.core.losses import CrossEntropyLoss
    from tinytorch.core.optimizers import SGD

    def build_model():
        return Sequential(Linear(784, 48), ReLU(), Linear(48, 10))
"""

TRAIN = """
    def train(model, images, labels, budget):
        optimizer, loss = SGD(model.parameters(), lr=0.2), CrossEntropyLoss()
        for start in range(0, 40_000, 64):
            batch = slice(start, start + 64)
            value = loss(model(Tensor(images[batch])), Tensor(labels[batch]))
            optimizer.zero_grad()
            value.backward()
            optimizer.step()
"""


def package(tmp_path, submission):
    folder = samples.materialise(FULL, tmp_path / "package")
    (folder / "submission.py").write_text("\n".join(textwrap.dedent(part) for part in submission))
    return folder


def headline(result):
    return next(found for found in result.measurements if found.key == "mnist_accuracy")


def test_the_students_own_model_is_trained_by_the_standard_recipe(tmp_path):
    found = headline(evaluate(1, package(tmp_path, [MODEL]), seed=3, counts=COUNTS))
    assert found.value > 0.93
    assert "your CrossEntropyLoss and your SGD" in found.message


def test_the_students_own_training_is_used_where_there_is_one(tmp_path):
    result = evaluate(1, package(tmp_path, [MODEL, TRAIN]), seed=3, counts=COUNTS)
    assert headline(result).value > 0.88
    assert "your own train()" in headline(result).message


def test_own_training_that_remembers_true_labels_gains_nothing(tmp_path):
    """The labels it is given are renamed, so answers learnt elsewhere under the true names are wrong."""
    peeking = """
    def predict(model, images):
        return np.full(len(images), 3)
    """
    found = headline(evaluate(1, package(tmp_path, [MODEL, TRAIN, peeking]), seed=3, counts=COUNTS))
    assert found.value < 0.2


def test_predict_may_answer_labels(tmp_path):
    labels = """
    def predict(model, images):
        return np.argmax(model(Tensor(images)).data, axis=1)
    """
    assert headline(evaluate(1, package(tmp_path, [MODEL, labels]), seed=3, counts=COUNTS)).value > 0.93


def test_a_training_that_raises_is_a_result_with_its_line(tmp_path):
    broken = """
    def train(model, images, labels, budget):
        raise RuntimeError("no time for this")
    """
    result = evaluate(1, package(tmp_path, [MODEL, broken]), seed=3, counts=COUNTS)
    found = headline(result)
    assert (found.status, found.value, result.benchmark_met) == (Status.CRASHED, None, False)
    assert "RuntimeError: no time for this (at submission.py:" in found.message


@pytest.mark.parametrize("names", [("w0", "b0", "w1", "b1"), ("fc2_weight", "fc2_bias", "fc1_bias", "fc1_weight")])
def test_weights_alone_decide_the_sizes_of_a_dense_network(tmp_path, names):
    folder = samples.materialise(FULL, tmp_path / "package")
    random = np.random.default_rng(0)
    shapes = ((784, 32), (32,), (32, 10), (10,)) if names[0] == "w0" else ((10, 32), (10,), (32,), (32, 784))
    (folder / "weights").mkdir()
    arrays = {
        name: random.normal(size=shape).astype(np.float32) * 0.05 for name, shape in zip(names, shapes, strict=True)
    }
    np.savez(folder / "weights" / "mine.npz", **arrays)
    result = evaluate(1, folder, seed=3, counts=COUNTS)
    assert "supplied weights" in headline(result).message
    assert headline(result).value < 0.3
    found = next(each for each in result.measurements if each.key == "parameters_found")
    assert "25,450 parameters" in found.message


def test_pickled_weights_are_refused_inside_and_named(tmp_path):
    folder = samples.materialise(FULL, tmp_path / "package")
    (folder / "weights").mkdir()
    np.savez(folder / "weights" / "bad.npz", w=np.array([{"a": 1}], dtype=object))
    found = headline(evaluate(1, folder, seed=3, counts=COUNTS))
    assert found.value is None
    assert "weights/bad.npz can't be read" in found.message
