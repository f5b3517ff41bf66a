"""One judge for every hostile program: no gain, an ordinary result, an unchanged host, nothing left behind.

Other tests and workers may use sandboxes on the same machine at the same time, so "left behind" is told apart from
"somebody else's": folders are those that this process made, and whoever runs under a pool user holds its lock.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import stat
import sys
import threading
import time
import unicodedata
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from milestones.contract import Evaluation, Status
from milestones.sandbox import pool
from milestones.sandbox.limits import GROUP_PREFIX
from milestones.sandbox.places import base_folder
from tests.hostile.submissions import PICKLE_CANARY
from tests.hostile.verdicts import BLOCKED, KNOWN_LIMIT, UNHARMED, UNUSABLE, WRONG, Verdict

# Every folder that this process makes for a sandbox: its jobs and its control groups.
_made: list[str] = []


def _note_folders(event: str, arguments: tuple[object, ...]) -> None:
    if event == "os.mkdir" and GROUP_PREFIX in str(arguments[0]):
        _made.append(str(arguments[0]))


sys.addaudithook(_note_folders)

SECRET_VARIABLE = "TINYTORCH_HOSTILE_CANARY"
LARGEST_RESULT = 2_000_000  # bytes of JSON
HOST_SETTINGS = (
    "/proc/sys/kernel/core_pattern",
    "/proc/sys/kernel/hostname",
    "/proc/sys/kernel/modprobe",
    "/proc/sys/user/max_user_namespaces",
    "/proc/sys/kernel/panic",
    "/proc/sys/net/core/somaxconn",
)
SHARED_FOLDERS = ("/tmp", "/var/tmp", "/dev/shm")
POOL = range(pool.FIRST_UID, pool.FIRST_UID + pool.POOL_SIZE)
POOL_LOCKS = Path("/run/tinytorch-sandbox")


# -- the host --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Host:
    """What must be the same after an attack as before it: ``canaries`` are files of ours that anybody could reach."""

    canaries: tuple[Path, ...]
    contents: dict[Path, tuple[bytes, int, int]] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    descriptors: int = 0
    threads: int = 0
    children: frozenset[int] = frozenset()
    folders_made: int = 0

    @classmethod
    def look(cls, canaries: tuple[Path, ...]) -> Host:
        """The host as it is now. A worker that other tests share may be a child of this process: it stays."""
        return cls(
            canaries=canaries,
            contents={path: _state(path) for path in canaries},
            settings={path: Path(path).read_text() for path in HOST_SETTINGS if os.access(path, os.R_OK)},
            environment={k: v for k, v in os.environ.items() if k != "PYTEST_CURRENT_TEST"},
            descriptors=len(os.listdir("/proc/self/fd")),
            threads=threading.active_count(),
            children=_children(),
            folders_made=len(_made),
        )


def canaries(folder: Path) -> tuple[Path, ...]:
    """Canary files: in a folder of the caller's, in /tmp and beside the sandbox's own state. Each holds a secret."""
    made = (
        folder / "canary",
        Path(f"/tmp/tinytorch-hostile-canary-{os.getpid()}"),
        base_folder() / f"hostile-canary-{os.getpid()}",
    )
    for path in made:
        path.write_text(f"canary {secrets.token_hex(16)}\n")
        path.chmod(0o644)
    return made


def _state(path: Path) -> tuple[bytes, int, int]:
    details = path.stat()
    return path.read_bytes(), details.st_mode, details.st_mtime_ns


def assert_host_unchanged(before: Host) -> None:
    """Nothing of the host differs from ``before``, and nothing that the sandbox made is left."""
    after = Host.look(before.canaries)
    assert after.contents == before.contents
    assert after.settings == before.settings
    assert after.environment == before.environment
    assert after.threads == before.threads
    assert after.descriptors <= before.descriptors, "descriptors leaked"
    assert list(_held_by_us()) == [], "locks of sandboxes are still held"
    # A worker of another test run that was just killed leaves processes for a moment; ours are gone before we look.
    deadline = time.monotonic() + 2.0
    while list(_ownerless_processes()) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert list(_ownerless_processes()) == [], "processes of pool users are left"
    assert list(_left_folders(since=before.folders_made)) == [], "job folders or control groups are left"
    assert list(_listening_for_a_pool_user()) == [], "a pool user listens on the network"
    assert list(_files_of_pool_users()) == [], "files of pool users are left"
    assert not os.path.exists(PICKLE_CANARY), "a pickle was loaded"
    assert after.children <= before.children, "child processes are left"


def _held_by_us() -> Iterator[str]:
    """Locks of jobs and pool users that this process still holds although no sandbox of it is open."""
    for name in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{name}")
        except OSError:
            continue
        if target.startswith(str(POOL_LOCKS)) or (target.endswith("/lock") and str(base_folder()) in target):
            yield target


def _ownerless_processes() -> Iterator[tuple[int, int]]:
    """(user, process) of whatever runs under a pool user that nobody leases."""
    for uid in _uids_with_processes():
        try:
            lock = os.open(POOL_LOCKS / str(uid), os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            continue
        else:
            yield from ((uid, pid) for pid in pool.processes_of(uid))
        finally:
            os.close(lock)


def _uids_with_processes() -> set[int]:
    found = set()
    for name in filter(str.isdecimal, os.listdir("/proc")):
        try:
            status = Path(f"/proc/{name}/status").read_text()
        except OSError:
            continue
        uid = int(status.partition("\nUid:\t")[2].split()[0])
        if uid in POOL:
            found.add(uid)
    return found


def _left_folders(*, since: int) -> Iterator[str]:
    """Job folders (made under a hidden name first) and control groups of this process that are still there, of those made
    after the first ``since`` ones."""
    for path in _made[since:]:
        folder, name = os.path.split(path)
        yield from (found for found in (path, os.path.join(folder, name.lstrip("."))) if os.path.exists(found))


def _listening_for_a_pool_user() -> Iterator[str]:
    for table in ("tcp", "tcp6", "udp", "udp6", "raw", "packet"):
        try:
            lines = Path(f"/proc/net/{table}").read_text().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            words = line.split()
            if len(words) > 7 and words[7].isdecimal() and (int(words[7]) in POOL or int(words[7]) == 65534):
                yield line
    if "tinytorch-hostile" in Path("/proc/net/unix").read_text():
        yield "an abstract socket of a hostile program"


def _files_of_pool_users() -> Iterator[Path]:
    for folder in SHARED_FOLDERS:
        for entry in os.scandir(folder):
            try:
                details = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue
            if details.st_uid in POOL or "tinytorch-hostile-notes" in entry.name:
                yield Path(entry.path)
    for path in base_folder().glob("*"):
        if path.lstat().st_uid in POOL or path.lstat().st_mode & stat.S_ISUID:
            yield path


def _children() -> frozenset[int]:
    """The children of this process."""
    try:
        listed = Path(f"/proc/self/task/{threading.get_native_id()}/children").read_text().split()
    except OSError:
        return frozenset()
    return frozenset(int(pid) for pid in listed)


# -- the result ------------------------------------------------------------------------------------------------------------


def assert_ordinary(evaluation: Evaluation) -> None:
    """The result can be stored and shown: finite numbers, clean text, bounded size, and none of the host's secrets."""
    text = json.dumps(asdict(evaluation), allow_nan=False)
    assert len(text) < LARGEST_RESULT
    for piece in _texts(asdict(evaluation)):
        bad = {c for c in piece if unicodedata.category(c) in ("Cc", "Cs") and c not in "\n\t"}
        assert not bad, f"control characters {bad} in {piece[:200]!r}"
        assert not set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069") & set(piece), piece[:200]
    for secret in (os.environ[SECRET_VARIABLE], "canary "):
        assert secret not in text, "a secret of the host is in the result"
    assert 0 <= evaluation.score <= evaluation.maximum
    for criterion in evaluation.criteria:
        assert criterion.points is None or 0 <= criterion.points <= criterion.maximum


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _texts(key)
            yield from _texts(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _texts(inner)


def assert_no_gain(evaluation: Evaluation, honest: Evaluation, verdict: Verdict) -> None:
    """No criterion above the honest broken submission's, no benchmark that it does not meet."""
    best = {criterion.key: criterion.points or 0.0 for criterion in honest.criteria}
    gains = {
        criterion.key: (best[criterion.key], criterion.points)
        for criterion in evaluation.criteria
        if criterion.key in verdict.criteria and (criterion.points or 0.0) > best[criterion.key] + verdict.slack
    }
    assert not gains, f"the attack gained: {gains}"
    if honest.benchmark_met is not True:
        assert evaluation.benchmark_met is not True


def assert_ended(evaluation: Evaluation, honest: Evaluation, verdict: Verdict) -> None:
    """The evaluation ended in one of the ways that the verdict requires, and the attack was really tried."""
    assert "ESCAPED" not in evaluation.log, evaluation.log[-3000:]
    if verdict.tries:
        assert "ATTEMPTED" in evaluation.log, f"the attack never ran: {evaluation.log[-1000:]!r}"
    happened = ends_of(evaluation, honest)
    if KNOWN_LIMIT in verdict.ends:
        return
    assert happened & set(verdict.ends), f"ended as {sorted(happened)}: {_summary(evaluation)}"


def ends_of(evaluation: Evaluation, honest: Evaluation) -> set[str]:
    """All the names in ``verdicts`` that fit how this evaluation ended."""
    ends = _faults(evaluation)
    if _values(evaluation) == _values(honest):
        ends = (ends - _faults(honest)) | {UNHARMED}
    if any(
        m.key == "package_import" and "importing it" in str(m.evidence.get("failed")) for m in evaluation.measurements
    ):
        ends.add(BLOCKED)
    if any(m.key == "package_import" and m.evidence.get("usable") is False for m in evaluation.measurements):
        ends.add(UNUSABLE)
    if any(m.status in (Status.WRONG, Status.PARTIAL) for m in evaluation.measurements):
        ends.add(WRONG)
    return ends


def _faults(evaluation: Evaluation) -> set[str]:
    return {str(m.evidence["fault"]) for m in evaluation.measurements if "fault" in m.evidence}


def _values(evaluation: Evaluation) -> dict[str, object]:
    return {m.key: (m.status, m.value) for m in evaluation.measurements if m.key != "package_import"}


def _summary(evaluation: Evaluation) -> str:
    return "; ".join(f"{m.key} {m.status}: {m.message[:120]}" for m in evaluation.measurements)
