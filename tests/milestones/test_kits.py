"""Starter kits, used as a student uses them: unpacked somewhere, run with ``python script.py``, compared with the server."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from milestones import archive, registry
from milestones.__main__ import main as command
from milestones.catalog import samples
from milestones.contract import Evaluation
from milestones.datasets.store import practice_digits
from milestones.discovery import find_package
from milestones.evaluate import evaluate, evaluator_version
from milestones.folders import state_folder
from milestones.kits import contents
from milestones.kits.run import met

SEED = 20_240_901
MILESTONES = {milestone.rubric.slug: milestone for milestone in registry.catalog()}

FULL = "computer_vision/samples/full_package"
#: The guide's scripts, each with the groups of checks behind it and a sample of the catalogue that it is tried on.
SCRIPTS = {
    "basic-inference": {"test_mnist_basic.py": ("mnist", "basic_inference/samples/full_autograd")},
    "computer-vision": {
        "test_mnist_cnn.py": ("convolution mnist", FULL),
        "compare_cnn_vs_dense.py": ("efficiency", FULL),
    },
    "full-training": {
        "train_cifar10_milestone.py": ("cifar10", "full_training/samples/stopped_too_early"),
        "analyze_training_dynamics.py": ("trainer cifar10", "full_training/samples/full_trainer"),
    },
    "advanced-vision": {
        # A trained network takes a minute and is measured in test_advanced_vision.py; this one does not fit the images.
        "test_cifar10_production.py": ("cifar10", "basic_inference/samples/forward_only"),
        "benchmark_production_model.py": ("efficiency memory", FULL),
        "test_model_deployment.py": ("deployment", FULL),
    },
    "language-generation": {
        "demo_text_generation.py": ("generation text", FULL),
        "analyze_component_reuse.py": ("unification reuse", "language_generation/samples/character_gpt"),
    },
}
#: What else the scripts ask for than the benchmark.
EVERY_CHECK = {"analyze_training_dynamics.py"}
RUNS = [(slug, script) for slug, scripts in SCRIPTS.items() for script in scripts]


@pytest.fixture(scope="module", autouse=True)
def _practice_data_is_drawn_already(tmp_path_factory):
    """A student's machine draws it once; here it is taken from where this project keeps its own."""
    practice_digits()
    cache = tmp_path_factory.mktemp("cache")
    shutil.copytree(state_folder() / "practice", cache / "tinytorch-assessment" / "practice")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("XDG_CACHE_HOME", str(cache))
        yield


@dataclass(frozen=True)
class Ended:
    """How a script ended."""

    code: int
    out: str
    error: str


def unpacked(slug: str, folder: Path) -> Path:
    """The kit of a milestone, unpacked; its own folder."""
    milestone = MILESTONES[slug]
    folder.mkdir(exist_ok=True)
    (folder / "kit.zip").write_bytes(contents.pack(milestone))
    with zipfile.ZipFile(folder / "kit.zip") as packed:
        for name in packed.namelist():
            packed.extract(name, folder)
    return folder / contents.name_of(milestone)


def with_sample(slug: str, sample: str, folder: Path) -> Path:
    """The kit with a sample's files put into its folder; ``sample`` is a folder of the catalogue."""
    kit = unpacked(slug, folder)
    for name, content in samples.files_of(registry.CATALOG / sample).items():
        path = kit / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name != "README.md":
            path.write_bytes(content)
    return kit


