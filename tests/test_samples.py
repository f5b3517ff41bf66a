"""Sample submissions: they are whole, small, honest, and each makes exactly the mistake that it states."""

import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from milestones import archive, registry
from milestones.catalog import samples
from milestones.contract import UnusableInput
from milestones.discovery import find_package

FOLDERS = [milestone.folder for milestone in registry.catalog()]
ALL = [sample for folder in FOLDERS for sample in samples.list_samples(folder)]
BASIC = next(folder for folder in FOLDERS if folder.name == "basic_inference")
BY_NAME = {sample.name: sample for sample in samples.list_samples(BASIC)}

every_sample = pytest.mark.parametrize("sample", ALL, ids=lambda sample: sample.name)


def program_in(folder: Path, text: str) -> dict:
    """What a program prints as JSON when it runs beside a sample. Samples are ours, so no sandbox is needed."""
    answer = subprocess.run(
        [sys.executable, "-B", "-c", text], cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )
    assert answer.returncode == 0, answer.stderr
    return json.loads(answer.stdout.splitlines()[-1])


# The samples


def test_milestone_1_has_the_samples_that_tests_and_demonstration_use():
    assert set(BY_NAME) >= {
        "crashes_at_import",
        "forward_only",
        "full_autograd",
        "linear_only",
        "no_python",
        "one_syntax_error",
        "stub_layers",
        "unstable_softmax",
        "unsummed_bias_gradient",
        "weak_weights",
    }


@every_sample
def test_a_sample_says_what_it_shows(sample):
    assert sample.title
    assert sample.shows.endswith(".")
    assert not sample.expected.unusable or sample.expected.benchmark_met is None


@every_sample
def test_a_sample_is_an_upload_that_can_be_read(sample, tmp_path):
    upload = archive.read(samples.pack(sample, tmp_path / "upload.zip"))
    files = samples.files_of(sample.folder)
    assert upload.files == {f"{sample.name}/{name}": content for name, content in files.items()}
    assert archive.read(samples.materialise(sample.folder, tmp_path / "folder")).files == files
    if sample.expected.unusable:
        with pytest.raises(UnusableInput, match=r"No Python TinyTorch package"):
            find_package(upload.files)
    else:
        assert find_package(upload.files).root == f"{sample.name}/tinytorch"


@every_sample
def test_packing_a_sample_twice_gives_the_same_bytes(sample, tmp_path):
    first, second = (samples.pack(sample, tmp_path / name).read_bytes() for name in ("first.zip", "second.zip"))
    assert first == second


@every_sample
def test_weights_are_plain_numbers(sample):
    for name, content in samples.files_of(sample.folder).items():
        if name.endswith(".npz"):
            with np.load(io.BytesIO(content), allow_pickle=False) as weights:
                assert {weights[key].dtype for key in weights.files} == {np.dtype(np.float32)}
                assert all(np.isfinite(weights[key]).all() for key in weights.files)


@every_sample
def test_only_the_files_that_should_be_broken_do_not_compile(sample):
    broken = []
    for name, content in samples.files_of(sample.folder).items():
        if name.endswith(".py"):
            try:
                compile(content, name, "exec")
            except SyntaxError:
                broken.append(name)
    assert bool(broken) == ("syntax_error" in sample.expected.diagnoses)


def test_all_samples_together_are_small():
    files = [path for folder in FOLDERS for path in (folder / "samples").rglob("*") if path.is_file()]
    # The largest are the trained weights of milestone 4: a network that reaches 87 % on CIFAR-10 has 1.1 MB of them.
    assert sum(path.stat().st_size for path in files if "__pycache__" not in path.parts) < 3_000_000
    assert max(path.stat().st_size for path in files) < 1_200_000


def test_every_sample_is_in_the_table_of_its_folder():
    for sample in ALL:
        assert f"`{sample.name}`" in (sample.folder.parent / "README.md").read_text(encoding="utf-8")


# Their mathematics, run for real

GRADIENTS = """
import json
import numpy as np
from tinytorch import CrossEntropyLoss, Linear, MSELoss, ReLU, Sequential, Sigmoid, Softmax, Tanh, Tensor

random = np.random.default_rng(3)
np.random.seed(3)
inputs, labels = random.normal(size=(5, 6)), random.integers(0, 3, 5)

def loss_of(model, x):
    scores = model(x)
    return CrossEntropyLoss()(scores, labels) + MSELoss()(scores, Tensor(np.ones((5, 3))))

worst = {}
for activation in (ReLU(), Sigmoid(), Tanh(), Softmax()):
    model = Sequential(Linear(6, 4), activation, Linear(4, 3))
    for parameter in model.parameters():
        parameter.data = random.normal(size=parameter.shape)
    x = Tensor(inputs.copy(), requires_grad=True)
    loss_of(model, x).backward()
    for name, tensor in zip(("weight 1", "bias 1", "weight 2", "bias 2", "input"), [*model.parameters(), x]):
        if tensor.grad.shape != tensor.shape:
            worst[name] = list(tensor.grad.shape)
            continue
        for index in np.ndindex(tensor.shape):
            kept, ends = tensor.data[index], []
            for step in (1e-6, -1e-6):
                tensor.data[index] = kept + step
                ends.append(float(loss_of(model, x).data))
            tensor.data[index] = kept
            difference = abs((ends[0] - ends[1]) / 2e-6 - tensor.grad[index])
            worst[name] = max(worst.get(name, 0.0), float(difference))
print(json.dumps(worst))
"""


