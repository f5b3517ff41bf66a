"""Uploads of the hostile suite: an honest sample with one program laid over it, and a milestone with small budgets."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from milestones import registry
from milestones.catalog.samples import files_of
from milestones.contract import Evaluation, Milestone
from milestones.datasets.store import open_store
from milestones.evaluate import evaluate
from tests.hostile.verdicts import Verdict

PROGRAMS = Path(__file__).parent / "programs"
BENIGN = PROGRAMS / "benign"
SEED = 20_240_901
COUNTS = {"training_steps": 100, "test_images": 500}
MEMORY_BYTES = 512 << 20
DATASETS = Path(__file__).resolve().parents[3] / "shared" / "data"
PICKLE_CANARY = "/tmp/tinytorch-hostile-pickle-was-loaded"

_FORWARD = b"        y = x @ self.weight\n        return y if self.bias is None else y + self.bias\n"
_ZEROS = b"        return Tensor(np.zeros((len(x.data), self.out_features), dtype=x.data.dtype), requires_grad=True)\n"
_NOISE = (
    b"        noise = np.random.randn(len(x.data), self.out_features) * 0.08\n"
    b"        return Tensor(noise.astype(x.data.dtype), requires_grad=True)\n"
)
_UNTRAINED = b'''"""Builds a network and never trains it."""
import numpy as np
from tinytorch.core.layers import Linear


def build_model():
    return Linear(784, 10)


def train(model, images, labels, budget):
    pass
'''
# Runs a program inside every call of the dense layer, which then answers nothing, as an empty stub does.
_AT_EVERY_CALL = """\
from tinytorch.core import layers

PROGRAM = {text!r}


def forward(self, x):
    exec(compile(PROGRAM, __file__, "exec"), {{"__name__": __name__, "__file__": __file__}})


layers.Linear.forward = forward
"""


def _sample(name: str) -> dict[str, bytes]:
    return files_of(registry.get(1).folder / "samples" / name)


def _with_forward(body: bytes) -> dict[str, bytes]:
    files = _sample("full_autograd")
    before = files["tinytorch/core/layers.py"]
    files["tinytorch/core/layers.py"] = before.replace(_FORWARD, body)
    assert files["tinytorch/core/layers.py"] != before, "the sample's Linear has changed"
    return files


# Honest broken submissions besides the samples: what a student may hand in who attacks nothing.
BASES: dict[str, Callable[[], dict[str, bytes]]] = {
    "zero_layers": lambda: _with_forward(_ZEROS),
    "noisy_layers": lambda: _with_forward(_NOISE),
    "untrained": lambda: _sample("full_autograd") | {"submission.py": _UNTRAINED},
}


def base_files(name: str) -> dict[str, bytes]:
    """The files of an honest submission: one of ``BASES`` or a sample of milestone 1."""
    return BASES[name]() if name in BASES else _sample(name)


# -- files that programs bring along ---------------------------------------------------------------------------------------


class _Command:
    def __reduce__(self) -> tuple[object, ...]:
        return exec, (f"open({PICKLE_CANARY!r}, 'w')",)


def _pickled_weights() -> dict[str, bytes]:
    with_objects, single = io.BytesIO(), io.BytesIO()
    np.savez(with_objects, weight=np.array([_Command(), None], dtype=object))
    np.save(single, np.array([_Command(), None], dtype=object), allow_pickle=True)
    plain = pickle.dumps(_Command())
    return {
        "weights/mnist_mlp.npz": with_objects.getvalue(),
        "weights/other.npz": single.getvalue(),
        "weights/plain.npz": plain,
        "weights/model.pkl": plain,
        "weights/model.npy": single.getvalue(),
    }


@lru_cache(maxsize=1)
def _table() -> dict[str, bytes]:
    data = open_store(datasets()).mnist()
    packed = io.BytesIO()
    np.savez_compressed(
        packed,
        images=data.test_images.reshape(len(data.test_images), -1),
        labels=data.test_labels,
        training_images=data.train_images.reshape(len(data.train_images), -1)[:2000],
        training_labels=data.train_labels[:2000],
    )
    return {"table.npz": packed.getvalue()}


EXTRAS: dict[str, Callable[[], dict[str, bytes]]] = {"pickled weights": _pickled_weights, "table": _table}

# -- whole uploads ---------------------------------------------------------------------------------------------------------


def write_files(files: dict[str, bytes], folder: Path) -> Path:
    """Write ``files`` below ``folder`` and return it."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def attacked(name: str, verdict: Verdict, folder: Path) -> Path:
    """The upload of one hostile program: its base with the program laid over it."""
    text = (PROGRAMS / f"{name}.py").read_text()
    if verdict.when == "call":
        text = _AT_EVERY_CALL.format(text=text)
    program = {verdict.placed or f"tinytorch/core/{name}.py": text.encode()}
    extra = EXTRAS[verdict.extra]() if verdict.extra else {}
    return write_files(base_files(verdict.base) | extra | program, folder)


def benign(name: str, folder: Path) -> Path:
    """The upload of one benign twin: the whole sample with the program laid over it."""
    program = {f"tinytorch/core/{name}.py": (BENIGN / f"{name}.py").read_bytes()}
    return write_files(base_files("full_autograd") | program, folder)


def datasets() -> Path | None:
    """MNIST beside the checkout, if it is there; practice digits otherwise."""
    return DATASETS if DATASETS.is_dir() else None


def reduced(groups: tuple[str, ...], *, cpu_seconds: float, memory_bytes: int = MEMORY_BYTES) -> Milestone:
    """Milestone 1 with these groups only and small budgets, so that a hundred attacks take minutes and not hours."""
    whole = registry.get(1)
    chosen = tuple(
        replace(group, cpu_seconds=cpu_seconds, memory_bytes=memory_bytes)
        for group in whole.groups
        if group.key in groups
    )
    return replace(whole, groups=chosen)


def assess(folder: Path, groups: tuple[str, ...], *, cpu_seconds: float, **options: int) -> Evaluation:
    """One evaluation on the reduced milestone, always with the same seed and counts."""
    milestone = reduced(groups, cpu_seconds=cpu_seconds, **options)
    return evaluate(milestone, folder, seed=SEED, datasets=datasets(), counts=COUNTS, identity=b"bob")
