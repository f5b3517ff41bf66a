"""What a newcomer waits for: from a clean clone to a served page, and from the browser's upload to a published result.

The last commit is cloned into a temporary folder and served with ``make demo``, with an environment, a sandbox runtime and
databases of its own. Then a student uploads, in Chromium, a package that crashes at import, time after time. Set-up steps
that need the system's package manager are as quick as this machine has those packages already; the table says so.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from milestones import registry
from milestones.catalog import samples
from tests.benchmarks.table import print_table, spread
from tests.chromium import launch

CHECKOUT = Path(__file__).resolve().parents[2]
PORT = 8765
STUDENT, SAMPLE = "lopez", "crashes_at_import"
PATIENCE_SECONDS = 600


@dataclass(frozen=True)
class Site:
    """A served clone: where it is, its demonstration password, and how long it took from the clone's first command."""

    folder: Path
    address: str
    password: str
    set_up_seconds: float


@contextlib.contextmanager
def served_clone() -> Iterator[Site]:
    """Clone, ``make demo``, wait for the page; afterwards stop it and delete clone and databases."""
    with tempfile.TemporaryDirectory(prefix="newcomer-") as temporary:
        folder, state = Path(temporary) / "clone", Path(temporary) / "state"
        # The databases' own accounts must reach their folders below.
        Path(temporary).chmod(0o711)
        started = time.monotonic()
        subprocess.run(["git", "clone", "--quiet", str(CHECKOUT), str(folder)], check=True)
        # A runtime of its own as well: otherwise the newcomer would find ours, already built.
        environment = os.environ | {"TINYTORCH_STATE_DIR": str(state)}
        log = Path(temporary) / "demo.log"
        with log.open("wb") as output:
            demo = subprocess.Popen(
                ["make", "demo", f"PORT={PORT}"],
                cwd=folder,
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            text = _wait_for(log, demo)
            address = re.search(r"The site is at (http://\S+?)/? ", text)[1]
            with urllib.request.urlopen(f"{address}/sign-in/", timeout=30) as answer:
                answer.read()
            seconds = time.monotonic() - started
            yield Site(folder, address, re.search(r"have the password +(\S+)", text)[1], seconds)
        finally:
            os.killpg(demo.pid, signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                demo.wait(timeout=60)
            python = folder / ".venv" / "bin" / "python"
            subprocess.run([str(python), "-m", "assessment_site.embedded", "destroy", "--yes"], cwd=folder, check=False)
            shutil.rmtree(state, ignore_errors=True)


def _wait_for(log: Path, demo: subprocess.Popen[bytes]) -> str:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        text = log.read_text(errors="replace")
        if "The site is at " in text:
            return text
        if demo.poll() is not None:
            raise SystemExit(f"make demo ended with {demo.returncode}:\n{text[-3000:]}")
        time.sleep(0.1)
    raise SystemExit(
        f"make demo served nothing within {PATIENCE_SECONDS} s:\n{log.read_text(errors='replace')[-3000:]}"
    )


def manage(site: Site, program: str) -> str:
    """Ask the clone's own database."""
    python = site.folder / ".venv" / "bin" / "python"
    command = [str(python), "manage.py", "shell", "--no-imports", "-c", program]
    return subprocess.run(command, cwd=site.folder, check=True, capture_output=True, text=True).stdout


def wait_until_idle(site: Site) -> None:
    """Until the demonstration's own submissions are measured: the figure is for an idle machine."""
    count = "from grading.models import Evaluation; print(Evaluation.objects.exclude(state='scored').count())"
    while int(manage(site, count)):
        time.sleep(1)


def upload(page: Page, site: Site, file: Path) -> tuple[int, float, float]:
    """One upload: the submission's number, when Upload was pressed, and when the browser showed the result."""
    page.goto(f"{site.address}/courses/cs329s_2024/milestones/basic-inference/")
    page.set_input_files("input[type=file]", file)
    pressed = time.time()
    page.get_by_role("button", name="Upload").click()
    page.wait_for_url("**/submissions/*/", wait_until="commit")
    page.get_by_role("heading", name="What is wrong, and what to do").wait_for()
    return int(page.url.rstrip("/").rsplit("/", 1)[1]), pressed, time.time()


def main(uploads: int) -> None:
    sample = registry.get(1).folder / "samples" / SAMPLE
    with served_clone() as site, sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        file = samples.pack(sample, Path(folder) / f"{SAMPLE}.zip")
        wait_until_idle(site)
        browser = launch(playwright)
        page = browser.new_page()
        page.goto(f"{site.address}/sign-in/")
        page.get_by_label("User name").fill(STUDENT)
        page.get_by_label("Password").fill(site.password)
        page.keyboard.press("Enter")
        page.wait_for_url(f"{site.address}/")
        rows = [upload(page, site, file) for _ in range(uploads + 1)][1:]  # the first one warms up
        browser.close()
        program = (
            "from grading.models import Evaluation\n"
            "for e in Evaluation.objects.all(): print(e.submission_id, e.finished_at.timestamp())"
        )
        published = {int(line.split()[0]): float(line.split()[1]) for line in manage(site, program).splitlines()}
    result = [published[number] - pressed for number, pressed, _ in rows]
    shown = [seen - pressed for _, pressed, seen in rows]
    print_table(
        f"A newcomer: one clean clone, {uploads} uploads of a package that crashes at import, seconds",
        [
            ["", "median (smallest to largest)", "aim"],
            ["upload pressed until the result is published", spread(result), "under 1 at the median"],
            ["upload pressed until the browser shows it", spread(shown), ""],
            ["clean clone until a page is served", f"{site.set_up_seconds:.0f}", "under 120"],
        ],
    )
    print("  Set-up includes Python packages and the sandbox runtime; the system's packages were there already.")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--uploads", type=int, default=15)
    main(parser.parse_args().uploads)
