"""A sixth milestone is a sixth folder: the files of milestones/README.md, put into an empty one, from upload to class chart."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from django.urls import reverse

from grading.models import CourseMilestone, Evaluation, MilestoneResult
from milestones import registry
from milestones.catalog import samples
from milestones.catalog.table import rows
from milestones.kits import contents
from tests.conftest import CHECKOUT, Worker, place, wait_until
from tests.visiting import client_of, rows_of, text_of, upload

README = CHECKOUT / "milestones" / "README.md"
SLUG = "linear-algebra"


@pytest.fixture
def catalogue(tmp_path, monkeypatch) -> Path:
    """A folder with what the README shows, and the setting that names it."""
    folder = tmp_path / "milestones-of-our-own"
    blocks = re.findall(r"^`(linear_algebra/[^`]+)`[^\n]*\n\n```\w+\n(.*?)^```$", README.read_text(), re.M | re.S)
    for name, text in blocks:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    monkeypatch.setenv("MILESTONES_DIR", str(folder))
    return folder


def test_the_readme_shows_a_whole_milestone(catalogue):
    assert sorted(path.relative_to(catalogue).as_posix() for path in catalogue.rglob("*") if path.is_file()) == [
        "linear_algebra/evaluation.py",
        "linear_algebra/rubric.toml",
        "linear_algebra/samples/always_biased/sample.toml",
        "linear_algebra/samples/one_file/sample.toml",
        "linear_algebra/samples/one_file/tinytorch.py",
        "linear_algebra/starter/test_linearity.py",
    ]
    assert registry.get(SLUG).rubric.number == 6
    assert {milestone.rubric.number for milestone in registry.catalog()} > {1, 6}


def test_its_samples_get_the_verdicts_that_they_state(catalogue):
    milestone = registry.get(SLUG)
    found = list(rows([(milestone, sample) for sample in samples.list_samples(milestone.folder)]))
    assert {row.sample.name: row.differences for row in found} == {"always_biased": [], "one_file": []}


def test_its_starter_kit_says_at_home_what_the_server_says(catalogue, tmp_path):
    milestone = registry.get(SLUG)
    zipfile.ZipFile(io.BytesIO(contents.pack(milestone))).extractall(tmp_path)
    kit = tmp_path / contents.name_of(milestone)
    for sample, code in (("one_file", 0), ("always_biased", 1)):
        (kit / "tinytorch.py").write_bytes(samples.files_of(milestone.folder / "samples" / sample)["tinytorch.py"])
        ended = subprocess.run(
            [sys.executable, "test_linearity.py"],
            cwd=kit,
            env={"HOME": str(tmp_path)},
            capture_output=True,
            check=False,
        )
        assert ended.returncode == code, ended.stderr.decode()


@pytest.fixture
def worker_that_knows_it(catalogue, _session_worker, transactional_db, tmp_path):
    """A worker started with the setting, instead of the session's."""
    if _session_worker.process is not None and _session_worker.process.poll() is None:
        _session_worker.stop()
    (tmp_path / "worker").mkdir()
    worker = Worker(_session_worker.slot, tmp_path / "worker")
    worker.start()
    yield worker
    worker.stop()


@pytest.mark.sandbox
def test_it_goes_from_upload_to_chart(course, alice, ivy, catalogue, worker_that_knows_it, tmp_path):
    rubric = registry.get(SLUG).rubric
    milestone = CourseMilestone.objects.create(
        course=course, milestone=rubric.slug, number=rubric.number, weight=rubric.weight
    )
    student = client_of(alice)
    page = text_of(student.get(reverse("milestone", args=[course.slug, SLUG])))
    assert "I know what my layers are!" in page
    packed = samples.pack(catalogue / "linear_algebra" / "samples" / "one_file", tmp_path / "mine.zip")
    answer = upload(student, milestone, packed.read_bytes(), accept="application/json")
    assert answer.status_code == 201, answer.content
    evaluation = Evaluation.objects.get()

    def is_final():
        evaluation.refresh_from_db()
        return evaluation.state in Evaluation.FINAL

    wait_until(is_final, seconds=90, what="the result")
    assert evaluation.state == Evaluation.State.SCORED, (
        evaluation.failure,
        worker_that_knows_it.log.read_text()[-3000:],
    )
    assert (evaluation.score, evaluation.benchmark_met) == (100.0, True)
    result = text_of(student.get(json.loads(answer.content)["url"]))
    assert "A layer without a bias is linear" in result
    assert "Linear Algebra" in result
    assert MilestoneResult.objects.get(course_milestone=milestone, enrollment=place(alice)).completed
    overview = text_of(client_of(ivy).get(reverse("course", args=[course.slug]), {"milestone": SLUG}))
    assert "Linear Algebra" in overview
    table = rows_of(client_of(ivy).get(reverse("chart_csv", args=[course.slug, "completion"])))
    assert any("Linear Algebra" in " ".join(row) for row in table), table
