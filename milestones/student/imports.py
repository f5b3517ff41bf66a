"""How the student's modules are found and imported: each file once, whatever it is called by, and none for ever."""

import contextlib
import importlib.abc
import importlib.machinery
import importlib.util
import os
import signal
import sys


class TooLong(BaseException):
    """Raised inside a module that computes for too long at import; no ``except Exception`` of the student's stops it."""


class StudentFinder(importlib.abc.MetaPathFinder):
    """Answers imports of the student's own modules, before Python's own finders.

    - ``roots`` maps the names of packages to the folders that they really lie in ('' for one without a folder).
    - ``files`` maps the names of single modules to their files.
    - ``hollow`` names packages whose ``__init__.py`` is broken: they are only the way to their modules.
    - ``exported`` maps modules that the package lacks to files exported from its sources.
    - ``blocked`` maps modules that must not be imported again to the reason.
    - One file is one module: imported a second time by another name (``core.tensor`` beside ``tinytorch.core.tensor``)
      it is the same object, so that there is one Tensor class and not two.
    """

    def __init__(self, places):
        self.places = tuple(os.path.realpath(place) for place in places)
        self.roots = {}
        self.files = {}
        self.hollow = set()
        self.exported = {}
        self.blocked = {}
        self._by_file = {}

    def is_inside(self, path):
        """Whether a file belongs to the submission."""
        real = os.path.realpath(path)
        return any(real.startswith(place + os.sep) for place in self.places)

    def find_spec(self, name, path=None, target=None):
        if name in self.blocked and name not in self.hollow:
            raise ImportError(f"{name} was not imported: {self.blocked[name]}", name=name)
        spec = self._given(name) or importlib.machinery.PathFinder.find_spec(name, path, target) or self._exported(name)
        if spec is None:
            return None
        if spec.origin is None:
            return spec if name in self.roots or self._leads_to_exported(name) else None
        if not (self.is_inside(spec.origin) and spec.origin.endswith(".py")):
            return None
        if name in self.hollow:
            return _way(name, [os.path.dirname(spec.origin)])
        known = self._by_file.get(os.path.realpath(spec.origin))
        if known is not None:
            return _alias(name, known)
        loader = _Loader(name, spec.origin, self._by_file)
        return importlib.util.spec_from_file_location(
            name, spec.origin, loader=loader, submodule_search_locations=spec.submodule_search_locations
        )

    def _given(self, name):
        if name in self.files:
            return importlib.util.spec_from_file_location(name, self.files[name])
        if name not in self.roots:
            return None
        folder = self.roots[name]
        init = os.path.join(folder, "__init__.py")
        if folder and os.path.isfile(init):
            return importlib.util.spec_from_file_location(name, init, submodule_search_locations=[folder])
        return _way(name, [folder] if folder else [])

    def _exported(self, name):
        if name in self.exported:
            return importlib.util.spec_from_file_location(name, self.exported[name])
        return _way(name, []) if self._leads_to_exported(name) else None

    def _leads_to_exported(self, name):
        return any(exported.startswith(name + ".") for exported in self.exported)


class _Loader(importlib.machinery.SourceFileLoader):
    """Python's own loader, which also notes the module by its file and never takes a ``.pyc`` of the upload for it."""

    def __init__(self, name, path, by_file):
        super().__init__(name, path)
        self._by_file = by_file

    def get_code(self, fullname):
        return self.source_to_code(self.get_data(self.path), self.path)

    def exec_module(self, module):
        real = os.path.realpath(self.path)
        self._by_file[real] = module
        try:
            super().exec_module(module)
        except BaseException:
            self._by_file.pop(real, None)
            raise


class _AliasLoader(importlib.abc.Loader):
    """Hands out a module that is loaded already."""

    def __init__(self, module):
        self._module = module
        self._spec = module.__spec__

    def create_module(self, spec):
        return self._module

    def exec_module(self, module):
        # The import machinery has just put the alias's specification there; relative imports need the real one.
        module.__spec__ = self._spec


def _alias(name, module):
    spec = importlib.machinery.ModuleSpec(name, _AliasLoader(module), is_package=hasattr(module, "__path__"))
    if hasattr(module, "__path__"):
        spec.submodule_search_locations = list(module.__path__)
    return spec


def _way(name, folders):
    """The specification of a package with nothing in it but the way to its modules."""
    spec = importlib.machinery.ModuleSpec(name, None, is_package=True)
    spec.submodule_search_locations = folders
    return spec


@contextlib.contextmanager
def deadline(seconds):
    """Raise TooLong in the block once this process has computed for ``seconds`` in it. The grader's own clock, outside, is a
    little more patient, and ends what can't be interrupted from here."""

    def ring(number, frame):
        raise TooLong(f"computed for more than {seconds:g} seconds and was stopped")

    before = signal.signal(signal.SIGPROF, ring)
    signal.setitimer(signal.ITIMER_PROF, seconds, 1.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before if before is not None else signal.SIG_DFL)


@contextlib.contextmanager
def surroundings_kept():
    """Undo what an import does to the whole process beyond its own module: folder, NumPy's and Python's warnings, too
    small a recursion limit. All of these would make correct components fail later, for a reason that nobody sees."""
    import warnings

    import numpy as np

    folder, errors, filters = os.getcwd(), np.geterr(), warnings.filters[:]
    limit = sys.getrecursionlimit()
    try:
        yield
    finally:
        sys.setrecursionlimit(max(limit, sys.getrecursionlimit()))
        np.seterr(**errors)
        warnings.filters[:] = filters
        os.chdir(folder)
