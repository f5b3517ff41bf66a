"""Code quality is judged on the code that is assessed, in whatever files it comes."""

import pytest

from milestones.evaluate import evaluate
from tests.milestones.packages import notebook, sample, single_file, write

pytestmark = pytest.mark.sandbox

MODULES = {
    name.rsplit("/", 1)[-1].removesuffix(".py"): str(text)
    for name, text in sample().items()
    if name.startswith("tinytorch/core/") and not name.endswith("__init__.py")
}
QUALITY = ("code_errors", "code_docstrings", "code_complexity")
COUNTS = {"training_steps": 11, "test_images": 200}


def quality(files, folder):
    result = evaluate(1, write(files, folder), seed=1, counts=COUNTS)
    return {found.key: found.value for found in result.measurements if found.key in QUALITY}


@pytest.fixture(scope="module")
def of_the_package(tmp_path_factory):
    return quality(
        {f"tinytorch/core/{name}.py": text for name, text in MODULES.items()}, tmp_path_factory.mktemp("whole")
    )


def test_notebooks_are_judged_like_the_modules_they_export(of_the_package, tmp_path):
    files = {
        f"{number:02}_{name}.ipynb": notebook(f"#| default_exp core.{name}", f"#| export\n{text}")
        for number, (name, text) in enumerate(MODULES.items())
    }
    # The first line of a module is its docstring no more, and nothing else differs.
    assert quality(files, tmp_path) == pytest.approx(of_the_package, abs=0.03)


def test_a_twin_and_other_files_beside_a_notebook_are_not_judged(of_the_package, tmp_path):
    files = {
        f"modules/{number:02}_{name}/{name}.ipynb": notebook(f"#| default_exp core.{name}", f"#| export\n{text}")
        for number, (name, text) in enumerate(MODULES.items())
    }
    untidy = "import os, sys\n" * 200
    twins = {
        file.replace(".ipynb", ".py"): f"#| default_exp core.{name}\n#| export\n{untidy}"
        for file, name in zip(files, MODULES, strict=True)
    }
    assert quality({**files, **twins, "tools/untidy.py": untidy}, tmp_path) == pytest.approx(of_the_package, abs=0.03)


def test_one_missing_quote_is_one_error(tmp_path):
    broken = "x = 'it\nit is a long, long story: lambda for while\n" * 300
    found = quality(
        {**{f"tinytorch/core/{name}.py": text for name, text in MODULES.items()}, "tinytorch/core/a.py": broken},
        tmp_path,
    )
    assert found["code_errors"] > 0.95


def test_no_code_earns_no_quality(tmp_path):
    assert quality({"01_tensor.ipynb": notebook("print('nothing to export')")}, tmp_path) == dict.fromkeys(QUALITY, 0.0)


def test_a_single_file_is_judged_alone(tmp_path):
    found = quality({"milestone1_sample.py": single_file(sample()), "test_it.py": "import os, sys\n" * 500}, tmp_path)
    assert found["code_errors"] > 0.8
