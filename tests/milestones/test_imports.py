"""What importing a package may do, and what one bad module must not do to the others."""

import py_compile
import textwrap
from pathlib import Path

import pytest

from milestones.contract import Status
from milestones.proxy import connection
from tests.milestones.packages import changed, everywhere, look_at, moved, sample
from tests.milestones.test_packages import assert_whole

pytestmark = pytest.mark.sandbox

PACKAGE = moved(sample(), "tinytorch/", "tinytorch/")
TENSOR, LAYERS = "tinytorch/core/tensor.py", "tinytorch/core/layers.py"
INIT = "tinytorch/__init__.py"


def with_module(source, *, name="extra", imported=False):
    """The package with one more module, which its ``__init__.py`` imports or not."""
    files = {**PACKAGE, f"tinytorch/core/{name}.py": textwrap.dedent(source)}
    return {**files, INIT: f"from tinytorch.core import {name}\n{PACKAGE[INIT]}"} if imported else files


def with_start(source):
    """The package with lines at the beginning of its first module."""
    return {**PACKAGE, TENSOR: textwrap.dedent(source) + str(PACKAGE[TENSOR])}


@pytest.mark.parametrize(
    "source",
    [
        pytest.param("print('🔥 Tensor ready! \\x1b[31m', end='\\r')\n", id="prints and emoji"),
        pytest.param("print('x' * 200_000)\n", id="prints much"),
        pytest.param("import sys\nsys.stdout = sys.stderr = open('/dev/null', 'w')\n", id="replaces the output"),
        pytest.param("import sys\nsys.stdout.close()\n", id="closes the output"),
        pytest.param("import os\nos.closerange(3, 60)\n", id="closes descriptors"),
        pytest.param(
            "import numpy\nnumpy.set_printoptions(precision=2)\nnumpy.seterr(all='raise')\n", id="errors of NumPy"
        ),
        pytest.param("import numpy\nnumpy.random.seed = print\nnumpy.float_ = numpy.float64\n", id="patches NumPy"),
        pytest.param("import warnings\nwarnings.simplefilter('error')\n", id="warnings as errors"),
        pytest.param("import sys\nsys.setrecursionlimit(300)\n", id="a low recursion limit"),
        pytest.param("import sys\nsys.setrecursionlimit(10**6)\n", id="a high recursion limit"),
        pytest.param("import os\nos.chdir('/')\n", id="goes elsewhere"),
        pytest.param("import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n", id="handles signals"),
        pytest.param("open('notes.txt', 'w').write('x')\nimport os\nos.makedirs('checkpoints')\n", id="writes files"),
        pytest.param("import threading\nthreading.Thread(target=print, daemon=True).start()\n", id="starts a thread"),
        pytest.param(
            "import sys\nsys.path.insert(0, '..')\nsys.path.append('tinytorch/core')\n", id="changes the path"
        ),
        pytest.param("def test_it():\n    assert 1 + 1 == 2\n    print('ok')\ntest_it()\n", id="tests at import"),
        pytest.param("import scipy.special, matplotlib.pyplot, psutil, rich\n", id="imports what the course uses"),
        pytest.param("import random\nrandom.seed(1)\nimport numpy\nnumpy.random.seed(1)\n", id="seeds"),
    ],
)
def test_what_a_module_does_at_import_costs_no_points(source, tmp_path):
    seen = look_at(with_start(source), tmp_path)
    assert_whole(seen)
    assert seen.report.failed == {}


FAILING = {
    "an error": ("1 / 0", "ZeroDivisionError: division by zero (at tinytorch/core/extra.py:1 in <module>)"),
    "sys.exit": ("import sys\nsys.exit('bye')", "SystemExit: bye (at tinytorch/core/extra.py:2 in <module>)"),
    "an interrupt": ("raise KeyboardInterrupt", "KeyboardInterrupt (at tinytorch/core/extra.py:1 in <module>)"),
    "too much memory": ("x = bytearray(1 << 34)", "MemoryError (at tinytorch/core/extra.py:1 in <module>)"),
    "endless recursion": ("def f():\n    return f()\nf()", "RecursionError: maximum recursion depth exceeded"),
    "a missing library": ("import torch", "ModuleNotFoundError: No module named 'torch'"),
    "an error without words": (
        "class E(Exception):\n    __str__ = None\nraise E",
        "E: (its message could not be read)",
    ),
    "a message of many lines": ("raise ValueError('a\\n\\tb\\x1b[31m' + 'c' * 5000)", "ValueError: a b"),
}


@pytest.mark.parametrize("imported", [False, True], ids=["alone", "by the package"])
@pytest.mark.parametrize("name", FAILING)
def test_one_module_that_fails_is_named_and_the_rest_is_whole(name, imported, tmp_path):
    source, reason = FAILING[name]
    seen = look_at(with_module(source, imported=imported), tmp_path, train=not imported)
    assert seen.wrong == {}
    assert seen.report.failed["tinytorch.core.extra"].startswith(reason)
    assert set(seen.report.failed) == ({"tinytorch", "tinytorch.core.extra"} if imported else {"tinytorch.core.extra"})


