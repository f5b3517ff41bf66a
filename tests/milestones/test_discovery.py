"""Finding the framework in an upload by names alone."""

import pytest

from milestones.contract import UnusableInput
from milestones.discovery import find_package


def test_a_package_in_the_top_folder_is_found():
    assert find_package(["tinytorch/__init__.py", "tinytorch/core/tensor.py"]).root == "tinytorch"


def test_a_repository_in_one_top_folder_is_found():
    location = find_package(["my-repo/README.md", "my-repo/tinytorch/core/tensor.py", "my-repo/tests/test_tensor.py"])
    assert location.root == "my-repo/tinytorch"


@pytest.mark.parametrize("folder", ["src", "srcs"])
def test_a_package_under_a_source_folder_is_found(folder):
    assert find_package([f"{folder}/tinytorch/core/tensor.py"]).root == f"{folder}/tinytorch"


def test_a_core_folder_alone_makes_what_holds_it_the_package():
    assert find_package(["core/tensor.py", "core/layers.py"]).root == ""
    assert find_package(["mine/core/tensor.py", "mine/core/layers.py"]).root == "mine"


def test_the_contents_of_core_alone_are_a_package():
    assert find_package(["tensor.py", "layers.py"]).root == ""


def test_a_framework_in_the_manner_of_pytorch_is_found():
    assert find_package(["lib/nn/__init__.py", "lib/nn/linear.py"]).root == "lib"


def test_a_folder_named_tinytorch_beats_another_with_a_tensor():
    location = find_package(["tinytorch/core/tensor.py", "playground/tensor.py"])
    assert (location.root, location.notes) == (
        "tinytorch",
        ("Assessed tinytorch; also found and not used: playground.",),
    )


def test_checkpoints_and_builds_are_not_taken_for_a_second_package():
    names = ["tinytorch/core/tensor.py", "build/lib/tinytorch/core/tensor.py", "__MACOSX/tinytorch/core/._tensor.py"]
    assert find_package(names).root == "tinytorch"


def test_two_equal_packages_are_refused_and_named():
    with pytest.raises(UnusableInput, match=r"2 TinyTorch packages \(new/tinytorch, old/tinytorch\)"):
        find_package(["old/tinytorch/core/tensor.py", "new/tinytorch/core/tensor.py"])


def test_submission_and_weights_are_found_beside_the_package():
    location = find_package(["tinytorch/core/tensor.py", "submission.py", "weights/mnist.npz", "data/other.npz"])
    assert (location.submission, location.weights) == ("submission.py", ("weights/mnist.npz",))


def test_a_submission_of_somebody_else_s_tool_is_not_taken():
    assert find_package(["tinytorch/core/tensor.py", "tito/core/submission.py"]).submission == ""


def test_a_single_file_is_a_framework():
    assert find_package(["milestone1_sample.py"]).single == "milestone1_sample.py"


def test_notebooks_are_exported_where_there_is_no_package():
    assert find_package(["01_tensor.ipynb", "02_layers.ipynb"]).notebooks == ("01_tensor.ipynb", "02_layers.ipynb")


def test_a_package_is_found_within_a_repository_of_the_same_name():
    names = ["TinyTorch/README.py", "TinyTorch/tinytorch/__init__.py", "TinyTorch/tinytorch/engine/values.py"]
    assert find_package(names).root == "TinyTorch/tinytorch"


def test_a_numbered_folder_holds_sources_and_is_no_package():
    names = ["modules/01_tensor/tensor.py", "modules/02_activations/activations.py", "modules/01_tensor/test_tensor.py"]
    assert find_package(names).notebooks == tuple(names[:2])


def test_sources_beside_a_package_are_kept_for_what_it_lacks_notebooks_first():
    names = ["tinytorch/core/tensor.py", "modules/02_x/x.py", "modules/02_x/x.ipynb", "src/02_x/02_x.py", "03_y.ipynb"]
    location = find_package(names)
    assert (location.root, location.notebooks) == ("tinytorch", ())
    assert location.sources == ("modules/02_x/x.ipynb", "modules/02_x/x.py", "03_y.ipynb")


def test_the_course_s_src_counts_where_there_are_no_modules():
    names = ["tinytorch/core/tensor.py", "src/02_layers/02_layers.py"]
    assert find_package(names).sources == ("src/02_layers/02_layers.py",)


def test_helpers_do_not_hide_a_single_file():
    assert find_package(["mine.py", "setup.py", "test_mine.py", "conftest.py", "submission.py"]).single == "mine.py"


def test_a_file_called_tinytorch_is_the_framework_among_others():
    assert find_package(["tinytorch.py", "train.py", "plots.py"]).single == "tinytorch.py"


def test_a_project_in_another_language_is_named():
    with pytest.raises(UnusableInput, match=r"No Python TinyTorch package found \(this looks like a C\+\+ project\)"):
        find_package(["tinytorch/tensor.cpp", "CMakeLists.txt"])


def test_python_files_without_a_framework_say_what_was_looked_for():
    with pytest.raises(UnusableInput, match=r"among 2 Python files; looked for a folder named tinytorch"):
        find_package(["a/main.py", "b/other.py"])


def test_the_scripts_of_a_starter_kit_are_no_framework():
    kit = [f"kit/{name}" for name in ("compare_cnn_vs_dense.py", "milestone_evaluator/milestones/lab.py")]
    with pytest.raises(UnusableInput):
        find_package(kit)
    assert find_package([*kit, "kit/tinytorch.py"]).single == "kit/tinytorch.py"
    assert find_package([*kit, "mine.py"]).single == "mine.py"
    assert find_package([*kit, "kit/tinytorch/core/tensor.py"]).root == "kit/tinytorch"
