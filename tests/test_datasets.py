"""Data sets: installed ones are checked, practice data stands in, and neither is ever taken for the other."""

import gzip
import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from milestones.contract import OurTrouble
from milestones.datasets import cifar10, mnist, open_store, practice, store, text


@pytest.fixture(autouse=True)
def nothing_remembered():
    """Every test begins like a new process."""
    loaders = (store._load, store.practice_digits, store.practice_shapes, store.practice_text)
    for loader in loaders:
        loader.cache_clear()
    yield
    for loader in loaders:
        loader.cache_clear()


@pytest.fixture
def state(tmp_path, monkeypatch):
    """An empty state folder, and no data sets in the environment."""
    monkeypatch.setenv("TINYTORCH_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.delenv("DATASETS_DIR", raising=False)
    return tmp_path / "state"


def idx(values: np.ndarray) -> bytes:
    return struct.pack(f">{values.ndim + 1}I", 0x0800 + values.ndim, *values.shape) + values.tobytes()


@pytest.fixture(scope="module")
def whole_mnist(tmp_path_factory) -> Path:
    """A folder with four files of the right size and our own content."""
    folder = tmp_path_factory.mktemp("data") / "mnist"
    folder.mkdir()
    random = np.random.default_rng(1)
    for name, shape in mnist.FILES.items():
        values = random.integers(0, 10, shape, dtype=np.uint8)
        (folder / f"{name}.gz").write_bytes(gzip.compress(idx(values), 1))
    return folder


@pytest.fixture
def installed(whole_mnist, tmp_path) -> Path:
    """A copy of it that a test may damage; its parent is the data folder."""
    return Path(shutil.copytree(whole_mnist, tmp_path / "data" / "mnist"))


# What is installed


def test_mnist_is_read_from_its_original_files(installed, state):
    data = open_store(installed.parent).mnist()
    random = np.random.default_rng(1)
    first, *_ = (random.integers(0, 10, shape, dtype=np.uint8) for shape in mnist.FILES.values())
    assert np.array_equal(data.train_images, first)
    assert (data.test_images.shape, data.test_images.dtype) == ((10_000, 28, 28), np.uint8)
    assert (data.train_labels.shape, data.train_labels.dtype) == ((60_000,), np.int64)
    assert (data.name, data.practice) == ("MNIST", False)


def test_unpacked_files_are_the_same_data(installed, state):
    packed = open_store(installed.parent).mnist().fingerprint
    for path in installed.iterdir():
        path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()
    store._load.cache_clear()
    assert open_store(installed.parent).mnist().fingerprint == packed


def test_a_data_set_is_loaded_once_and_nobody_can_change_it(installed, state):
    data = open_store(installed.parent).mnist()
    assert open_store(installed.parent).mnist() is data
    with pytest.raises(ValueError, match="read-only"):
        data.train_images[0, 0, 0] = 1
    with pytest.raises(ValueError, match="read-only"):
        data.test_labels[0] = 1


def test_the_environment_says_where_data_is(installed, state, monkeypatch):
    monkeypatch.setenv("DATASETS_DIR", str(installed.parent))
    assert open_store(None).mnist().practice is False


def broken(folder: Path, words: str) -> None:
    with pytest.raises(OurTrouble, match=words) as caught:
        open_store(folder.parent).mnist()
    assert str(folder) in str(caught.value)


IMAGES = "t10k-images-idx3-ubyte.gz"
LABELS = "t10k-labels-idx1-ubyte.gz"


def test_a_missing_file_is_our_trouble_and_not_practice_data(installed, state):
    (installed / IMAGES).unlink()
    broken(installed, "t10k-images-idx3-ubyte.gz is missing")


def test_a_damaged_file_is_our_trouble(installed, state):
    content = bytearray((installed / IMAGES).read_bytes())
    content[len(content) // 2] ^= 0xFF
    (installed / IMAGES).write_bytes(content)
    broken(installed, f"{IMAGES} is damaged")


def test_a_file_cut_off_is_our_trouble(installed, state):
    (installed / IMAGES).write_bytes((installed / IMAGES).read_bytes()[:-100])
    broken(installed, f"{IMAGES} is damaged")


def test_an_empty_file_is_our_trouble(installed, state):
    (installed / LABELS).write_bytes(b"")
    broken(installed, "too short")


@pytest.mark.parametrize("shape", [(9_999,), (10_001,)])
def test_a_file_of_another_size_is_our_trouble(installed, state, shape):
    (installed / LABELS).write_bytes(gzip.compress(idx(np.zeros(shape, np.uint8))))
    broken(installed, "does not have the size of the original")


@pytest.mark.parametrize("change", [-1, 1])
def test_a_file_that_is_longer_or_shorter_than_it_says_is_our_trouble(installed, state, change):
    content = idx(np.zeros(10_000 + change, np.uint8))
    (installed / LABELS).write_bytes(gzip.compress(content[:4] + struct.pack(">I", 10_000) + content[8:]))
    broken(installed, "does not have the size of the original")


def test_a_file_with_another_magic_number_is_our_trouble(installed, state):
    shutil.copy(installed / IMAGES, installed / LABELS)
    broken(installed, "magic number 2051, not 2049")


def test_a_label_above_nine_is_our_trouble(installed, state):
    (installed / LABELS).write_bytes(gzip.compress(idx(np.full(10_000, 10, np.uint8))))
    broken(installed, "labels above 9")


def test_a_data_folder_that_is_a_file_is_our_trouble(tmp_path):
    (tmp_path / "data").write_text("")
    with pytest.raises(OurTrouble, match="not a folder"):
        open_store(tmp_path / "data")


def cifar_file(path: Path, *, n: int = cifar10.BATCH, **changes) -> None:
    arrays = {"images": np.zeros((n, 3, 32, 32), np.uint8), "labels": np.arange(n, dtype=np.uint8) % 10}
    np.savez_compressed(path, **{**arrays, **changes})


def test_cifar_is_read_from_six_files(tmp_path, state):
    (tmp_path / "cifar10").mkdir()
    for number, name in enumerate((*cifar10.TRAIN_FILES, cifar10.TEST_FILE)):
        cifar_file(tmp_path / "cifar10" / name, images=np.full((cifar10.BATCH, 3, 32, 32), number, np.uint8))
    data = open_store(tmp_path).cifar10()
    assert data.train_images[::10_000, 0, 0, 0].tolist() == [0, 1, 2, 3, 4]
    assert data.test_images[0, 2, 31, 31] == 5
    assert data.train_labels.shape == (50_000,)
    assert (data.name, data.practice, data.class_names[6]) == ("CIFAR-10", False, "frog")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"n": 9_999}, "holds images"),
        ({"images": np.zeros((10_000, 32, 32, 3), np.uint8)}, "holds images"),
        ({"images": np.zeros((10_000, 3, 32, 32), np.float32)}, "holds images float32"),
        ({"labels": np.full(10_000, 10, np.uint8)}, "labels from 0 to 9"),
        ({"labels": np.array([{"a": 1}], dtype=object)}, "damaged"),
    ],
)
def test_a_cifar_file_of_another_make_is_our_trouble(tmp_path, changes, words):
    cifar_file(tmp_path / "train_1.npz", **changes)
    with pytest.raises(OurTrouble, match=words):
        cifar10.read_batch(tmp_path / "train_1.npz")


