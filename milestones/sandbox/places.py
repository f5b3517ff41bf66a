"""Where the sandbox keeps things on the host, and who may read them.

::

    <base>/runtime-<key>/     the slim Python that sandboxes run on            world-readable, built once
    <base>/harness-<key>/     the few modules of ours that go inside           world-readable, built once per version
    <base>/jobs/<name>/       one running sandbox: ``lock``, ``cgroups``, and a copy of the student's files if needed

``<base>`` is ``/var/lib/tinytorch-assessment/sandbox`` for root, ``var/sandbox-runtime`` in the checkout for anybody else,
or ``$TINYTORCH_STATE_DIR/sandbox``. A job's ``lock`` is held for as long as its worker lives, so a job whose lock is free
was left behind by a dead worker, and anybody may sweep it.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import hashlib
import os
import py_compile
import secrets
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from milestones import archive
from milestones.contract import OurTrouble
from milestones.folders import CHECKOUT, state_folder

_PACKAGE = CHECKOUT / "milestones"
_UNFINISHED_SECONDS = 60.0


def base_folder() -> Path:
    """The sandbox's folder on the host, created if need be. Raises OurTrouble when pool users could not enter it."""
    chosen = os.environ.get("TINYTORCH_STATE_DIR")
    if chosen:
        base = Path(chosen) / "sandbox"
    elif os.geteuid() == 0:
        base = Path("/var/lib/tinytorch-assessment/sandbox")
    elif (CHECKOUT / "pyproject.toml").exists():
        base = CHECKOUT / "var" / "sandbox-runtime"
    else:  # installed as a package, or come in a starter kit, on a student's own machine
        base = state_folder() / "sandbox"
    try:
        base.parent.parent.mkdir(parents=True, exist_ok=True)
        _make_folder(base.parent, 0o711)
        _make_folder(base, 0o755)
    except OSError as error:
        raise OurTrouble(f"The sandbox's folder {base} cannot be made: {error.strerror}.") from None
    if os.geteuid() == 0:
        closed = next((folder for folder in (base, *base.parents) if not folder.stat().st_mode & stat.S_IXOTH), None)
        if closed is not None:
            raise OurTrouble(
                f"Pool users cannot enter {closed}, so {base} is of no use to them: "
                f"run chmod o+x {closed}, or set TINYTORCH_STATE_DIR to another folder."
            )
    return base


def _make_folder(folder: Path, mode: int) -> None:
    """Make ``folder`` unless it is there, with exactly this mode, whatever the umask."""
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        return
    folder.chmod(mode)


# -- one running sandbox ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Job:
    """The folder of one running sandbox and the lock that says its worker lives."""

    folder: Path
    lock: int

    @property
    def name(self) -> str:
        """Also the name of its control groups."""
        return self.folder.name

    def note_cgroups(self, paths: list[Path]) -> None:
        """Write down which control groups belong to the job, before they are made, for whoever sweeps it."""
        (self.folder / "cgroups").write_text("".join(f"{path}\n" for path in paths))

    def remove(self) -> None:
        """Delete the folder, then let go of the lock."""
        archive.remove(self.folder)
        os.close(self.lock)


