"""Loading the student's package: compile everything, import each module on its own, and report; one broken module
never fails the others."""

import importlib
import importlib.util
import sys
import traceback
import types
from pathlib import Path

# Modules in the order in which the course teaches them: a module is imported after what it builds on, so that a report
# names the module that is broken and not the first one that imports it.
TEACHING_ORDER = (
    "tensor",
    "autograd",
    "activations",
    "layers",
    "dense",
    "networks",
    "losses",
    "optimizers",
    "training",
)
SKIPPED_FOLDERS = {
    "__pycache__",
    ".ipynb_checkpoints",
    ".virtual_documents",
    "__MACOSX",
    "build",
    "tests",
    "test",
    ".git",
    ".venv",
}
MOST_MODULES = 300


class Loaded:
    """The student's modules after import: ``modules`` by dotted name, ``report`` as (module, status, detail) rows."""

    def __init__(self, root):
        self.root = root
        self.modules = {}
        self.report = []
        self.submission_module = None

    def is_students(self, thing):
        """Whether a class or function was defined in the submission and nowhere else."""
        module = sys.modules.get(getattr(thing, "__module__", ""), None)
        path = getattr(module, "__file__", None) or ""
        return path.startswith(("/submission/", "/tmp/export/", str(self.root)))


def student_frames(error, root, most=6):
    """The traceback of ``error`` in the terms of the student's own files: 'layers.py:41 in forward'."""
    rows = []
    for frame in traceback.extract_tb(error.__traceback__):
        if frame.filename.startswith(("/submission", "/tmp/export", str(root))):
            short = frame.filename.removeprefix("/submission/").removeprefix("/tmp/export/")
            rows.append(f"{short}:{frame.lineno} in {frame.name}")
    return rows[-most:]


def describe(error, root):
    """One line for a person: the exception and where in the student's files it was raised."""
    try:
        text = str(error)
    except BaseException:
        text = "(its message could not be read)"
    where = student_frames(error, root, most=3)
    if isinstance(error, SyntaxError) and error.filename:
        where = [f"{Path(error.filename).name}:{error.lineno}"]
    line = f"{type(error).__name__}: {text}".strip()[:600]
    return line + (f" (at {', '.join(where)})" if where else "")


def load(*, base, root, name, single=None, submission=None):
    """Import every module of the package.

    Parameters
    ----------
    base: the folder of the upload, such as ``/submission``.
    root: the package folder below it (the one that holds ``core/`` or ``tensor.py``), relative.
    name: the name the package is imported by, ``tinytorch`` unless it calls itself otherwise.
    single: a single file that is the whole framework, relative, instead of a package.
    submission: ``submission.py``, relative, where there is one.
    """
    base = Path(base)
    folder = base / root
    loaded = Loaded(base)
    sys.dont_write_bytecode = True
    paths = [str(base)]
    if folder.name == name:
        paths.insert(0, str(folder.parent))
    sys.path[:0] = [path for path in dict.fromkeys(paths) if path not in sys.path]
    if single:
        _import_file(loaded, "student_framework", base / single)
        # Course code says ``from tinytorch.core.layers import Linear``; in a single file everything is in one room.
    else:
        if (folder / "tensor.py").exists() and not (folder / "core").exists() and folder.name != name:
            # The contents of core/ alone: its modules import one another as tinytorch.core.
            outer = _stand_in(name, None)
            name += ".core"
            outer.core = _stand_in(name, folder)
        elif folder.name != name or not (folder / "__init__.py").exists():
            _stand_in(name, folder)
        names = dict(_module_files(folder, name))
        broken = _compile_all(loaded, names)
        for dotted in sorted(names.keys() - broken, key=lambda dotted: _import_position(dotted, names[dotted]))[
            :MOST_MODULES
        ]:
            _import_module(loaded, dotted, names[dotted])
        loaded.report.sort(key=lambda row: _teaching_position(row[0]))
        _enable_autograd(loaded)
    if submission:
        path = base / submission
        sys.path.insert(0, str(path.parent))
        loaded.submission_module = _import_file(loaded, "submission", path)
    return loaded


def _stand_in(name, folder):
    """Let ``import tinytorch.core`` find a folder that is called otherwise, or whose own ``__init__.py`` is not there or
    broken: a package with nothing in it but the way to its modules."""
    package = types.ModuleType(name)
    package.__path__ = [str(folder)] if folder else []
    sys.modules[name] = package
    outer, _, last = name.rpartition(".")
    if outer in sys.modules:
        setattr(sys.modules[outer], last, package)
    return package


def _module_files(folder, name):
    """(dotted name, file) of every module below ``folder``, tests and build leftovers aside."""
    for path in folder.rglob("*.py"):
        parts = path.relative_to(folder).with_suffix("").parts
        if any(part in SKIPPED_FOLDERS or part.startswith(".") for part in parts):
            continue
        if not all(part.isidentifier() for part in parts) or parts[-1] in ("__main__", "setup", "conftest"):
            continue
        if parts[-1].startswith("test_") or parts[-1].endswith("_test"):
            continue
        yield ".".join((name, *(parts[:-1] if parts[-1] == "__init__" else parts))), path


def _teaching_position(dotted):
    last = dotted.rsplit(".", 1)[-1]
    return (TEACHING_ORDER.index(last) if last in TEACHING_ORDER else len(TEACHING_ORDER), dotted)


def _import_position(dotted, path):
    """Packages from the outside in, then modules in teaching order."""
    if path.name == "__init__.py":
        return (0, dotted.count("."), dotted)
    return (1, *_teaching_position(dotted))


def _compile_all(loaded, names):
    broken = set()
    for dotted, path in names.items():
        try:
            compile(path.read_bytes(), str(path), "exec", dont_inherit=True)
        except (SyntaxError, ValueError) as error:
            loaded.report.append((dotted, "syntax", describe(error, loaded.root)))
            broken.add(dotted)
            if path.name == "__init__.py":
                _stand_in(dotted, path.parent)
        except OSError:
            broken.add(dotted)
    return broken


def _import_module(loaded, dotted, path):
    try:
        loaded.modules[dotted] = importlib.import_module(dotted)
        loaded.report.append((dotted, "ok", ""))
    except BaseException as error:  # SystemExit and KeyboardInterrupt raised by an import are the student's as well
        loaded.report.append((dotted, "failed", describe(error, loaded.root)))
        if path.name == "__init__.py":
            _stand_in(dotted, path.parent)


def _import_file(loaded, dotted, path):
    spec = importlib.util.spec_from_file_location(dotted, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[dotted] = module
    try:
        compile(path.read_bytes(), str(path), "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        loaded.report.append((dotted, "syntax", describe(error, loaded.root)))
        return None
    try:
        spec.loader.exec_module(module)
    except BaseException as error:
        loaded.report.append((dotted, "failed", describe(error, loaded.root)))
        return None
    loaded.modules[dotted] = module
    loaded.report.append((dotted, "ok", ""))
    return module


def _enable_autograd(loaded):
    """Later generations patch Tensor when ``enable_autograd()`` is called; calling it twice is safe there."""
    for dotted, module in loaded.modules.items():
        if dotted.endswith("autograd") and callable(getattr(module, "enable_autograd", None)):
            try:
                module.enable_autograd()
            except BaseException as error:
                loaded.report.append((f"{dotted}.enable_autograd", "failed", describe(error, loaded.root)))