def run(kit: Path, script: str, *arguments: str, flags: tuple[str, ...] = (), **environment: str) -> Ended:
    """A script as a student's terminal runs it: no bubblewrap, no settings of the project, a home of its own."""
    nothing = kit.parent / "no-programs"
    nothing.mkdir(exist_ok=True)
    own = {"PATH": str(nothing), "HOME": str(kit.parent)}
    kept = {name: os.environ[name] for name in ("DATASETS_DIR", "XDG_CACHE_HOME") if name in os.environ}
    ended = subprocess.run(
        [sys.executable, *flags, script, *arguments],
        cwd=kit,
        env={**own, **kept, **environment},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    return Ended(ended.returncode, ended.stdout, ended.stderr)


def on_the_server(slug: str, script: str, package: Path, counts: dict[str, int]) -> tuple[Evaluation, bool | None]:
    """The same groups in the real sandbox, with the verdict that a script would give."""
    milestone, groups = MILESTONES[slug], SCRIPTS[slug][script][0].split()
    asked = replace(milestone, groups=tuple(group for group in milestone.groups if group.key in groups))
    result = evaluate(asked, package, seed=SEED, counts=counts)
    return result, met(asked, result, every_check=script in EVERY_CHECK)


@pytest.mark.parametrize(("slug", "script"), RUNS)
def test_a_script_says_what_the_server_says(slug, script, tmp_path):
    sample = SCRIPTS[slug][script][1]
    kit = with_sample(slug, sample, tmp_path)
    ended = run(kit, script, "--seed", str(SEED), "--json", "found.json")
    assert ended.error == ""
    here = json.loads((kit / "found.json").read_text())
    package = samples.materialise(registry.CATALOG / sample, tmp_path / "package")
    there, verdict = on_the_server(slug, script, package, here["counts"])
    assert ended.code == (0 if verdict else 1)
    assert [(m["key"], m["status"]) for m in here["measurements"]] == [
        (m.key, str(m.status)) for m in there.measurements
    ]
    assert [m["value"] for m in here["measurements"] if m["kind"] != "quantity"] == pytest.approx(
        [m.value for m in there.measurements if m.kind != "quantity"], abs=0.01
    )
    assert "not sandboxed" in here["resources"]["limits"]


def test_every_script_of_the_guide_is_in_its_kit_and_is_tried_here():
    assert SCRIPTS.keys() == MILESTONES.keys()
    for slug, milestone in MILESTONES.items():
        scripts = {path.name for path in (milestone.folder / "starter").glob("*.py")} - {contents.TEMPLATE}
        assert scripts == set(SCRIPTS[slug]), slug


def test_the_whole_milestone_gives_the_servers_score(tmp_path):
    kit = with_sample("basic-inference", "basic_inference/samples/leaky_relu", tmp_path)
    ended = run(kit, contents.WHOLE, "--seed", str(SEED), "--json", "found.json")
    here = json.loads((kit / "found.json").read_text())
    package = samples.materialise(MILESTONES["basic-inference"].folder / "samples" / "leaky_relu", tmp_path / "package")
    there = evaluate(1, package, seed=SEED, counts=here["counts"])
    assert here["score"] == pytest.approx(there.score, abs=0.2)
    assert (ended.code, here["benchmark_met"]) == (0, there.benchmark_met)
    assert [found["code"] for found in here["diagnoses"]] == [found.code for found in there.diagnoses]
    assert f"{here['score']:.1f} of 100" in ended.out


def test_a_kit_holds_the_evaluator_that_the_server_runs(tmp_path):
    kit = unpacked("basic-inference", tmp_path)
    asked = "from milestones.evaluate import evaluator_version; print(evaluator_version())"
    ended = subprocess.run(
        [sys.executable, "-c", asked], cwd=kit / "milestone_evaluator", capture_output=True, text=True, check=True
    )
    assert ended.stdout.strip() == evaluator_version()


def test_below_the_mark_ends_with_1_and_says_so(tmp_path):
    ended = run(
        with_sample("basic-inference", "basic_inference/samples/weak_weights", tmp_path),
        "test_mnist_basic.py",
        "--seed",
        "7",
    )
    assert ended.code == 1
    assert ended.out.endswith("test_mnist_basic.py: Not met.\n")


def test_a_mistake_is_named_with_what_to_do_about_it(tmp_path):
    ended = run(with_sample("basic-inference", "basic_inference/samples/no_weights", tmp_path), "test_mnist_basic.py")
    assert ended.code == 1
    assert "What is wrong: The package only goes forward" in ended.out


def test_without_a_package_it_ends_with_2_and_says_where_to_put_the_kit(tmp_path):
    for slug in MILESTONES:
        ended = run(unpacked(slug, tmp_path / slug), contents.WHOLE)
        assert (ended.code, ended.out) == (2, "")
        assert ended.error.startswith("No TinyTorch package was found in ")


@pytest.mark.parametrize(
    "arguments", [("nowhere",), ("--datasets", "nowhere"), ("--seed", "-1"), ("--seed", "many"), ("one", "two")]
)
def test_what_can_not_be_used_ends_with_2(tmp_path, arguments):
    kit = with_sample("basic-inference", "basic_inference/samples/forward_only", tmp_path)
    assert run(kit, "test_mnist_basic.py", *arguments).code == 2


def test_the_package_is_found_beside_the_kit_as_well(tmp_path):
    repository = samples.materialise(
        MILESTONES["basic-inference"].folder / "samples" / "forward_only", tmp_path / "mine"
    )
    ended = run(unpacked("basic-inference", repository), "test_mnist_basic.py", "--seed", "7")
    assert (ended.code, ended.out.splitlines()[0]) == (0, f"Assessing {repository} ...")


def test_without_numpy_it_says_how_to_get_it(tmp_path):
    ended = run(unpacked("basic-inference", tmp_path), "test_mnist_basic.py", flags=("-S",))
    assert (ended.code, ended.out) == (2, "")
    assert ended.error.startswith("NumPy is needed: ")


def test_without_ruff_code_quality_is_not_measured_and_all_else_is(tmp_path):
    kit = with_sample("basic-inference", "basic_inference/samples/forward_only", tmp_path)
    only_numpy = tmp_path / "only-numpy"
    only_numpy.mkdir()
    for part in ("numpy", "numpy.libs"):
        (only_numpy / part).symlink_to(Path(np.__file__).parents[1] / part)
    ended = run(kit, contents.WHOLE, "--json", "found.json", flags=("-S",), PYTHONPATH=str(only_numpy))
    found = {m["key"]: m for m in json.loads((kit / "found.json").read_text())["measurements"]}
    assert found["code_quality"]["status"] == "not_run"
    assert "pip install ruff" in found["code_quality"]["message"]
    assert (ended.code, found["mnist_accuracy"]["status"]) == (0, "passed")


@pytest.mark.parametrize("slug", SCRIPTS)
def test_the_template_changes_nothing_until_it_is_used(slug, tmp_path):
    kit = unpacked(slug, tmp_path)
    template = (kit / contents.TEMPLATE).read_text()
    scope: dict[str, object] = {}
    exec(compile(template, "submission.py", "exec"), scope)
    assert set(scope) == {"__builtins__", "__doc__"}


def used_template(text: str) -> str:
    """A template with all its hooks taken into use."""
    return "\n".join(
        line.removeprefix("# ").removeprefix("#") if line.startswith("#") else line for line in text.splitlines()
    )


def test_the_hooks_of_the_template_work_when_they_are_used(tmp_path):
    kit = with_sample("basic-inference", "basic_inference/samples/full_autograd", tmp_path)
    template = kit / contents.TEMPLATE
    template.write_text(used_template(template.read_text()))
    ended = run(kit, "test_mnist_basic.py", "--seed", "7")
    assert ended.code == 0
    assert "with your own train()" in ended.out


@pytest.mark.parametrize("slug", MILESTONES)
def test_the_readme_states_the_rubric(slug, tmp_path):
    rubric = MILESTONES[slug].rubric
    text = (unpacked(slug, tmp_path) / "README.md").read_text()
    for stated in (
        rubric.title,
        rubric.capability,
        rubric.badge,
        rubric.benchmark.title,
        *rubric.texts["deliverables"],
    ):
        assert stated in text
    for criterion in rubric.criteria:
        assert f"### {criterion.title}: {criterion.percent:g} %" in text
    for script in SCRIPTS[slug]:
        assert f"`{script}`" in text


@pytest.mark.parametrize("slug", MILESTONES)
def test_a_kit_is_small_has_no_samples_and_is_packed_the_same_twice(slug):
    packed = contents.pack(MILESTONES[slug])
    assert len(packed) < 1_000_000
    assert packed == contents.pack(MILESTONES[slug])
    assert [name for name in contents.files_of(MILESTONES[slug]) if "samples/" in name or name.endswith(".npz")] == []


def test_an_upload_with_the_kit_in_it_is_assessed_like_one_without(tmp_path):
    kit = with_sample("basic-inference", "basic_inference/samples/full_autograd", tmp_path)
    assert find_package(archive.read(kit).files).root == "tinytorch"
    names = archive.names(unpacked("basic-inference", tmp_path / "empty"))
    assert not any(find_package([*names, "tinytorch/core/tensor.py"]).notes)


def test_the_command_writes_the_kit(tmp_path, capsys):
    assert command(["kit", "1", str(tmp_path / "kit.zip")]) == 0
    assert (tmp_path / "kit.zip").read_bytes() == contents.pack(MILESTONES["basic-inference"])
    assert command(["kit", "99", str(tmp_path / "kit.zip")]) == 2
    assert command(["kit", "1", str(tmp_path / "no" / "kit.zip")]) == 2
    assert capsys.readouterr().err.count("\n") == 2


def test_a_system_without_linux_means_will_do(tmp_path):
    """As on macOS: no pidfd_open and no waitid. Whether anything else is missing there can't be seen on Linux."""
    kit = with_sample("basic-inference", "basic_inference/samples/forward_only", tmp_path)
    (tmp_path / "less").mkdir()
    (tmp_path / "less" / "sitecustomize.py").write_text("import os\ndel os.waitid, os.pidfd_open\n")
    ended = run(kit, "test_mnist_basic.py", PYTHONPATH=str(tmp_path / "less"))
    assert (ended.code, ended.error) == (0, "")
