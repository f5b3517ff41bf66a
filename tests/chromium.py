"""The machine's own Chromium, as tests, benchmarks and the screenshots of the README start it."""

from __future__ import annotations

import shutil

from playwright.sync_api import Browser, Playwright

# Without the background flags Chromium looks up its maker's hosts at every start, which a closed network lets time out.
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def launch(playwright: Playwright) -> Browser:
    """Start Chromium with a fresh profile."""
    program = next(found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name)))
    return playwright.chromium.launch(executable_path=program, headless=True, args=list(FLAGS))
