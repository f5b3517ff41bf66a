"""Whole evaluations of our samples, in the real sandbox."""

import json
import shutil
import subprocess
import sys
import zipfile

import numpy as np
import pytest

from milestones import registry
from milestones.catalog import samples
from milestones.contract import Level, Status, UnusableInput
from milestones.evaluate import LIVE_TAIL, evaluate
from milestones.sandbox.session import Sandbox
from milestones.student.operations import Operation
from tests.milestones.verdicts import causes

MILESTONE = registry.get(1)
SAMPLES = {sample.name: sample for sample in samples.list_samples(MILESTONE.folder)}
SEED = 11

pytestmark = pytest.mark.sandbox


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    """Evaluations by sample name, each carried out once for all tests of this file."""
    folder = tmp_path_factory.mktemp("samples")
    done = {}

    def of(name):
        if name not in done:
            done[name] = evaluate(1, samples.materialise(SAMPLES[name].folder, folder / name), seed=SEED)
        return done[name]

    return of


def criterion(evaluation, key):
    return next(result for result in evaluation.criteria if result.key == key)


def measurement(evaluation, key):
    return next(found for found in evaluation.measurements if found.key == key)


def test_the_full_package_is_trained_and_reaches_the_benchmark(evaluated):
    result = evaluated("full_autograd")
    assert (result.benchmark_met, result.level, result.diagnoses) == (True, Level.EXEMPLARY, ())
    assert measurement(result, "mnist_accuracy").n == 10_000
    assert measurement(result, "mnist_accuracy").evidence["training_steps"] == 1_874
    assert criterion(result, "mathematical_correctness").points == 40
    assert criterion(result, "architecture_design").points == 30


def test_an_untrained_model_is_at_chance_before_the_platform_trains_it(evaluated):
    assert measurement(evaluated("full_autograd"), "mnist_accuracy").evidence["accuracy_before"] < 0.25


def test_a_forward_only_package_is_measured_with_its_weights(evaluated):
    result = evaluated("forward_only")
    assert result.benchmark_met is True
    assert measurement(result, "mnist_accuracy").evidence["supplied"] is True
    assert measurement(result, "dense_gradient").status is Status.INFORMATION
    assert criterion(result, "mathematical_correctness").points == 40


def test_a_linear_model_meets_the_benchmark_and_loses_architecture(evaluated):
    result = evaluated("linear_only")
    assert result.benchmark_met is True
    assert criterion(result, "architecture_design").points < 0.7 * 30
    assert causes(result) == {"no_nonlinearity"}


def test_weak_weights_miss_the_benchmark_with_the_whole_interval(evaluated):
    result = evaluated("weak_weights")
    found = measurement(result, "mnist_accuracy")
    assert result.benchmark_met is False
    assert 0.75 < found.value < found.high < 0.85


def test_a_bias_gradient_that_keeps_the_batch_is_named(evaluated):
    result = evaluated("unsummed_bias_gradient")
    assert causes(result) == {"bias_gradient_not_summed"}
    assert criterion(result, "mathematical_correctness").points == 40


def test_a_package_that_crashes_at_import_is_told_where(evaluated):
    result = evaluated("crashes_at_import")
    assert (result.benchmark_met, causes(result)) == (False, {"crash_at_import"})
    assert "tensor.py" in result.diagnoses[0].message
    assert criterion(result, "mathematical_correctness").points == 0
    assert criterion(result, "code_quality").points > 0


def test_a_stub_is_not_implemented_yet_and_not_an_error_of_ours(evaluated):
    result = evaluated("stub_layers")
    assert "not_implemented" in causes(result)
    assert measurement(result, "dense_forward").status is Status.NOT_IMPLEMENTED
    assert measurement(result, "relu_forward").status is Status.PASSED


def test_a_syntax_error_in_one_module_leaves_the_others_their_points(evaluated):
    result = evaluated("one_syntax_error")
    assert (result.benchmark_met, causes(result)) == (True, {"syntax_error"})
    assert criterion(result, "mathematical_correctness").points == 40


def test_an_unstable_softmax_is_named(evaluated):
    result = evaluated("unstable_softmax")
    assert "softmax_overflow" in causes(result)
    assert measurement(result, "softmax_forward").status is Status.PASSED


@pytest.mark.parametrize("name", sorted(name for name, sample in SAMPLES.items() if not sample.expected.groups))
def test_every_sample_gets_the_verdict_that_it_states(name, evaluated):
    expected = SAMPLES[name].expected
    if expected.unusable:
        with pytest.raises(UnusableInput):
            evaluated(name)
        return
    result = evaluated(name)
    assert result.benchmark_met is expected.benchmark_met
    assert causes(result) == set(expected.diagnoses)


def test_the_same_seed_and_counts_give_the_same_score_criterion_by_criterion(evaluated, tmp_path):
    first = evaluated("full_autograd")
    path = samples.materialise(SAMPLES["full_autograd"].folder, tmp_path / "again")
    again = evaluate(1, path, seed=SEED, counts=first.counts)
    assert again.criteria == first.criteria
    assert measurement(again, "mnist_accuracy").value == measurement(first, "mnist_accuracy").value


def test_an_archive_and_its_folder_get_the_same_points(evaluated, tmp_path):
    archive = tmp_path / "weak.zip"
    samples.pack(SAMPLES["weak_weights"].folder, archive)
    assert evaluate(1, archive, seed=SEED).criteria == evaluated("weak_weights").criteria


