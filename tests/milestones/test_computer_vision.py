"""Milestone 2: every sample gets the verdict that it states, and even seven loops are trained inside the budget."""

from dataclasses import replace

import pytest

from milestones import registry
from milestones.catalog import samples
from milestones.contract import Evaluation, Level, Measurement, Status
from milestones.evaluate import evaluate
from tests.milestones.packages import changed, sample, write
from tests.milestones.verdicts import SEED, assert_verdict, samples_of

pytestmark = pytest.mark.sandbox

SAMPLES = {found.name: found for found in samples_of(2)}
MISTAKES = [found for found in SAMPLES.values() if found.expected.groups]
#: A whole training of the loops in a third of the time that the recipe takes: sizes as a slow machine settles on them.
SMALL = {"joint_steps": 80, "feature_images": 10_000, "head_steps": 1_500, "test_images": 2_000}


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    """Whole evaluations by sample name, each carried out once for all tests of this file."""
    folder = tmp_path_factory.mktemp("samples")
    done: dict[str, Evaluation] = {}

    def of(name: str) -> Evaluation:
        if name not in done:
            found = assert_verdict(2, SAMPLES[name], folder)
            assert found is not None
            done[name] = found
        return done[name]

    return of


def measurement(evaluation: Evaluation, key: str) -> Measurement:
    return next(found for found in evaluation.measurements if found.key == key)


def points(evaluation: Evaluation) -> dict[str, float | None]:
    return {result.key: result.points for result in evaluation.criteria}


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.name)
def test_exactly_the_mistake_of_a_sample_is_named(mistake, tmp_path):
    assert_verdict(2, mistake, tmp_path)


def test_the_full_package_gets_everything_but_what_a_person_marks(evaluated):
    result = evaluated("full_package")
    assert (result.benchmark_met, result.level, result.diagnoses) == (True, Level.EXEMPLARY, ())
    assert points(result) == {
        "convolution_implementation": 35,
        "spatial_processing": 25,
        "mnist_excellence": 25,
        "memory_efficiency_measured": 10,
        "memory_efficiency_report": None,
    }
    found = measurement(result, "mnist_accuracy")
    assert found.value > 0.965
    assert (found.n, found.evidence["joint_steps"], found.evidence["feature_images"]) == (10_000, 200, 40_000)
    assert measurement(result, "convolution_parameters").evidence == {
        "parameters": 40,
        "expected": 40,
        "dense_weights": 112_896,
    }
    assert measurement(result, "network_memory").evidence["dense_network"] == 50_890


def test_people_see_the_curve_the_confusion_the_mistakes_the_parameters_and_where_gradients_err(evaluated):
    shown = {exhibit.key: exhibit for exhibit in evaluated("full_package").exhibits}
    assert {"learning_curve", "confusion", "mistakes", "parameters", "convolution_gradient_error"} <= shown.keys()
    ((_, curve),) = shown["learning_curve"].data["series"]
    assert [x for x, _ in curve] == sorted(x for x, _ in curve)
    assert curve[-1][1] < 0.3 < curve[0][1]


def test_the_same_seed_and_counts_give_the_same_points(evaluated, tmp_path):
    first = evaluated("full_package")
    path = samples.materialise(SAMPLES["full_package"].folder, tmp_path / "again")
    assert evaluate(2, path, seed=SEED, counts=first.counts).criteria == first.criteria


def test_a_convolution_in_seven_loops_reaches_the_mark(tmp_path):
    path = samples.materialise(SAMPLES["loops"].folder, tmp_path / "loops")
    result = evaluate(2, path, seed=SEED, counts=SMALL)
    assert result.benchmark_met is True
    assert [diagnosis.code for diagnosis in result.diagnoses] == ["convolution_in_loops"]
    assert measurement(result, "convolution_trained").passed
    assert points(result)["convolution_implementation"] == 35
    assert points(result)["spatial_processing"] == 25
    assert result.resources.cpu_seconds < 100


def test_an_accurate_network_whose_convolution_never_learnt_misses_the_benchmark(evaluated):
    result = evaluated("unlisted_kernel")
    assert measurement(result, "mnist_accuracy").value >= registry.get(2).rubric.benchmark.mark
    assert measurement(result, "convolution_gradient").passed
    assert measurement(result, "convolution_trained").evidence["moved"] == 0