@pytest.mark.parametrize("imported", [False, True], ids=["alone", "by the package"])
@pytest.mark.parametrize(
    ("source", "reason"),
    [
        pytest.param("import os\nos._exit(5)", "importing it ends the program (exit status 5)", id="os._exit"),
        pytest.param(
            "import os\nos.abort()", "importing it ends the program: The program was ended by SIGABRT", id="abort"
        ),
        pytest.param("import os\nos.closerange(3, 256)", "importing it ends the program", id="hangs up"),
        pytest.param("while True: pass", "computed for more than 0.5 seconds and was stopped", id="an endless loop"),
        pytest.param(
            "while True:\n    try:\n        sum(range(1000))\n    except BaseException: pass",
            "importing it takes over 0.5 CPU seconds",
            id="an endless loop that can't be interrupted",
        ),
        pytest.param("import time\ntime.sleep(100)", "importing it takes for ever", id="a long sleep"),
    ],
)
def test_one_module_that_ends_or_holds_up_the_program_is_left_out(source, reason, imported, tmp_path, monkeypatch):
    # The limit is a setting; a second of the tests' time is dearer than a student's.
    monkeypatch.setattr(connection, "IMPORT_SECONDS", 0.5)
    seen = look_at(with_module(source, imported=imported), tmp_path, train=False)
    assert seen.wrong == {}
    assert seen.report.failed["tinytorch.core.extra"].startswith(reason)
    assert len(seen.report.loaded) == (8 if imported else 9)


def test_two_modules_that_end_the_program_are_both_left_out(tmp_path):
    files = with_module("import os\nos._exit(1)", name="one", imported=True)
    files["tinytorch/core/two.py"] = "import os\nos._exit(2)"
    files["tinytorch/core/three.py"] = "from tinytorch.core import two"
    seen = look_at(files, tmp_path, train=False)
    assert seen.wrong == {}
    assert seen.report.failed["tinytorch.core.two"] == "importing it ends the program (exit status 2)"
    assert seen.report.failed["tinytorch.core.three"].startswith("ImportError: tinytorch.core.two was not imported")


def test_a_package_whose_heart_ends_the_program_is_a_clear_result(tmp_path):
    seen = look_at({**PACKAGE, TENSOR: "import os\nos._exit(0)"}, tmp_path, train=False)
    assert not seen.report.usable
    assert seen.report.failed["tinytorch.core.tensor"] == "importing it ends the program (exit status 0)"


def test_a_slow_module_does_not_pay_for_the_time_of_others(tmp_path, monkeypatch):
    monkeypatch.setattr(connection, "IMPORT_SECONDS", 1.0)
    busy = "import time\nstart = time.process_time()\nwhile time.process_time() < start + 0.6: pass\n"
    files = {**PACKAGE, **{f"tinytorch/core/slow_{number}.py": busy for number in range(3)}}
    seen = look_at(files, tmp_path, train=False)
    assert (seen.wrong, seen.report.failed) == ({}, {})


# -- files and names -------------------------------------------------------------------------------------------------------


def test_files_of_the_repository_are_found_by_relative_names(tmp_path):
    files = {**with_start("print(open('configs/default.yaml').read())\n"), "configs/default.yaml": "rate: 0.1 🔥"}
    seen = look_at(moved(files, "", "src/") | {"configs/default.yaml": "rate: 0.1 🔥"}, tmp_path, train=False)
    assert (seen.wrong, seen.report.failed) == ({}, {})
    assert "rate: 0.1 🔥" in seen.log


def test_a_module_found_by_a_relative_path_is_the_same_module(tmp_path):
    """The course's first edition imports ``tensor_dev`` by a path relative to the repository's top."""
    files = changed(
        PACKAGE,
        LAYERS,
        (
            "from tinytorch.core.tensor import Tensor",
            "import os, sys\n\nsys.path.append(os.path.abspath('tinytorch/core'))\nfrom tensor import Tensor",
        ),
    )
    assert_whole(look_at(files, tmp_path))


SHADOWS = ("numpy", "random", "json", "socket", "inspect", "milestones", "collections", "typing", "warnings")


@pytest.mark.parametrize("folder", ["", "tinytorch/", "tinytorch/core/"], ids=["top", "package", "core"])
def test_a_students_file_does_not_stand_in_for_a_library(folder, tmp_path):
    shadows = {f"{folder}{name}.py": "raise RuntimeError('not the real one')" for name in SHADOWS}
    files = {
        **with_start("import numpy, random, json\nassert numpy.ndarray and random.random() and json.dumps([])\n"),
        **shadows,
    }
    seen = look_at(files, tmp_path)
    assert_whole(seen)
    # Files beside the package are not part of it; those inside are modules like any other, and these are broken.
    assert len(seen.report.failed) == (len(SHADOWS) if folder else 0)