def test_gradients_of_the_full_package_agree_with_finite_differences(tmp_path):
    folder = samples.materialise(BY_NAME["full_autograd"].folder, tmp_path / "sample")
    worst = program_in(folder, GRADIENTS)
    assert set(worst) == {"weight 1", "bias 1", "weight 2", "bias 2", "input"}
    assert max(worst.values()) < 1e-7


def test_only_the_bias_is_wrong_where_its_gradient_is_not_summed(tmp_path):
    folder = samples.materialise(BY_NAME["unsummed_bias_gradient"].folder, tmp_path / "sample")
    worst = program_in(folder, GRADIENTS)
    assert (worst.pop("bias 1"), worst.pop("bias 2")) == ([5, 4], [5, 3])
    assert max(worst.values()) < 1e-7


OPERATIONS = """
import json
import numpy as np
from tinytorch import Tensor

random = np.random.default_rng(4)
a, b = random.normal(size=(3, 4)) + 3, random.normal(size=(1, 4)) + 3
forms = {
    "add": lambda a, b: (a + b) * a,
    "subtract": lambda a, b: (2.0 - a - b) * a,
    "multiply": lambda a, b: a * b * a,
    "divide": lambda a, b: a / b + 1.0 / a,
    "negate": lambda a, b: -a * b,
    "matmul": lambda a, b: a @ b.T @ b,
    "mean": lambda a, b: (a * b).mean(axis=0) * b,
    "sum": lambda a, b: (a * a).sum(axis=1, keepdims=True) * b,
    "reshape": lambda a, b: a.reshape(2, 6) @ (a * b).reshape((6, 2)),
    "transpose": lambda a, b: a.transpose(0, 1).reshape(4, 3) @ a * 0.1 + b.transpose(),
}
worst = {}
for name, form in forms.items():
    tensors = Tensor(a.copy(), requires_grad=True), Tensor(b.copy(), requires_grad=True)
    form(*tensors).sum().backward()
    difference = 0.0
    for tensor in tensors:
        for index in np.ndindex(tensor.shape):
            kept, ends = tensor.data[index], []
            for step in (1e-6, -1e-6):
                tensor.data[index] = kept + step
                ends.append(float(form(*tensors).sum().data))
            tensor.data[index] = kept
            slope = (ends[0] - ends[1]) / 2e-6
            grad = 0.0 if tensor.grad is None else tensor.grad[index]
            difference = max(difference, float(abs(slope - grad)) / max(1.0, abs(slope)))
    worst[name] = difference
print(json.dumps(worst))
"""


def test_every_operation_of_the_full_package_goes_backward_rightly(tmp_path):
    folder = samples.materialise(BY_NAME["full_autograd"].folder, tmp_path / "sample")
    worst = program_in(folder, OPERATIONS)
    assert {name: error for name, error in worst.items() if error > 1e-6} == {}
    assert len(worst) == 10


OPTIMIZERS = """
import json
import numpy as np
from tinytorch import SGD, Adam, Tensor

grads = np.random.default_rng(5).normal(size=(20, 3))

def run(make):
    parameter = Tensor(np.array([1.0, -2.0, 0.5]), requires_grad=True)
    optimizer = make([parameter])
    for grad in grads:
        optimizer.zero_grad()
        assert parameter.grad is None
        (parameter * Tensor(grad)).sum().backward()
        optimizer.step()
    return parameter.data

def sgd(momentum, decay):
    w, v = np.array([1.0, -2.0, 0.5]), np.zeros(3)
    for g in grads:
        v = momentum * v + g + decay * w
        w = w - 0.1 * v
    return w

def adam():
    w, m, s = np.array([1.0, -2.0, 0.5]), np.zeros(3), np.zeros(3)
    for t, g in enumerate(grads, 1):
        m, s = 0.9 * m + 0.1 * g, 0.999 * s + 0.001 * g * g
        w = w - 0.1 * (m / (1 - 0.9**t)) / (np.sqrt(s / (1 - 0.999**t)) + 1e-8)
    return w

print(json.dumps({
    "plain": float(np.abs(run(lambda p: SGD(p, lr=0.1)) - sgd(0, 0)).max()),
    "momentum": float(np.abs(run(lambda p: SGD(p, lr=0.1, momentum=0.9)) - sgd(0.9, 0)).max()),
    "decay": float(np.abs(run(lambda p: SGD(p, lr=0.1, weight_decay=0.01)) - sgd(0, 0.01)).max()),
    "adam": float(np.abs(run(lambda p: Adam(p, lr=0.1)) - adam()).max()),
}))
"""


