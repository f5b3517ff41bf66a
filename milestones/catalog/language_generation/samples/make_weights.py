"""Train the supplied weights of ``shakespeare_weights`` again, with the sample's own framework.

``python -m milestones.catalog.language_generation.samples.make_weights CORPUS`` writes weights/gpt.npz beside the sample: 4,000 steps
of 8 texts of 32 characters from the first nine tenths of the corpus, Adam from 0.005 down, on one core in about a minute.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from milestones.catalog import samples

HERE = Path(__file__).parent
STEPS = 4_000
PROGRAM = """
import math, sys
import numpy as np
from submission import new_model
from tinytorch import Adam, CrossEntropyLoss
from tinytorch.core.tensor import Tensor

corpus, target, steps = sys.argv[1], sys.argv[2], int(sys.argv[3])
text = open(corpus, encoding="ascii").read()
characters = sorted(set(text))
numbers = {character: number for number, character in enumerate(characters)}
ids = np.array([numbers[character] for character in text[: len(text) * 9 // 10]])
np.random.seed(5)
random = np.random.default_rng(5)
model, loss = new_model(len(characters)), CrossEntropyLoss()
optimizer = Adam(model.parameters(), lr=0.005)
for step in range(steps):
    optimizer.lr = 0.005 * (0.05 + 0.475 * (1 + math.cos(math.pi * step / steps)))
    begins = random.integers(0, len(ids) - 32, 8)
    texts = ids[begins[:, None] + np.arange(33)]
    optimizer.zero_grad()
    value = loss(model(Tensor(texts[:, :-1])).reshape(256, len(characters)), texts[:, 1:].reshape(-1))
    value.backward()
    optimizer.step()
    if step % 500 == 499:
        print(step + 1, round(float(value.data) / math.log(2), 3), flush=True)
arrays = {f"parameter_{i:02}": parameter.data.astype(np.float32) for i, parameter in enumerate(model.parameters())}
np.savez(target, **arrays)
"""


def main(arguments: list[str]) -> int:
    """Train and write the weights."""
    target = HERE / "shakespeare_weights" / "weights" / "gpt.npz"
    with tempfile.TemporaryDirectory() as folder:
        whole = samples.materialise(HERE / "shakespeare_weights", Path(folder) / "sample")
        command = [sys.executable, "-c", PROGRAM, str(Path(arguments[0]).resolve()), str(target), str(STEPS)]
        return subprocess.run(command, cwd=whole, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