def test_a_students_own_module_called_like_one_of_ours_is_theirs(tmp_path):
    files = with_start("import milestones\nassert milestones.ANSWER == 42\n")
    assert_whole(look_at({**files, "milestones.py": "ANSWER = 42\n"}, tmp_path))


def test_contents_of_core_beside_a_library_s_name_are_whole(tmp_path):
    files = everywhere(moved(PACKAGE, "tinytorch/core/", ""), "tinytorch.core.", "")
    seen = look_at(
        {**everywhere(files, "from tinytorch.core import", "import"), "numpy.py": "ndarray = None"}, tmp_path
    )
    assert_whole(seen)


def test_a_compiled_file_does_not_stand_in_for_its_source(tmp_path):
    """Python would take a ``.pyc`` that says it needs no check; what is read and what runs must be the same."""
    other = tmp_path / "other.py"
    other.write_text("raise RuntimeError('the compiled file ran')\n")
    unchecked = py_compile.PycInvalidationMode.UNCHECKED_HASH
    compiled = Path(py_compile.compile(str(other), cfile=str(tmp_path / "other.pyc"), invalidation_mode=unchecked))
    versions = {f"tinytorch/core/__pycache__/layers.cpython-{v}.pyc": compiled.read_bytes() for v in (311, 312, 313)}
    assert_whole(look_at({**PACKAGE, **versions}, tmp_path))


def test_only_classes_of_the_submission_count(tmp_path):
    files = changed(
        PACKAGE, "tinytorch/core/activations.py", ("class ReLU(", "from decimal import Context as ReLU\n\n\nclass Old(")
    )
    seen = look_at(files, tmp_path, train=False)
    assert "relu" in seen.report.missing
    assert {name.partition(".")[0] for name in seen.report.components.values()} == {"tinytorch"}


# -- how sources are written -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "encode",
    [
        pytest.param(lambda text: text.replace("\n", "\r\n").encode(), id="carriage returns"),
        pytest.param(lambda text: text.encode("utf-8-sig"), id="a byte order mark"),
        pytest.param(
            lambda text: f"# -*- coding: latin-1 -*-\n# Größe\n{text}".encode("latin-1"), id="latin-1 that says so"
        ),
        pytest.param(lambda text: text.replace("    ", "\t").encode(), id="tabs"),
    ],
)
def test_a_source_is_read_as_python_reads_it(encode, tmp_path):
    files = {name: encode(text) if name.endswith(".py") else text for name, text in PACKAGE.items()}
    assert_whole(look_at(files, tmp_path))


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("name = 'Größe'\n".encode("latin-1"), id="latin-1 that does not say so"),
        pytest.param("x = 1".encode("utf-16"), id="utf-16"),
        pytest.param(b"x = \0", id="a zero byte"),
        pytest.param(b"def f(:\n", id="a slip"),
        pytest.param(b"x = " + b"(" * 500 + b")" * 500, id="too deep"),
        pytest.param(b"\x7fELF", id="no text"),
    ],
)
def test_a_source_that_python_can_not_read_is_named_and_the_rest_is_whole(content, tmp_path):
    seen = look_at({**PACKAGE, "tinytorch/core/extra.py": content}, tmp_path, train=False)
    assert (seen.wrong, list(seen.report.syntax)) == ({}, ["tinytorch.core.extra"])


# -- stubs -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", ["pass", "raise NotImplementedError('your turn')", "return None"])
def test_a_stub_is_not_implemented_yet_and_the_rest_is_right(body, tmp_path):
    files = changed(PACKAGE, "tinytorch/core/activations.py", ("return apply(TanhOperation(x))", body))
    seen = look_at(files, tmp_path)
    assert seen.status("tanh_forward") is Status.NOT_IMPLEMENTED
    assert set(seen.wrong) == {"tanh_forward", "network_composition"}
    assert seen.learnt > 0.9


def test_backward_that_is_still_a_stub_means_forward_only(tmp_path):
    files = changed(
        PACKAGE, TENSOR, ("        autograd.run_backward(self, gradient)", "        raise NotImplementedError")
    )
    seen = look_at(files, tmp_path)
    assert (seen.wrong, seen.learnt) == ({}, None)
    assert seen.status("dense_gradient") is Status.INFORMATION


def test_backward_that_raises_is_told_where(tmp_path):
    files = changed(PACKAGE, TENSOR, ("        autograd.run_backward(self, gradient)", "        self.graph.sort()"))
    seen = look_at(files, tmp_path)
    assert seen.status("dense_gradient") is Status.CRASHED
    assert "tensor.py" in seen.measurements["dense_gradient"].message