def test_a_supplied_model_just_below_the_mark_is_told_so_and_its_convolution_acts(evaluated):
    found = measurement(evaluated("loops_just_below"), "mnist_accuracy")
    assert 0.93 < found.value < found.high < 0.95
    assert measurement(evaluated("loops_just_below"), "convolution_trained").passed


OWN_MODEL = """
from tinytorch import Conv2d, Flatten, Linear, MaxPool2d, ReLU, SGD, CrossEntropyLoss, Tensor


class Network:
    def __init__(self):
        self.convolution, self.relu, self.pool = Conv2d(1, 4, 5, stride=2), ReLU(), MaxPool2d(2)
        self.flatten, self.dense = Flatten(), Linear(144, 10)

    def __call__(self, x):
        return self.dense(self.flatten(self.pool(self.relu(self.convolution(x)))))

    def parameters(self):
        return self.convolution.parameters() + self.dense.parameters()


def build_model():
    return Network()
"""
OWN_TRAIN = """

def train(model, images, labels, budget):
    optimizer, loss_fn = SGD(model.parameters(), lr=0.2), CrossEntropyLoss()
    for start in range(0, 12_800, 64):
        optimizer.zero_grad()
        loss_fn(model(Tensor(images[start : start + 64])), labels[start : start + 64]).backward()
        optimizer.step()
"""
COMPARISON = "# CNN against a dense network\n\nThe convolution has 104 parameters, a dense layer 784-64 has 50,240.\n"


@pytest.mark.parametrize("train", ["", OWN_TRAIN], ids=["by the recipe", "by its own train()"])
def test_a_students_own_network_is_trained_and_its_convolution_found(train, tmp_path):
    files = sample("full_package", milestone=2) | {
        "submission.py": OWN_MODEL + train,
        "docs/compare_cnn_vs_dense.md": COMPARISON,
        "docs/notes.md": "Bring a dense towel.",
    }
    asked = registry.get(2)
    groups = tuple(group for group in asked.groups if group.key in ("mnist", "code_quality"))
    counts = {"training_steps": 200, "test_images": 1_000}
    result = evaluate(replace(asked, groups=groups), write(files, tmp_path), seed=SEED, counts=counts)
    assert measurement(result, "mnist_accuracy").value > 0.8
    moved = measurement(result, "convolution_trained")
    assert (moved.passed, moved.evidence["weights"]) == (True, 100)
    assert measurement(result, "comparison_report").evidence == {"documents": ["docs/compare_cnn_vs_dense.md"]}
    shown = next(exhibit for exhibit in result.exhibits if exhibit.key == "comparison")
    assert shown.data["paragraphs"] == [["docs/compare_cnn_vs_dense.md", COMPARISON]]


def test_a_network_that_does_not_go_backward_gets_its_accuracy_and_misses_the_benchmark(tmp_path):
    files = changed(
        sample("full_package", milestone=2),
        "tinytorch/core/spatial.py",
        ("        weight = self.inputs[1].data\n        count", '        raise RuntimeError("not yet")\n        count'),
    )
    counts = {"feature_images": 2_000, "head_steps": 400, "test_images": 1_000}
    asked = registry.get(2)
    groups = tuple(group for group in asked.groups if group.key in ("convolution", "mnist"))
    result = evaluate(
        replace(asked, groups=groups), write(files, tmp_path), seed=SEED, counts=counts, benchmark_mark=0.5
    )
    assert measurement(result, "mnist_accuracy").value > 0.8
    assert result.benchmark_met is False
    assert (
        "could not be trained: your code raised: RuntimeError: not yet"
        in measurement(result, "convolution_trained").message
    )


def test_a_training_that_is_not_reached_says_that_the_convolution_was_not_trained(tmp_path):
    files = changed(
        sample("full_package", milestone=2),
        "tinytorch/core/spatial.py",
        (
            "        return apply(ConvolveOperation",
            "        import os; os._exit(3)\n        return apply(ConvolveOperation",
        ),
    )
    asked = registry.get(2)
    groups = tuple(group for group in asked.groups if group.key == "mnist")
    result = evaluate(replace(asked, groups=groups), write(files, tmp_path), seed=SEED)
    assert measurement(result, "convolution_trained").status is Status.NOT_RUN
    assert measurement(result, "mnist_accuracy").value is None
    assert result.benchmark_met is False