def test_one_cifar_file_without_the_others_is_our_trouble(tmp_path, state):
    (tmp_path / "cifar10").mkdir()
    cifar_file(tmp_path / "cifar10" / "train_1.npz")
    with pytest.raises(OurTrouble, match=r"train_2\.npz is missing"):
        open_store(tmp_path).cifar10()


def test_a_cifar_file_that_is_no_archive_is_our_trouble(tmp_path):
    for content in (b"", b"PK\x03\x04 and then nothing", b"not a zip"):
        (tmp_path / "train_1.npz").write_bytes(content)
        with pytest.raises(OurTrouble, match="damaged"):
            cifar10.read_batch(tmp_path / "train_1.npz")


def test_a_text_of_another_length_is_our_trouble(tmp_path, state):
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / text.FILE).write_text("To be, or not to be")
    with pytest.raises(OurTrouble, match="holds 19 characters"):
        open_store(tmp_path).text()


# Practice data


def test_practice_data_stands_in_where_nothing_is_installed(tmp_path, state, monkeypatch):
    monkeypatch.setattr(practice, "kept", lambda name, draw: draw(train=300, test=100))
    for nothing in (open_store(None), open_store(tmp_path), open_store(tmp_path / "nowhere")):
        assert nothing.mnist().practice
        assert nothing.cifar10().practice
        assert nothing.text().practice
        assert "practice" in nothing.mnist().name


def test_one_set_may_be_installed_and_another_not(installed, state):
    data = open_store(installed.parent)
    assert data.mnist().practice is False
    assert data.text().practice is True


@pytest.mark.parametrize("draw", [practice.digits, practice.shapes])
def test_practice_images_are_the_same_every_time(draw):
    assert draw(train=500, test=100).fingerprint == draw(train=500, test=100).fingerprint
    assert draw(train=500, test=100, seed=1).fingerprint != draw(train=500, test=100).fingerprint


