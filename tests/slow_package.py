"""A package whose run can be watched: the full sample with layers that do some needless work."""

from __future__ import annotations

import zipfile
from pathlib import Path

from milestones import registry
from milestones.catalog import samples

SLOW_MODULE = """
from tinytorch.core.layers import Linear

_quick_forward = Linear.forward


def _slow_forward(self, x):
    sum(range(100_000))
    return _quick_forward(self, x)


Linear.forward = _slow_forward
"""


def pack_slow_package(target: Path) -> Path:
    """Pack the full sample with the module that turns its second of measuring into about ten."""
    path = samples.pack(registry.get("basic-inference").folder / "samples" / "full_autograd", target)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("full_autograd/tinytorch/core/slowness.py", SLOW_MODULE)
    return path
