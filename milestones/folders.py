"""Where this project keeps what it makes itself."""

from __future__ import annotations

import os
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent


def state_folder() -> Path:
    """``TINYTORCH_STATE_DIR``; else ``var`` in a checkout, or a folder of the user's cache where this was installed or came in
    a starter kit."""
    if chosen := os.environ.get("TINYTORCH_STATE_DIR"):
        return Path(chosen)
    if (CHECKOUT / "pyproject.toml").exists():
        return CHECKOUT / "var"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tinytorch-assessment"