def open_job() -> Job:
    """A new job folder that nobody else can list, locked for the life of this process."""
    jobs = base_folder() / "jobs"
    _make_folder(jobs, 0o711)
    folder = jobs / f"tinytorch-sandbox-{secrets.token_hex(8)}"
    # The lock exists and is held before the folder can be seen under its name: a sweep never finds a job half made.
    hidden = jobs / f".{folder.name}"
    hidden.mkdir(mode=0o700)
    lock = os.open(hidden / "lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)
    hidden.rename(folder)
    return Job(folder, lock)


@contextlib.contextmanager
def opened_folder() -> Iterator[Path]:
    """A new folder for the files of one evaluation, gone afterwards; if the worker dies, whoever sweeps removes it.

    Nobody can list its parent, and who knows its name may pass through it: so the files in it, if they are readable to
    all, can be mounted as they are for whatever user a sandbox runs as.
    """
    job = open_job()
    try:
        job.folder.chmod(0o711)
        yield job.folder
    finally:
        job.remove()


def sweep(remove_cgroup: Callable[[Path], None]) -> list[str]:
    """Clear away the jobs of dead workers and return their names. ``remove_cgroup`` kills and removes one group."""
    swept = []
    jobs = base_folder() / "jobs"
    for unfinished in jobs.glob(".tinytorch-sandbox-*"):
        with contextlib.suppress(FileNotFoundError):
            if time.time() - unfinished.stat().st_mtime > _UNFINISHED_SECONDS:
                shutil.rmtree(unfinished, ignore_errors=True)
    for folder in sorted(jobs.glob("tinytorch-sandbox-*")):
        try:
            lock = os.open(folder / "lock", os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            continue
        with contextlib.suppress(OSError):
            for line in (folder / "cgroups").read_text().splitlines():
                remove_cgroup(Path(line))
        Job(folder, lock).remove()
        swept.append(folder.name)
    return swept


# -- the student's files ---------------------------------------------------------------------------------------------------


def submission_for(uid: int | None, submission: Path, job: Job) -> Path:
    """A folder with the student's files that ``uid`` can read: the given one, or a copy in the job's folder.

    ``uid`` None means that the sandbox runs as ourselves. The copy takes regular files and folders only; links and devices
    stay behind. It is root's and open to the pool user's group alone.
    """
    if uid is None or _readable_by_others(submission):
        return submission
    copy = job.folder / "submission"
    _copy_regular_files(submission, copy)
    os.chown(job.folder, 0, uid)
    job.folder.chmod(0o710)
    return copy


def _readable_by_others(folder: Path) -> bool:
    folder = folder.resolve()
    if not all(parent.stat().st_mode & stat.S_IXOTH for parent in (folder, *folder.parents)):
        return False
    for root, _folders, files in os.walk(folder):
        if os.stat(root).st_mode & 0o005 != 0o005:
            return False
        if not all(os.lstat(os.path.join(root, name)).st_mode & stat.S_IROTH for name in files):
            return False
    return True


def _copy_regular_files(source: Path, target: Path) -> None:
    for root, folders, files in os.walk(source):
        here = target / os.path.relpath(root, source)
        here.mkdir(mode=0o755)
        here.chmod(0o755)
        folders[:] = [name for name in folders if not os.path.islink(os.path.join(root, name))]
        for name in files:
            path = os.path.join(root, name)
            if stat.S_ISREG(os.lstat(path).st_mode):
                shutil.copyfile(path, here / name, follow_symlinks=False)
                (here / name).chmod(0o644)


# -- what of ours goes inside ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Harness:
    """A folder to be mounted as ``/harness``, and the program in it (a relative path)."""

    folder: Path
    program: str


def harness_folder(program: Path | None = None) -> Harness:
    """The modules of ours that go inside, copied out of the checkout: the protocol, the harness, and nothing else.

    ``program`` replaces the harness as what is run (tests bring their own). The folder is named for its contents, so a
    changed file makes a new one and running sandboxes keep theirs.
    """
    sources = [_PACKAGE / "__init__.py", _PACKAGE / "sandbox" / "__init__.py", _PACKAGE / "sandbox" / "protocol.py"]
    sources += sorted((_PACKAGE / "student").glob("*.py"))
    files = {str(Path("milestones") / source.relative_to(_PACKAGE)): source for source in sources}
    main = "milestones/student/harness.py"
    if program is not None:
        main = program.name
        files[main] = program
    stamp = tuple((name, str(path), path.stat().st_mtime_ns, path.stat().st_size) for name, path in files.items())
    folder = _build_harness(base_folder(), stamp)
    if not folder.exists():  # deleted since; what is remembered is of no use
        _build_harness.cache_clear()
        folder = _build_harness(base_folder(), stamp)
    return Harness(folder, main)


@functools.lru_cache(maxsize=32)
def _build_harness(base: Path, stamp: tuple[tuple[str, str, int, int], ...]) -> Path:
    contents = {name: Path(path).read_bytes() for name, path, _modified, _size in stamp}
    digest = hashlib.sha256()
    for name, data in contents.items():
        digest.update(f"{name}\0{len(data)}\0".encode() + data)
    folder = base / f"harness-{digest.hexdigest()[:16]}"
    with built_once(folder) as hidden:
        if hidden is not None:
            for name, data in contents.items():
                path = hidden / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
                # Compiled here, since nothing inside can write the result; without a time stamp, since it never changes.
                unchecked = py_compile.PycInvalidationMode.UNCHECKED_HASH
                py_compile.compile(str(path), dfile=f"/harness/{name}", doraise=True, invalidation_mode=unchecked)
    return folder


@contextlib.contextmanager
def built_once(folder: Path) -> Iterator[Path | None]:
    """Build ``folder`` at most once among all processes: yields a hidden folder to fill, or None when it is there already.

    The hidden folder gets its name only when the block ends well, so whoever sees ``folder`` sees it complete.
    """
    if folder.exists():
        yield None
        return
    lock = os.open(folder.with_name(f".{folder.name}.lock"), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if folder.exists():
            yield None
            return
        hidden = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        try:
            yield hidden
            make_world_readable(hidden)
            hidden.rename(folder)
        except BaseException:
            shutil.rmtree(hidden, ignore_errors=True)
            raise
    finally:
        os.close(lock)


def make_world_readable(folder: Path) -> None:
    """Everybody may read (and run what is executable) below ``folder``; nobody but its owner may write."""
    for root, _folders, files in os.walk(folder):
        os.chmod(root, 0o755)  # noqa: S103 - it holds nothing secret
        for name in files:
            path = os.path.join(root, name)
            mode = os.lstat(path).st_mode
            if stat.S_ISREG(mode):
                os.chmod(path, 0o755 if mode & 0o111 else 0o644)
