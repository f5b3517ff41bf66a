"""Front-end libraries that arrive inside Python wheels, offered to ``collectstatic`` one file at a time.

A folder in ``STATICFILES_DIRS`` would publish everything that lies beside the wanted file (Plotly's sample data and
notebook widgets); this finder knows exactly which files the pages use.
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from django.contrib.staticfiles.finders import BaseFinder
from django.contrib.staticfiles.utils import matches_patterns
from django.core.files.storage import FileSystemStorage, Storage

#: Static name -> (package, path inside the package).
WHEEL_FILES = {"vendor/plotly.min.js": ("plotly", "package_data/plotly.min.js")}


def _path_in_wheel(package: str, relative: str) -> Path:
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise FileNotFoundError(f"The package {package} is not installed; run make setup.")
    return Path(spec.origin).parent / relative


class WheelFilesFinder(BaseFinder):
    """Finds the files of ``WHEEL_FILES`` under their static names."""

    def check(self, **kwargs: object) -> list:
        return []

    def find(self, path: str, find_all: bool = False, **kwargs: object) -> str | list[str]:
        if path not in WHEEL_FILES:
            return []
        found = str(_path_in_wheel(*WHEEL_FILES[path]))
        return [found] if find_all else found

    def list(self, ignore_patterns: list[str] | None) -> Iterator[tuple[str, Storage]]:
        for name, (package, relative) in WHEEL_FILES.items():
            if matches_patterns(name, ignore_patterns or []):
                continue
            file = _path_in_wheel(package, relative)
            storage = FileSystemStorage(location=str(file.parent))
            # collectstatic joins this prefix in front of the name that it reads from the storage.
            storage.prefix = str(Path(name).parent)
            yield file.name, storage