def test_the_optimizers_of_the_full_package_follow_their_formulas(tmp_path):
    folder = samples.materialise(BY_NAME["full_autograd"].folder, tmp_path / "sample")
    assert max(program_in(folder, OPTIMIZERS).values()) < 1e-12


FORWARD_ONLY = """
import json
import numpy as np
from submission import build_model
from tinytorch.core.tensor import Tensor

random = np.random.default_rng(6)
images = random.uniform(0, 1, (7, 784)).astype(np.float32)
model = build_model()
with np.load("weights/mnist_mlp.npz", allow_pickle=False) as w:
    hidden = np.maximum(images @ w["hidden_weights"] + w["hidden_bias"], 0)
    expected = hidden @ w["output_weights"] + w["output_bias"]
answer = model(Tensor(images))
try:
    answer.data = expected
    read_only = False
except AttributeError:
    read_only = True
print(json.dumps({
    "difference": float(np.abs(answer.data - expected).max()),
    "dtype": str(answer.dtype),
    "read_only": read_only,
    "gradients": any(hasattr(answer, name) for name in ("backward", "grad", "requires_grad")),
    "at": hasattr(Tensor, "__matmul__"),
}))
"""


@pytest.mark.parametrize("name", ["forward_only", "weak_weights"])
def test_the_first_edition_answers_with_its_weights_and_has_no_gradients(name, tmp_path):
    folder = samples.materialise(BY_NAME[name].folder, tmp_path / "sample")
    found = program_in(folder, FORWARD_ONLY)
    assert found.pop("difference") < 1e-4
    assert found == {"dtype": "float32", "read_only": True, "gradients": False, "at": False}


# Making samples whole


def sample_folder(parent: Path, name: str, description: str, files: dict[str, str] | None = None) -> Path:
    folder = parent / "samples" / name
    for path, text in {"sample.toml": description, **(files or {})}.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    return folder


DESCRIBED = 'title = "T"\nshows = "S."\n{more}\n[expected]\ndiagnoses = []\n{after}'


def described(more: str = "", after: str = "") -> str:
    return DESCRIBED.format(more=more, after=after)


@pytest.fixture
def whole(tmp_path) -> Path:
    return sample_folder(tmp_path, "whole", described(), {"a.py": "x = 1\n", "b/c.py": "y = 2\n", "b/d.py": "z\n"})


def test_a_sample_adds_replaces_and_removes_and_leaves_the_rest(whole, tmp_path):
    folder = sample_folder(
        tmp_path,
        "other",
        described(
            'base = "whole"\nremove = ["b/d.py"]', '[[replace]]\nfile = "a.py"\nfind = "x = 1"\nwith = "x = nan"\n'
        ),
        {"b/new.py": "w\n"},
    )
    assert samples.files_of(folder) == {"a.py": b"x = nan\n", "b/c.py": b"y = 2\n", "b/new.py": b"w\n"}
    assert samples.describe(folder).base == "whole"
    assert [sample.name for sample in samples.list_samples(tmp_path)] == ["other", "whole"]


@pytest.mark.parametrize(
    ("more", "after", "words"),
    [
        ('base = "whole"', '[[replace]]\nfile = "a.py"\nfind = "gone"\nwith = ""\n', "0 times in a.py"),
        ('base = "whole"', '[[replace]]\nfile = "no.py"\nfind = "x"\nwith = ""\n', "0 times in no.py"),
        ('base = "whole"\nremove = ["no.py"]', "", "no file no.py"),
        ('base = "nowhere"', "", "nowhere"),
        ('colour = "red"', "", "colour"),
        ("", "score = 3", "expected"),
        ("not toml", "", "sample.toml"),
    ],
)
def test_a_sample_that_no_longer_fits_its_base_is_an_error(whole, tmp_path, more, after, words):
    folder = sample_folder(tmp_path, "other", described(more, after))
    with pytest.raises(ValueError, match=words):
        samples.files_of(folder)


def test_a_sample_is_never_written_over_something_else(whole, tmp_path):
    (tmp_path / "taken").mkdir()
    with pytest.raises(FileExistsError):
        samples.materialise(whole, tmp_path / "taken")


def test_a_packed_sample_has_one_top_folder_named_for_it(whole, tmp_path):
    with zipfile.ZipFile(samples.pack(whole, tmp_path / "out" / "whole.zip")) as packed:
        assert packed.namelist() == ["whole/a.py", "whole/b/c.py", "whole/b/d.py"]


def test_the_command_packs_every_sample(whole, tmp_path, capsys):
    assert samples._main([str(tmp_path), str(tmp_path / "zips")]) == 0
    assert [path.name for path in (tmp_path / "zips").iterdir()] == ["whole.zip"]
    assert samples._main([]) == 2
    assert "usage" in capsys.readouterr().err
