"""Real sandboxes around a small harness of the tests' own. Needs neither Django nor a database."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from milestones.sandbox.limits import MEGABYTE, SandboxLimits
from milestones.sandbox.protocol import array_to_text, text_to_array
from milestones.sandbox.session import Expected, Sandbox

INSIDE = Path(__file__).with_name("inside.py")
ECHO, RUN, REFUSE = 1, 2, 3
LIMITS = SandboxLimits(cpu_seconds=20, memory_bytes=512 * MEGABYTE)
ANY_TEXT = Expected(np.uint8, (None,), 1 << 20)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("sandbox")


@pytest.fixture
def alices_files(tmp_path: Path) -> Path:
    """A submission in a folder that nobody but its owner can enter, as pytest makes them."""
    folder = tmp_path / "alice"
    folder.mkdir()
    (folder / "tensor.py").write_text("class Tensor: pass\n")
    return folder


@pytest.fixture
def sandbox(alices_files: Path) -> Callable[..., Sandbox]:
    """Makes a sandbox around Alice's files; keyword arguments change its limits, or make it ``bare``."""

    def make(*, bare: bool = False, hash_seed: int = 0, harness: Path = INSIDE, **limits: float) -> Sandbox:
        changed = replace(LIMITS, **limits)
        return Sandbox(alices_files, limits=changed, harness=harness, bare=bare, hash_seed=hash_seed)

    return make


def run(sandbox: Sandbox, source: str, **options: object) -> str:
    """Run ``source`` inside and return the text that it left in ``answer``."""
    (text,) = sandbox.ask(RUN, [text_to_array(textwrap.dedent(source))], expect=[ANY_TEXT], **options)
    return array_to_text(text, 1 << 20)
