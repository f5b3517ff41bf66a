"""The first step: a file becomes a submission that waits to be evaluated, or is refused with one sentence."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import re
import shutil
import tempfile
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

import structlog
from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection, transaction

from grading import policy
from grading.models import CourseMilestone, Enrollment, Evaluation, Submission, stored_file
from grading.pipeline import dispatch, storable
from milestones import archive
from milestones.contract import UnusableInput
from milestones.discovery import find_package

log = structlog.get_logger(__name__)

CHUNK_BYTES = 1024 * 1024
LONGEST_NAME_BYTES = 200
#: What an upload left behind that broke off is deleted at this age, in seconds.
STRAY_SECONDS = 24 * 3600.0
#: Files of this age have been looked at often enough, so that tidying costs nothing in a large store.
SETTLED_SECONDS = 8 * 24 * 3600.0
#: How often a process looks for that, in seconds, and how many files at once.
TIDY_SECONDS = 3600.0
FILES_AT_ONCE = 500
STORE_LOCK = 0x73746F7265


class Refused(Exception):
    """The upload is not taken; the message is one sentence for the student. Nothing was stored, no attempt is used."""


class CannotStore(Refused):
    """The upload is not taken by our fault, and may be sent again as it is: the disk is full or broken."""


@dataclass(frozen=True, kw_only=True)
class _Received:
    """A file that arrived whole, in a place of its own until it is accepted."""

    path: Path
    sha256: str
    size: int


def receive(
    *,
    student: Enrollment,
    course_milestone: CourseMilestone,
    file: BinaryIO,
    original_name: str,
    source: str = Submission.Source.BROWSER,
    upload_key: str = "",
    grace_days: int = 0,
    now: datetime | None = None,
) -> Submission:
    """Take ``file`` as an attempt of ``student`` at ``course_milestone``, spending up to ``grace_days`` of the course's pool
    on being late where that helps.

    1. The same ``upload_key`` again with the same content (a double click, a repeated request) answers the submission it
       made the first time. With other content it is another attempt: somebody went back and chose another file.
    2. Refuse what the dates, attempts or cool-down forbid, and what says that it is too large, before reading a byte.
    3. Copy the file while hashing and counting; check that it is a readable archive with a Python package in it.
    4. Under the student's lock decide again, number the attempt, move the file to its place (named by its SHA-256) and
       create submission and evaluation in one transaction. The workers are told after the commit.

    ``file`` is a Django upload or any binary stream. Raises :class:`Refused`, and :class:`CannotStore` for a full disk.
    """
    now = now or dispatch.now()
    upload_key = upload_key[:64] or uuid.uuid4().hex
    name = safe_name(original_name)
    earlier = _earlier(student, course_milestone, upload_key)
    if earlier is not None and _digest(file, most=earlier.size) == earlier.sha256:
        return earlier
    _refuse_when_closed(student, course_milestone, now)
    announced = getattr(file, "size", None)
    if announced is not None and announced > settings.UPLOAD_LIMIT_BYTES:
        raise _too_large(name)
    try:
        with _copied(file, name) as received:
            _check_content(received.path)
            submission = _accept(
                received,
                name=name,
                student=student,
                course_milestone=course_milestone,
                source=source,
                upload_key=upload_key,
                grace_days=grace_days,
                now=now,
            )
    except OSError as trouble:
        log.exception("upload_not_stored", student=student.pk)
        raise CannotStore(
            "Your file could not be stored, by our fault: please send it again in a few minutes."
        ) from trouble
    _tidy_now_and_then()
    return submission


def safe_name(original: str) -> str:
    """The last part of what the sender calls the file: any script, no path, no control characters, a bounded length."""
    name = re.split(r"[/\\]", storable.text(original))[-1]
    name = "".join(character for character in name if character.isprintable()).strip()
    if name in ("", ".", ".."):
        return "upload"
    stem, suffix = os.path.splitext(name)
    suffix = suffix if len(suffix) <= 10 else ""
    stem = stem if suffix or stem == name else name
    room = LONGEST_NAME_BYTES - len(suffix.encode())
    return stem.encode()[:room].decode(errors="ignore") + suffix


def _earlier(student: Enrollment, course_milestone: CourseMilestone, upload_key: str) -> Submission | None:
    return Submission.objects.filter(student=student, course_milestone=course_milestone, upload_key=upload_key).first()


def _digest(file: BinaryIO, *, most: int) -> str:
    """The SHA-256 of ``file``, which is wound back; of one that is longer than ``most`` bytes, that of its beginning."""
    digest, size = hashlib.sha256(), 0
    while size <= most and (chunk := file.read(CHUNK_BYTES)):
        size += len(chunk)
        digest.update(chunk)
    file.seek(0)
    return digest.hexdigest()


def _refuse_when_closed(
    student: Enrollment, course_milestone: CourseMilestone, now: datetime
) -> policy.SubmissionWindow:
    window = policy.submission_window(student, course_milestone, now=now)
    if not window.open:
        raise Refused(window.reason)
    return window


def _too_large(name: str) -> Refused:
    limit = settings.UPLOAD_LIMIT_BYTES / 1024 / 1024
    return Refused(f"{name} is larger than {limit:.0f} MB, the most that is accepted; leave out data sets and .venv.")


@contextlib.contextmanager
def _copied(file: BinaryIO, name: str) -> Iterator[_Received]:
    """Copy ``file`` into ``MEDIA_ROOT/incoming``; the copy is gone after the block unless it was moved away."""
    incoming = Path(settings.MEDIA_ROOT) / "incoming"
    incoming.mkdir(mode=0o700, parents=True, exist_ok=True)
    # A folder of its own, because a single .py file goes by its name. mkdtemp and open make it ours alone (0700, 0600).
    with tempfile.TemporaryDirectory(dir=incoming) as folder:
        path = Path(folder) / name
        digest, size = hashlib.sha256(), 0
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as copy:
            while chunk := file.read(CHUNK_BYTES):
                size += len(chunk)
                if size > settings.UPLOAD_LIMIT_BYTES:
                    raise _too_large(name)
                digest.update(chunk)
                copy.write(chunk)
            copy.flush()
            os.fsync(copy.fileno())
        yield _Received(path=path, sha256=digest.hexdigest(), size=size)


def _check_content(path: Path) -> None:
    try:
        find_package(archive.names(path))
    except UnusableInput as unusable:
        raise Refused(str(unusable)) from None


def _accept(
    received: _Received,
    *,
    name: str,
    student: Enrollment,
    course_milestone: CourseMilestone,
    source: str,
    upload_key: str,
    grace_days: int,
    now: datetime,
) -> Submission:
    with transaction.atomic():
        # One upload of a student at a time: numbering and attempt limits are decided here, and a second click waits.
        locked = Enrollment.objects.select_for_update(no_key=True, of=("self",)).select_related("course")
        student = locked.get(pk=student.pk)
        earlier = _earlier(student, course_milestone, upload_key)
        if earlier is not None and earlier.sha256 != received.sha256:
            upload_key = hashlib.sha256(f"{upload_key} {received.sha256}".encode()).hexdigest()
            earlier = _earlier(student, course_milestone, upload_key)
        if earlier is not None:
            return earlier
        window = _refuse_when_closed(student, course_milestone, now)
        _lock_store(shared=True)
        _store(received)
        attempts = Submission.objects.filter(student=student, course_milestone=course_milestone)
        last = attempts.order_by("-attempt").values_list("attempt", flat=True).first()
        submission = Submission.objects.create(
            course_milestone=course_milestone,
            student=student,
            attempt=(last or 0) + 1,
            original_name=name,
            sha256=received.sha256,
            size=received.size,
            submitted_at=now,
            seconds_late=window.seconds_late,
            grace_days_spent=min(max(0, grace_days), window.pool.useful),
            policy=policy.version_in_force(course_milestone),
            source=source,
            upload_key=upload_key,
        )
        dispatch.enqueue(Evaluation.objects.create(**dispatch.first_values(submission)))
        return submission


def _lock_store(*, shared: bool) -> None:
    """Until the transaction ends, keep apart who stores files beside each other (shared) and who deletes strays."""
    with connection.cursor() as cursor:
        cursor.execute(f"select pg_advisory_xact_lock{'_shared' if shared else ''}(%s)", [STORE_LOCK])


def _store(received: _Received) -> None:
    """Move the copy to the place that its content names: atomic, durable, harmless when the file is there already."""
    place = stored_file(received.sha256)
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.replace(received.path, place)
    folder = os.open(place.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


# --- what broke off ---


def tidy(*, older_than: float = STRAY_SECONDS) -> int:
    """Delete what uploads left behind that never became submissions, when it is ``older_than`` seconds old.

    Half copies, where the process was killed; and files of the last eight days that were stored before their transaction
    failed. Answers how many were deleted. An upload of the same content at the same moment is safe: it holds the store's
    lock from storing its file to the end of its transaction.
    """
    root = Path(settings.MEDIA_ROOT)
    deleted = 0
    for folder in _aged(root.glob("incoming/*"), older_than, float("inf")):
        shutil.rmtree(folder, ignore_errors=True)
        deleted += 1
    stored = _aged(root.glob("uploads/*/*"), older_than, SETTLED_SECONDS)
    while some := list(itertools.islice(stored, FILES_AT_ONCE)):
        with transaction.atomic():
            _lock_store(shared=False)
            names = [path.name for path in some]
            known = set(Submission.objects.filter(sha256__in=names).values_list("sha256", flat=True))
            for path in some:
                if path.name not in known:
                    path.unlink(missing_ok=True)
                    deleted += 1
    return deleted


def _aged(paths: Iterator[Path], youngest: float, oldest: float) -> Iterator[Path]:
    """The paths that were last changed between so many and so many seconds ago. Some may go while we look."""
    for path in paths:
        with contextlib.suppress(FileNotFoundError):
            if youngest <= time.time() - path.stat().st_mtime < oldest:
                yield path


_next_tidying = 0.0


def _tidy_now_and_then() -> None:
    """:func:`tidy`, at most once an hour per process. Whoever takes uploads does it: workers need not be able to write."""
    global _next_tidying  # noqa: PLW0603 - the state of a process, and harmless if two threads meet here
    if time.monotonic() < _next_tidying:
        return
    _next_tidying = time.monotonic() + TIDY_SECONDS
    try:
        deleted = tidy()
    except (OSError, DatabaseError, InterfaceError):
        log.exception("tidying_failed")
    else:
        if deleted:
            log.info("strays_deleted", number=deleted)
