"""Loading the student's package: compile everything, import each module on its own, and report; one broken module
never fails the others."""

import importlib
import os
import re
import sys
import tempfile
import traceback
from pathlib import Path

from milestones.student import notebooks
from milestones.student.imports import StudentFinder, TooLong, deadline, surroundings_kept

NAME = "tinytorch"
SINGLE = "student_framework"
SUBMISSION = "submission"

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
    "__MACOSX",
    "build",
    "dist",
    "docs",
    "env",
    "examples",
    "node_modules",
    "scripts",
    "site-packages",
    "test",
    "tests",
    "venv",
}
# Programs, not modules: importing one would run it.
SKIPPED_MODULES = {"__main__", "setup", "conftest", "main", "demo", "run"}
# Folders that sources of a repository lie in, beside which the repository's own files are.
SOURCE_FOLDERS = {"src", "srcs", "python", "lib"}
MOST_MODULES = 300


class Package:
    """The student's package, opened but not yet imported.

    ``order`` are the modules to import as (dotted name, file), ``modules`` the imported ones by dotted name, ``report`` rows
    of (module, status, detail), where the status is ok, failed, stopped, syntax or exported.

    Parameters
    ----------
    base: the folder of the upload, such as ``/submission``.
    root: the package folder below it (the one that holds ``core/`` or ``tensor.py``), relative.
    single: a single file that is the whole framework, relative, instead of a package.
    exports: notebooks and sources (relative) to export: into a whole package where ``root`` holds none (``whole``),
        otherwise only for modules that the package lacks.
    submission: ``submission.py``, relative, where there is one.
    blocked: modules not to be imported, with reasons: an earlier attempt ended the program.
    import_seconds: CPU seconds that importing one module may take.
    """

    def __init__(
        self, *, base, root, single="", exports=(), whole=False, submission="", blocked=(), import_seconds=5.0
    ):
        self.base = Path(base)
        self.submission = submission
        self.import_seconds = import_seconds
        self.modules = {}
        self.report = []
        self.order = []
        self._origins = {}
        # Bare, without a sandbox, the upload is a copy that we may write to; inside it can't be written and /tmp is ours.
        writable = os.access(self.base, os.W_OK)
        self._scratch = Path(tempfile.gettempdir()) if not writable else self.base / ".scratch"
        self._export = self._scratch / "export"
        folder = self._export / NAME if whole else self.base / root
        self.finder = StudentFinder([self.base, self._export])
        self.finder.blocked.update(blocked)
        sys.meta_path.insert(0, self.finder)
        sys.dont_write_bytecode = True
        self._settle(folder, whole=whole, writable=writable)
        if exports:
            self._export_sources(exports, folder, whole=whole)
        if single:
            self.finder.files[SINGLE] = str(self.base / single)
            self._plan({SINGLE: self.base / single})
        else:
            self._plan(dict(self._package_files(folder)))
        if submission:
            self.finder.files[SUBMISSION] = str(self.base / submission)
            self._plan({SUBMISSION: self.base / submission})

    # -- places ----------------------------------------------------------------------------------------------------

    def _settle(self, folder, *, whole, writable):
        """Put the student's folders at the end of the import path, where a file called random.py can't stand in for
        Python's own, and work in a folder in which relative names of the repository's files mean these files."""
        project = self.base if whole else self._project(folder)
        places = [project, self.base, folder.parent, folder, folder / "core"]
        sys.path += [place for place in dict.fromkeys(map(str, places)) if place not in sys.path]
        if writable:
            os.chdir(project)
            return
        # The upload can't be written to, but student code may want to write beside its files: work in a folder of links.
        work = self._scratch / "work"
        work.mkdir(parents=True, exist_ok=True)
        for entry in sorted(project.iterdir())[:1000]:
            (work / entry.name).symlink_to(entry)
        os.chdir(work)

    def _project(self, folder):
        """The top of the repository, from which relative file names count."""
        if self.submission:
            return (self.base / self.submission).parent
        if folder == self.base:
            return self.base
        project = folder.parent
        return project.parent if project != self.base and project.name in SOURCE_FOLDERS else project

    def _export_sources(self, exports, folder, *, whole):
        """Write the modules that the package lacks; they are imported only when something asks for them."""
        written = notebooks.export(self.base, exports, self._export / NAME)
        if whole:
            return
        for dotted, (path, origin) in written.items():
            stem = folder.joinpath(*dotted.split("."))
            if not stem.with_suffix(".py").exists() and not (stem / "__init__.py").exists():
                self.finder.exported[f"{NAME}.{dotted}"] = str(path)
                self._origins[f"{NAME}.{dotted}"] = origin

    def _package_files(self, folder):
        """(dotted name, file) of every module of the package, tests, programs and build leftovers aside."""
        name = NAME
        self.finder.roots[NAME] = str(folder)
        if (folder / "tensor.py").exists() and not (folder / "core").exists() and folder.name.lower() != NAME:
            # The contents of core/ alone: its modules call one another tinytorch.core.
            name = f"{NAME}.core"
            self.finder.roots.update({NAME: "", name: str(folder)})
        for path in folder.rglob("*.py"):
            parts = path.relative_to(folder).with_suffix("").parts
            if any(part in SKIPPED_FOLDERS or part.startswith(".") for part in parts[:-1]):
                continue
            if not all(part.isidentifier() for part in parts) or parts[-1] in SKIPPED_MODULES:
                continue
            if parts[-1].startswith("test_") or parts[-1].endswith("_test"):
                continue
            if self.submission and path == self.base / self.submission:
                continue
            yield ".".join((name, *(parts[:-1] if parts[-1] == "__init__" else parts))), path

    def _plan(self, files):
        """Compile all; what compiles is to be imported, packages from the outside in, then modules as they are taught."""
        sound = {}
        for dotted, path in files.items():
            try:
                compile(path.read_bytes(), str(path), "exec", dont_inherit=True)
            except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
                self.report.append((dotted, "syntax", self.describe(error)))
                self._give_up(dotted, path)
            except OSError as error:
                self.report.append((dotted, "failed", self.describe(error)))
            else:
                sound[dotted] = path
            if dotted in self.finder.blocked:
                self._give_up(dotted, path)
        self.order += sorted(sound.items(), key=lambda item: _import_position(*item))[:MOST_MODULES]

    # -- importing -------------------------------------------------------------------------------------------------

    def import_at(self, index):
        """Import one module of ``order`` and report how it went."""
        dotted, path = self.order[index]
        if dotted in self.finder.blocked:
            self._failed(dotted, path, self.finder.blocked[dotted], status="stopped")
            return
        while True:
            try:
                with surroundings_kept(), deadline(self.import_seconds):
                    module = importlib.import_module(dotted)
            except TooLong as error:
                culprit = self._innermost(error) or dotted
                if culprit in self.finder.blocked:
                    culprit = dotted
                self.finder.blocked[culprit] = self.describe(error)
                if culprit != dotted:
                    continue
                self._failed(dotted, path, self.describe(error), status="stopped")
            except (
                BaseException
            ) as error:  # SystemExit and KeyboardInterrupt raised by an import are the student's as well
                self._failed(dotted, path, self.describe(error))
            else:
                self._imported(dotted, path, module)
            break
        _attach_children()

    def _imported(self, dotted, path, module):
        if not self._is_ours(module):
            self._failed(dotted, path, "Python found another module of this name elsewhere")
            return
        self.modules[dotted] = module
        self.report.append((dotted, "ok", ""))

    def _failed(self, dotted, path, reason, *, status="failed"):
        self.report.append((dotted, status, reason))
        self._give_up(dotted, path)

    def _give_up(self, dotted, path):
        if path.name == "__init__.py":
            self.finder.hollow.add(dotted)

    def _innermost(self, error):
        """The module whose own code was running when the time was up."""
        names = {os.path.realpath(path): dotted for dotted, path in self.order}
        found = [frame.filename for frame in traceback.extract_tb(error.__traceback__) if frame.name == "<module>"]
        return next((names[real] for name in reversed(found) if (real := os.path.realpath(name)) in names), None)

    def finish(self, needed):
        """After all imports: switch autograd on where it has a switch, and import from exported sources what is needed.

        ``needed`` are the class names, one of each tuple, without which nothing can be assessed.
        """
        for names in needed:
            if not any(hasattr(module, name) for module in self.modules.values() for name in names):
                self._import_exported_with(names)
        for dotted, origin in self._origins.items():
            if dotted in sys.modules:
                self.modules[dotted] = sys.modules[dotted]
                self.report.append((dotted, "exported", origin))
        self._enable_autograd()
        self.report.sort(key=lambda row: _teaching_position(row[0]))

    def _import_exported_with(self, names):
        pattern = re.compile(rf"^class ({'|'.join(names)})\b", re.M)
        for dotted, file in self.finder.exported.items():
            if pattern.search(Path(file).read_text(encoding="utf-8")):
                try:
                    with surroundings_kept(), deadline(self.import_seconds):
                        importlib.import_module(dotted)
                except BaseException as error:
                    self.report.append((dotted, "failed", self.describe(error)))
                    self.finder.blocked.setdefault(dotted, self.describe(error))

    def _enable_autograd(self):
        """Later generations patch Tensor when ``enable_autograd()`` is called; calling it twice is safe there."""
        switches = {}
        for dotted, module in self.modules.items():
            switch = vars(module).get("enable_autograd")
            if callable(switch) and self.is_students(switch):
                switches.setdefault(id(switch), (dotted, switch))
        for dotted, switch in switches.values():
            try:
                with surroundings_kept(), deadline(self.import_seconds):
                    switch()
            except BaseException as error:
                self.report.append((f"{dotted}.enable_autograd", "failed", self.describe(error)))

    # -- whose is it -----------------------------------------------------------------------------------------------

    def is_students(self, thing):
        """Whether a class or function was defined in the submission and nowhere else."""
        return self._is_ours(sys.modules.get(getattr(thing, "__module__", None) or ""))

    def _is_ours(self, module):
        path = getattr(module, "__file__", None)
        if path is None:
            return bool(getattr(module, "__path__", None)) and all(map(self.finder.is_inside, module.__path__))
        return self.finder.is_inside(path)

    def is_in_students_code(self, error):
        """Whether an exception was raised within the student's code, and not in a line of ours that used it wrongly."""
        return bool(self._frames(error, most=1))

    def describe(self, error):
        """One line for a person: the exception and where in the student's files it was raised."""
        try:
            text = str(error)
        except BaseException:
            text = "(its message could not be read)"
        where = self._frames(error, most=3)
        if isinstance(error, SyntaxError) and error.filename:
            where = [f"{Path(error.filename).name}:{error.lineno}"]
        kind = "" if isinstance(error, TooLong) else f"{type(error).__name__}: "
        line = f"{kind}{text}".strip()[:600].rstrip(": ")
        return line + (f" (at {', '.join(where)})" if where else "")

    def file_in_upload(self, filename):
        """The upload's own name of a file that student code was loaded from; None for any other."""
        for place in (self._export, self.base):
            if self.finder.is_inside(filename) and filename.startswith(f"{place}{os.sep}"):
                return filename[len(str(place)) + 1 :]
        return None

    def _frames(self, error, *, most):
        """The traceback of ``error`` in the terms of the student's own files: 'layers.py:41 in forward'."""
        rows = []
        for frame in traceback.extract_tb(error.__traceback__):
            file = self.file_in_upload(frame.filename)
            if file is not None:
                rows.append(f"{file}:{frame.lineno} in {frame.name}")
        return rows[-most:]


def _attach_children():
    """Make modules attributes of their packages again where a package was imported anew after its modules."""
    for dotted, module in list(sys.modules.items()):
        outer, _, last = dotted.rpartition(".")
        if dotted.startswith(f"{NAME}.") and outer in sys.modules and not hasattr(sys.modules[outer], last):
            setattr(sys.modules[outer], last, module)


def _teaching_position(dotted):
    last = dotted.rsplit(".", 1)[-1]
    return (TEACHING_ORDER.index(last) if last in TEACHING_ORDER else len(TEACHING_ORDER), dotted)


def _import_position(dotted, path):
    """Packages from the outside in, then modules in teaching order."""
    if path.name == "__init__.py":
        return (0, dotted.count("."), dotted)
    return (1, *_teaching_position(dotted))
