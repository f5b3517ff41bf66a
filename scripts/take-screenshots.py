"""Take the screenshots of the README from a served demonstration: ``scripts/take-screenshots.py ADDRESS PASSWORD``.

Run it with the project's Python, from the checkout, while ``make demo`` serves. One package is handed in for the picture
of a run in progress.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(CHECKOUT))

from playwright.sync_api import Browser, Page, sync_playwright  # noqa: E402

from tests.chromium import launch  # noqa: E402
from tests.slow_package import pack_slow_package  # noqa: E402

COURSE = "/courses/cs329s_2024/"
MILESTONE = f"{COURSE}milestones/basic-inference/"


def main(address: str, password: str) -> None:
    docs = CHECKOUT / "docs"
    docs.mkdir(exist_ok=True)
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = launch(playwright)
        page = sign_in(browser, address, "ivy", password)
        page.goto(f"{address}{COURSE}?milestone=basic-inference")
        take(page, docs / "course.png", height=1130)

        page = sign_in(browser, address, "johansen", password)
        page.goto(address + MILESTONE)
        page.get_by_role("link", name="Open").first.click()
        take(page, docs / "submission.png", height=1000)

        package = pack_slow_package(Path(folder) / "tinytorch.zip")
        page = sign_in(browser, address, "lopez", password)
        page.goto(address + MILESTONE)
        page.set_input_files("input[type=file]", package)
        page.get_by_role("button", name="Upload").click()
        page.wait_for_url("**/submissions/*/")
        page.locator(".js-plotly-plot .point").nth(3).wait_for(timeout=30_000)
        take(page, docs / "live.png", height=1000, settle=50)
        browser.close()


def sign_in(browser: Browser, address: str, username: str, password: str) -> Page:
    page = browser.new_page(viewport={"width": 1100, "height": 1000})
    page.goto(f"{address}/sign-in/")
    page.get_by_label("User name").fill(username)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{address}/")
    return page


def take(page: Page, target: Path, *, height: int, settle: int = 800) -> None:
    page.wait_for_timeout(settle)  # charts draw themselves
    page.set_viewport_size({"width": 1100, "height": height})
    page.wait_for_timeout(min(settle, 300))
    page.screenshot(path=target)


if __name__ == "__main__":
    main(sys.argv[1].rstrip("/"), sys.argv[2])
