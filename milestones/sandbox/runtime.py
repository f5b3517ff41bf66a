"""The slim Python that sandboxes run on: a folder that becomes the sandbox's whole root file system.

``python -m milestones.sandbox.runtime`` builds it; ``ensure_runtime`` builds it when it is missing. It holds the interpreter
and the standard library, the packages of ``requirements-sandbox.txt``, every shared library that these load, ``prlimit``,
``ruff`` and Radon (in a folder that only our inspector imports from), laid out as under ``/usr``, and nothing else of the
host. What is not in it cannot be imported: that is the allow-list. It is copied rather than mounted from where it is, because
pool users cannot read a Python under ``/root``, and because one mount starts faster than eight.
"""

from __future__ import annotations

import compileall
import functools
import hashlib
import importlib.metadata
import importlib.util
import os
import platform
import re
import shutil
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from milestones.contract import OurTrouble
from milestones.sandbox.places import CHECKOUT, base_folder, built_once

REQUIREMENTS = CHECKOUT / "requirements-sandbox.txt"

_DAY = 24 * 60 * 60.0

# Raise when the recipe below changes, so that machines build anew.
_RECIPE = 2
_VERSION = f"python{sys.version_info.major}.{sys.version_info.minor}"
_NOT_WANTED_OF_STDLIB = {
    "__pycache__",
    "test",
    "tests",
    "idlelib",
    "idle_test",
    "tkinter",
    "turtledemo",
    "turtle.py",
    "ensurepip",
    "lib2to3",
    "site-packages",
    "dist-packages",
    "sitecustomize.py",
    "EXTERNALLY-MANAGED",
}
_NOT_WANTED_OF_EXTENSIONS = re.compile(r"_tkinter|_test|_ctypes_test|_xx|xx")
_MOUNT_POINTS = ("proc", "dev", "tmp", "submission", "harness")
_LIBRARY = re.compile(r"^\s*(?:\S+ => )?(/\S+) \(0x[0-9a-f]+\)$", re.MULTILINE)


@dataclass(frozen=True)
class Runtime:
    """A built runtime. ``path`` is on the host; the others are paths inside the sandbox, where ``path`` is ``/``."""

    path: Path
    python: str = f"/usr/bin/{_VERSION}"
    site_packages: str = f"/usr/lib/{_VERSION}/site-packages"
    prlimit: str = "/usr/bin/prlimit"
    ruff: str = "/usr/bin/ruff"
    tools: str = "/usr/lib/tools"


def ensure_runtime() -> Runtime:
    """The runtime for this interpreter, these requirements and this machine, built now if it is not there yet.

    Building takes about half a minute, once; processes that come meanwhile wait for it. Raises OurTrouble.
    """
    folder = base_folder() / f"runtime-{_key()}"
    with built_once(folder) as hidden:
        if hidden is not None:
            _remove_unused(folder.parent)
            _build(hidden)
    # The time of last use, to the day, so that runtimes that nobody uses any more can be told.
    if time.time() - folder.stat().st_mtime > _DAY:
        os.utime(folder)
    return Runtime(folder)


def _remove_unused(base: Path) -> None:
    """Make room: delete runtimes that nobody has used for a fortnight (of older versions, of other checkouts)."""
    for folder in base.glob("runtime-*"):
        if time.time() - folder.stat().st_mtime > 14 * _DAY:
            shutil.rmtree(folder, ignore_errors=True)


@functools.cache
def _key() -> str:
    """Names the runtime by all that decides its contents."""
    if not REQUIREMENTS.exists():
        raise OurTrouble(f"{REQUIREMENTS.name} is missing; the sandbox runtime cannot be built without it.")
    facts = (
        str(_RECIPE),
        sys.version,
        platform.machine(),
        " ".join(platform.libc_ver()),
        hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest(),
        importlib.metadata.version("ruff") if _ruff() else "no ruff",
        importlib.metadata.version("radon") if _radon() else "no radon",
    )
    return hashlib.sha256("\0".join(facts).encode()).hexdigest()[:16]