@pytest.mark.parametrize(("draw", "shape"), [(practice.digits, (28, 28)), (practice.shapes, (3, 32, 32))])
def test_practice_images_have_the_shape_of_the_real_ones(draw, shape):
    data = draw(train=900, test=100)
    assert (data.train_images.shape, data.train_images.dtype) == ((900, *shape), np.uint8)
    assert (data.test_images.shape, data.test_labels.dtype) == ((100, *shape), np.int64)
    assert np.bincount(np.concatenate([data.train_labels, data.test_labels])).tolist() == [100] * 10
    assert len(data.class_names) == 10
    images = data.train_images.reshape(900, -1)
    assert (images.max(1).astype(int) - images.min(1) > 60).all()  # none is blank
    assert len(np.unique(images, axis=0)) == 900


def softmax_regression(images, labels, test_images, test_labels) -> float:
    weights = np.zeros((images[0].size + 1, 10), np.float32)
    random = np.random.default_rng(0)
    for _ in range(1500):
        chosen = random.integers(0, len(images), 64)
        inputs = with_bias(images[chosen])
        scores = inputs @ weights
        chances = np.exp(scores - scores.max(1, keepdims=True))
        chances /= chances.sum(1, keepdims=True)
        chances[np.arange(64), labels[chosen]] -= 1
        weights -= 0.3 / 64 * inputs.T @ chances
    return float(((with_bias(test_images) @ weights).argmax(1) == test_labels).mean())


def with_bias(images):
    flat = images.reshape(len(images), -1).astype(np.float32) / 255
    return np.concatenate([flat, np.ones((len(flat), 1), np.float32)], 1)


def test_practice_digits_can_be_learned_and_are_not_trivial():
    data = practice.digits(train=20_000, test=3_000)
    accuracy = softmax_regression(data.train_images, data.train_labels, data.test_images, data.test_labels)
    assert 0.85 < accuracy < 0.94


def test_practice_text_is_sentences():
    data = practice.sentences(characters=20_000)
    assert len(data.text) == 20_000
    assert data.text == practice.sentences(characters=20_000).text
    whole = data.text.split("\n")[:-1]
    assert all(line[0].isupper() and line.endswith(".") for line in whole)
    assert data.text.isascii()


def test_drawn_images_are_kept_and_read_back_the_same(state):
    drawn = practice.kept("digits", lambda: practice.digits(train=200, test=100))
    read = practice.kept("digits", lambda: pytest.fail("drawn again"))
    assert read.fingerprint == drawn.fingerprint
    assert (read.name, read.practice, read.class_names) == (drawn.name, True, drawn.class_names)
    assert [path.name for path in (state / "practice").iterdir()] == [f"digits-{practice.VERSION}.npz"]


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04", None])
def test_a_damaged_kept_file_is_drawn_again(state, damage):
    def draw():
        return practice.digits(train=200, test=100)

    drawn = practice.kept("digits", draw)
    path = state / "practice" / f"digits-{practice.VERSION}.npz"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(bytes(content) if damage is None else damage)
    assert practice.kept("digits", draw).fingerprint == drawn.fingerprint
    assert practice.kept("digits", lambda: pytest.fail("drawn again")).fingerprint == drawn.fingerprint


def test_a_state_folder_that_cannot_be_written_costs_only_time(tmp_path, monkeypatch):
    (tmp_path / "state").write_text("a file where a folder should be")
    monkeypatch.setenv("TINYTORCH_STATE_DIR", str(tmp_path / "state"))
    assert practice.kept("digits", lambda: practice.digits(train=20, test=10)).train_images.shape == (20, 28, 28)


def test_loading_data_imports_no_web_framework():
    checkout = Path(__file__).resolve().parents[1]
    program = "import sys, milestones.datasets; print(sorted({'django', 'pickle'} & set(sys.modules) - before))"
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    answer = subprocess.run(
        [sys.executable, "-c", f"import sys, numpy; before = set(sys.modules); {program}"],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert answer.stdout.strip() == "[]"


# The real files, where they are installed


def real_folder() -> Path | None:
    folder = os.environ.get("DATASETS_DIR")
    return Path(folder) if folder and mnist.is_installed(Path(folder) / "mnist") else None


def test_installed_mnist_has_the_known_counts_and_means():
    """Known values: 5,923 zeros and 6,742 ones among the training labels; pixel mean 0.1307 (LeCun et al., 1998)."""
    folder = real_folder()
    data = open_store(folder).mnist()
    if folder is None:
        assert data.practice
        return
    assert np.bincount(data.train_labels)[:2].tolist() == [5923, 6742]
    assert data.train_images.mean() / 255 == pytest.approx(0.1307, abs=5e-5)