def test_no_label_of_a_measured_image_and_no_true_training_label_goes_in(tmp_path, evaluated, monkeypatch):
    """Everything that enters the sandbox is looked at: the only labels are those of training, all of them renamed."""
    sent = []

    class Watched(Sandbox):
        def ask(self, operation, arrays, **more):
            sent.append((Operation(operation), [np.array(array) for array in arrays[1:]]))
            return super().ask(operation, arrays, **more)

    # The real sandbox with a window in it, not a stand-in.
    monkeypatch.setattr("milestones.evaluate.Sandbox", Watched)
    path = samples.materialise(SAMPLES["full_autograd"].folder, tmp_path / "watched")
    evaluate(1, path, seed=SEED, counts=evaluated("full_autograd").counts)

    with_labels = [operation for operation, arrays in sent if any(array.dtype == np.int64 for array in arrays)]
    assert with_labels == [Operation.TRAIN_DATA]
    assert {operation for operation, arrays in sent if len(arrays) == 1} <= {Operation.FORWARD, Operation.LOGITS}

    images, labels = next(arrays for operation, arrays in sent if operation is Operation.TRAIN_DATA)
    from milestones.datasets.store import open_store

    data = open_store().mnist()
    # A digit is recognised by its grey values in order of size, which no permutation of pixels changes.
    fingerprints = {
        np.sort(image.ravel()).tobytes(): label
        for image, label in zip(data.train_images[:2000], data.train_labels, strict=False)
    }
    renamed = [
        (fingerprints[key], given)
        for image, given in zip(images, labels, strict=True)
        if (key := np.sort(image).tobytes()) in fingerprints
    ]
    assert len(renamed) > 1900
    assert all(true != given for true, given in renamed)


NOSY = """
_forward = Dense.forward
def forward(self, x, *rest):
    pixels = getattr(x, "data", x)
    print("PICTURE" if pixels.shape[-1] == 784 and pixels.min() >= 0 and pixels.max() > 0 else "CALLED")
    return _forward(self, x, *rest)
Dense.forward = forward
"""


def test_what_is_printed_while_hidden_images_are_in_use_reaches_only_staff(tmp_path):
    path = samples.materialise(SAMPLES["weak_weights"].folder, tmp_path / "nosy")
    layers = path / "tinytorch" / "core" / "layers.py"
    layers.write_text(layers.read_text() + NOSY)
    seen = []
    result = evaluate(1, path, seed=SEED, on_progress=seen.append)
    assert "PICTURE" in result.log
    assert "CALLED" in result.open_log
    assert any("CALLED" in step.printed for step in seen)
    assert "PICTURE" not in result.open_log + "".join(step.printed for step in seen)
    assert {step.phase for step in seen if step.output_hidden} == {"MNIST"}
    assert max(len(step.printed) for step in seen) <= LIVE_TAIL


def test_two_packages_in_one_archive_are_refused(tmp_path):
    archive = tmp_path / "two.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("old/tinytorch/core/tensor.py", "class Tensor: pass")
        packed.writestr("new/tinytorch/core/tensor.py", "class Tensor: pass")
    with pytest.raises(UnusableInput, match="2 TinyTorch packages"):
        evaluate(1, archive)


def command(*arguments):
    return subprocess.run([sys.executable, "-m", "milestones", *arguments], capture_output=True, text=True, check=False)


def test_the_command_line_writes_the_result_as_json(tmp_path):
    target = tmp_path / "result.json"
    path = samples.materialise(SAMPLES["crashes_at_import"].folder, tmp_path / "package")
    ended = command("evaluate", "basic-inference", str(path), "--seed", "5", "--json", str(target))
    result = json.loads(target.read_text())
    assert (ended.returncode, ended.stderr) == (0, "")
    assert (result["milestone"], result["seed"], result["maximum"]) == ("basic-inference", 5, 100.0)
    assert set(result["criteria"][0]) == {"key", "title", "points", "maximum", "level", "explanation"}
    assert {"key", "kind", "value", "unit", "n", "low", "high", "passed"} <= set(result["measurements"][0])
    assert {"code", "message", "advice", "evidence"} <= set(result["diagnoses"][0])
    assert {"wall_seconds", "cpu_seconds", "peak_memory_bytes"} <= set(result["resources"])


def test_the_command_line_answers_2_and_one_sentence_to_unusable_input(tmp_path):
    (tmp_path / "notes.txt").write_text("not an archive")
    for arguments in (
        ("evaluate", "1", str(tmp_path / "notes.txt")),
        ("evaluate", "1", str(tmp_path / "missing.zip")),
        ("evaluate", "99", str(tmp_path)),
        ("evaluate", "1", str(tmp_path), "--datasets", str(tmp_path / "nowhere")),
    ):
        ended = command(*arguments)
        assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (2, "", 1)


def test_the_command_line_answers_3_when_our_own_data_is_broken(tmp_path):
    broken = tmp_path / "data" / "mnist"
    broken.mkdir(parents=True)
    for name in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"):
        (broken / f"{name}-ubyte.gz").write_bytes(b"nothing")
    path = samples.materialise(SAMPLES["weak_weights"].folder, tmp_path / "package")
    ended = command("evaluate", "1", str(path), "--datasets", str(tmp_path / "data"))
    assert (ended.returncode, ended.stderr.count("\n")) == (3, 1)


def test_the_doctor_trusts_this_machine():
    ended = command("doctor")
    assert (ended.returncode, "FAILED" in ended.stdout) == (0, False)


def test_nothing_is_left_behind_in_the_temporary_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    path = samples.materialise(SAMPLES["crashes_at_import"].folder, tmp_path / "package")
    ended = command("evaluate", "1", str(path))
    assert (ended.returncode, list((tmp_path / "tmp").iterdir())) == (0, [])
    shutil.rmtree(path)