def _build(root: Path) -> None:
    """Fill ``root``: 1. the interpreter and its library, 2. the packages, 3. the two programs and Radon, 4. the shared
    libraries of all of these, 5. the few other files that programs expect, 6. compiled modules."""
    interpreter = Path(os.path.realpath(getattr(sys, "_base_executable", "") or sys.executable))
    binaries = root / "usr" / "bin"
    binaries.mkdir(parents=True)
    shutil.copy2(interpreter, binaries / _VERSION)
    (binaries / "python3").symlink_to(_VERSION)

    library = root / "usr" / "lib" / _VERSION
    standard = Path(sysconfig.get_path("stdlib", vars={"installed_base": sys.base_prefix, "base": sys.base_prefix}))
    shutil.copytree(standard, library, ignore=_unwanted, symlinks=False, ignore_dangling_symlinks=True)

    packages = library / "site-packages"
    _install_packages(packages)

    programs = {"prlimit": shutil.which("prlimit"), "ruff": _ruff()}
    for name, program in programs.items():
        if program is None:
            if name == "prlimit":
                raise OurTrouble("prlimit is not installed (Debian's util-linux); the sandbox needs it.")
            continue
        shutil.copy2(os.path.realpath(program), binaries / name)

    if radon := _radon():
        shutil.copytree(radon, root / Runtime.tools.lstrip("/") / "radon", ignore=_unwanted)

    extensions = [path for path in library.rglob("*.so*") if path.is_file()]
    _copy_shared_libraries([interpreter, *filter(None, programs.values()), *extensions], root)

    for name in _MOUNT_POINTS:
        (root / name).mkdir()
    (root / "etc").mkdir()
    (root / "etc" / "passwd").write_text("student:x:65534:65534:student:/tmp:/bin/false\n")
    (root / "etc" / "group").write_text("student:x:65534:\n")
    (root / "bin").symlink_to("usr/bin")

    compileall.compile_dir(
        library.parent, quiet=2, workers=min(2, os.cpu_count() or 1), stripdir=str(root), prependdir="/"
    )


def _unwanted(folder: str, names: list[str]) -> list[str]:
    extensions = folder.endswith("lib-dynload")
    return [
        name
        for name in names
        if name in _NOT_WANTED_OF_STDLIB
        or name.startswith("config-")
        or (extensions and _NOT_WANTED_OF_EXTENSIONS.match(name))
    ]


def _install_packages(target: Path) -> None:
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]
    command += ["--no-compile", "--only-binary", ":all:", "--require-hashes", "--target", str(target)]
    done = subprocess.run([*command, "-r", str(REQUIREMENTS)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise OurTrouble(f"The packages of {REQUIREMENTS.name} could not be installed:\n{done.stderr[-2000:]}")
    shutil.rmtree(target / "bin", ignore_errors=True)
    # A quarter of the files are the packages' own tests; no course code imports them.
    for tests in [path for path in target.rglob("tests") if path.is_dir()]:
        shutil.rmtree(tests, ignore_errors=True)


def _copy_shared_libraries(files: Iterable[Path | str], root: Path) -> None:
    """Copy what ``files`` load and the loader itself, as ``ldd`` names them, into the folder of the C library.

    That folder is one that the loader searches without being told. Libraries that a wheel brings along lie under ``root``
    already and are found from there.
    """
    names: dict[str, str] = {}
    listed = [str(path) for path in files]
    for start in range(0, len(listed), 64):
        answer = subprocess.run(["ldd", *listed[start : start + 64]], capture_output=True, text=True, check=False)
        for path in _LIBRARY.findall(answer.stdout):
            names.setdefault(os.path.basename(path), path)
    c_library = next((path for name, path in names.items() if name.startswith(("libc.so.", "libc.musl"))), None)
    if c_library is None:
        raise OurTrouble("ldd does not name the C library of the Python interpreter; the runtime cannot be built.")
    home = root / os.path.dirname(c_library).lstrip("/")
    for name, path in names.items():
        if Path(path).is_relative_to(root):
            continue
        target = root / path.lstrip("/") if name.startswith("ld-") else home / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
        target.chmod(0o755)


def _ruff() -> str | None:
    if importlib.util.find_spec("ruff") is None:
        return None
    from ruff.__main__ import find_ruff_bin

    return find_ruff_bin()


def _radon() -> Path | None:
    spec = importlib.util.find_spec("radon")
    return Path(spec.origin).parent if spec is not None and spec.origin else None


def main() -> None:
    """Build the runtime if it is missing and say where it is."""
    started = time.monotonic()
    runtime = ensure_runtime()
    size = sum(path.lstat().st_size for path in runtime.path.rglob("*"))
    print(f"{runtime.path} ({size / 1e6:.0f} MB, {time.monotonic() - started:.1f} s)")


if __name__ == "__main__":
    try:
        main()
    except OurTrouble as trouble:
        sys.exit(str(trouble))
