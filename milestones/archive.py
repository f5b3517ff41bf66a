"""Safe reading of what students upload: archives, folders and single files become plain bytes under checked names.

An upload is hostile until proven otherwise. Three rules carry the weight:

1. What an archive *says* about sizes is never believed. Bytes are counted while they are unpacked, and reading stops at
   the first byte over a limit.
2. An archive names files and nothing else. Links, devices, encrypted members, absolute names, ``..``, two names that
   differ only in capitals: the whole upload is refused, with one sentence that names the member and the rule.
3. Nothing is ever extracted by an archive library. ``read`` keeps bytes in memory, ``write`` puts them as read-only
   regular files into a new directory of our own.

What tools leave behind (``.git``, ``__pycache__``, ``.venv`` and so on) is passed over without a word.
"""

from __future__ import annotations

import contextlib
import enum
import hashlib
import io
import os
import re
import shutil
import stat
import tarfile
import unicodedata
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import BinaryIO

from milestones.contract import OurTrouble, UnusableInput
from milestones.decompression import Decompressed, is_compressed

MEGABYTE = 1024 * 1024
MAX_UPLOAD_BYTES = 50 * MEGABYTE
"""Largest file that is accepted, as it is sent."""
MAX_UNPACKED_BYTES = 200 * MEGABYTE
"""Largest sum of the unpacked files. A tar as a whole, with headers and what is passed over, may be twice as large."""
MAX_ENTRIES = 5_000
"""Most files that are kept."""
MAX_LISTED = 50_000
"""Most members an archive may list, those passed over included: a ``.venv`` packed by mistake does no harm."""
MAX_RATIO = 100
"""Most unpacked bytes per packed byte, once more than ``RATIO_COUNTS_FROM`` are unpacked."""
RATIO_COUNTS_FROM = 1 * MEGABYTE
MAX_NAME_BYTES = 255
MAX_PATH_BYTES = 1_024
MAX_DEPTH = 40

SKIPPED_FOLDERS = frozenset(
    {
        ".git",
        "__pycache__",
        ".ipynb_checkpoints",
        ".virtual_documents",
        "__MACOSX",
        ".venv",
        "venv",
        "node_modules",
        "build",
    }
)
SKIPPED_FILES = frozenset({".DS_Store", ".git", "Thumbs.db", "desktop.ini"})
# Compiled files would run in place of a source that nobody can read.
SKIPPED_SUFFIXES = (".pyc", ".pyo")

SINGLE_FILE_SUFFIXES = (".py", ".ipynb")
ACCEPTED = "a .zip, .tar, .tar.gz, .tar.bz2 or .tar.xz archive, a single .py or .ipynb file"

#: Whether the content of a file is wanted, by its path.
Keep = Callable[[str], bool]

_CHUNK = 64 * 1024
_TAR_HEADER_BYTES = 64 * 1024  # long names and attributes; tarfile would read any size into memory.
_FOREIGN_ARCHIVES = {b"Rar!": "RAR", b"7z\xbc\xaf\x27\x1c": "7-Zip", b"\x28\xb5\x2f\xfd": "Zstandard"}


class SourceKind(enum.StrEnum):
    """What the upload was before it was read."""

    ZIP = "zip"
    TAR = "tar"
    FOLDER = "folder"
    FILE = "file"


@dataclass(frozen=True, kw_only=True)
class Upload:
    """The files of one upload.

    ``files`` maps relative POSIX paths, NFC-normalised and sorted, to contents. ``digest`` is the SHA-256 (hex) of
    names and contents: it depends on neither the packing nor the order, so the same work zipped twice has one digest.
    """

    files: Mapping[str, bytes]
    digest: str
    source_kind: SourceKind
    total_bytes: int


def limits_in_words() -> str:
    """The limits as one sentence, to be shown before anything is uploaded."""
    return (
        f"Upload {ACCEPTED}: at most {_megabytes(MAX_UPLOAD_BYTES)} as sent, {_megabytes(MAX_UNPACKED_BYTES)} "
        f"and {MAX_ENTRIES:,} files unpacked."
    )


def read(path: Path) -> Upload:
    """Read a zip, a tar (plain, gz, bz2, xz), a folder, or a single ``.py`` or ``.ipynb`` file.

    The kind is recognised by content; only a single file goes by its name. In a folder, links and anything that is not
    a regular file are passed over.

    Raises
    ------
    UnusableInput: the path is not there, can't be read, is none of these, is damaged, or breaks a rule.
    """
    return _collected(Path(path), keep=lambda path: True).finish()


def names(path: Path) -> tuple[str, ...]:
    """The sorted names of the files that ``read`` would give. Everything is unpacked and every rule applied, but no content
    is kept, so that a door that only has to refuse does it in little memory.

    Raises
    ------
    UnusableInput: as for ``read``.
    """
    return _collected(Path(path), keep=lambda path: False).names()


def _collected(path: Path, *, keep: Keep) -> _Collection:
    try:
        if path.is_dir():
            return _read_folder(path, keep=keep)
        with path.open("rb") as stream:
            if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                raise UnusableInput(f"{_shown(path.name)} is not a regular file.")
            return _collected_stream(stream, path.name, keep=keep)
    except FileNotFoundError:
        raise UnusableInput(f"There is no file or folder {_shown(str(path))}.") from None
    except OSError as trouble:
        reason = trouble.strerror or type(trouble).__name__
        raise UnusableInput(f"{_shown(path.name)} can't be read: {reason}.") from None


def read_stream(stream: BinaryIO, name: str) -> Upload:
    """Read an archive or single file from a binary stream, as a form or an API delivers it.

    ``name`` is what the sender calls the file; only its last component is looked at. At most ``MAX_UPLOAD_BYTES + 1``
    bytes are taken from the stream.

    Raises
    ------
    UnusableInput: as for ``read``.
    """
    return _collected_stream(stream, name, keep=lambda path: True).finish()


def look(stream: BinaryIO, name: str, wanted: str = "") -> tuple[dict[str, int], bytes | None]:
    """The sizes in bytes of the files that ``read_stream`` would give, and the content of ``wanted`` alone, if it is there."""
    collection = _collected_stream(stream, name, keep=wanted.__eq__)
    return {path: collection.sizes[path] for path in collection.names()}, collection.files.get(wanted)


def _collected_stream(stream: BinaryIO, name: str, *, keep: Keep) -> _Collection:
    packed = _take(stream, MAX_UPLOAD_BYTES + 1)
    name = re.split(r"[/\\]", name)[-1] or "upload"
    if len(packed) > MAX_UPLOAD_BYTES:
        raise UnusableInput(
            f"{_shown(name)} is larger than {_megabytes(MAX_UPLOAD_BYTES)}, the most that is accepted; "
            "leave out data sets and virtual environments."
        )
    if not packed:
        raise UnusableInput(f"{_shown(name)} is empty.")
    return _reader_for(packed, name)(packed, name, keep)


def write(upload: Upload, folder: Path) -> Path:
    """Write the files into ``folder``, which must not exist yet; its parent must.

    Files become 0444 and folders 0555. Every file is created anew and no link is followed.

    Raises
    ------
    OurTrouble: the folder is there already or the disk refuses; what was written is removed again.
    """
    folder = Path(folder)
    try:
        folder.mkdir(mode=0o700)
    except OSError as trouble:
        raise OurTrouble(f"Can't make the folder {folder}: {trouble.strerror}.") from trouble
    try:
        _write_files(upload.files, folder)
    except OSError as trouble:
        remove(folder)
        raise OurTrouble(f"Can't write an upload to {folder}: {trouble.strerror}.") from trouble
    except UnusableInput:
        remove(folder)
        raise
    return folder


def remove(folder: Path) -> None:
    """Remove a folder that ``write`` made (its read-only folders are in an ordinary user's way otherwise)."""
    for current, _, _ in os.walk(folder, followlinks=False):
        os.chmod(current, 0o700)
    shutil.rmtree(folder, ignore_errors=True)


# Names


class _Collection:
    """Gathers checked files, counting bytes and names as they come. What ``keep`` does not want is counted and dropped."""

    def __init__(self, *, kind: SourceKind, name: str, packed_bytes: int | None, keep: Keep) -> None:
        self.kind = kind
        self.keep = keep
        self.name = name
        self.files: dict[str, bytes] = {}
        self.sizes: dict[str, int] = {}
        self.total = 0
        self.listed = 0
        self._packed = packed_bytes
        # Case-folded path of every file and folder -> (its spelling, whether it is a file).
        self._seen: dict[str, tuple[str, bool | None]] = {}

    def listed_one_more(self) -> None:
        """Counts a member, kept or not."""
        self.listed += 1
        if self.listed > MAX_LISTED:
            raise _too_many_members(self.name)

    def add(self, path: str, chunks: Iterator[bytes]) -> None:
        """Keep a file under a path that ``_checked_path`` gave; stop reading at the first byte over a limit."""
        if len(self.files) >= MAX_ENTRIES:
            raise UnusableInput(
                f"{_shown(self.name)} holds more than {MAX_ENTRIES:,} files, the most that is accepted."
            )
        self._claim(path)
        content, before, keeps = bytearray(), self.total, self.keep(path)
        for chunk in chunks:
            self.total += len(chunk)
            self._check_size(path)
            if keeps:
                content += chunk
        self.sizes[path] = self.total - before
        self.files[path] = bytes(content)

    def names(self) -> tuple[str, ...]:
        if not self.files:
            passed_over = " apart from folders and files that tools leave behind" if self.listed else ""
            raise UnusableInput(f"{_shown(self.name)} is empty{passed_over}; there is nothing to assess.")
        return tuple(sorted(self.files))

    def finish(self) -> Upload:
        files = {name: self.files[name] for name in self.names()}
        return Upload(
            files=MappingProxyType(files), digest=_digest(files), source_kind=self.kind, total_bytes=self.total
        )

    def _claim(self, path: str) -> None:
        parts = path.split("/")
        for depth in range(1, len(parts) + 1):
            prefix, is_file = "/".join(parts[:depth]), depth == len(parts)
            spelling, was_file = self._seen.setdefault(_folded(prefix), (prefix, None))
            if was_file is None:
                self._seen[_folded(prefix)] = (prefix, is_file)
            elif spelling != prefix:
                raise UnusableInput(
                    f"{_shown(self.name)} holds both {_shown(spelling)} and {_shown(prefix)}, "
                    "which differ only in capital letters; many computers can't keep the two apart."
                )
            elif is_file and was_file:
                raise UnusableInput(f"{_shown(self.name)} holds {_shown(prefix)} twice.")
            elif is_file or was_file:
                raise UnusableInput(f"{_shown(self.name)} holds {_shown(prefix)} both as a file and as a folder.")

    def _check_size(self, path: str) -> None:
        if self.total > MAX_UNPACKED_BYTES:
            raise UnusableInput(
                f"{_shown(self.name)} holds more than {_megabytes(MAX_UNPACKED_BYTES)} unpacked, the most that is "
                f"accepted (reached at {_shown(path)})."
            )
        if self._packed is not None and self.total > max(RATIO_COUNTS_FROM, MAX_RATIO * self._packed):
            raise UnusableInput(
                f"{_shown(self.name)} unpacks to more than {MAX_RATIO} times its size, the most that is accepted "
                f"(reached at {_shown(path)})."
            )


def _checked_path(raw: str) -> str:
    """The relative POSIX path of a member, NFC-normalised, without ``.`` and empty components.

    Raises
    ------
    UnusableInput: the name is absolute, climbs, or holds what no file name should.
    """
    path = unicodedata.normalize("NFC", raw)
    if any(unicodedata.category(character) in {"Cc", "Cs"} for character in path):
        raise UnusableInput(f"The file name {_shown(raw)} holds a control character or can't be decoded.")
    if "\\" in path:
        raise UnusableInput(f"The file name {_shown(raw)} holds a backslash; folders must be separated by /.")
    if path.startswith("/") or re.match(r"[A-Za-z]:", path):
        raise UnusableInput(f"{_shown(raw)} is an absolute path; an archive may only hold relative ones.")
    parts = [part for part in path.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise UnusableInput(f"{_shown(raw)} points outside the archive (..).")
    if len(parts) > MAX_DEPTH:
        raise UnusableInput(f"{_shown(raw)} lies more than {MAX_DEPTH} folders deep, the most that is accepted.")
    if any(len(part.encode()) > MAX_NAME_BYTES for part in parts) or len(path.encode()) > MAX_PATH_BYTES:
        raise UnusableInput(
            f"The file name {_shown(raw)} is too long; at most {MAX_NAME_BYTES} bytes a name and "
            f"{MAX_PATH_BYTES:,} a path are accepted."
        )
    return "/".join(parts)


def _passed_over(path: str) -> bool:
    """Whether a checked path is something that tools leave behind."""
    *folders, name = path.split("/")
    return (
        any(_skipped_folder(folder) for folder in folders)
        or name in SKIPPED_FILES
        or name.startswith("._")  # what macOS adds to an archive for each file
        or name.endswith(SKIPPED_SUFFIXES)
    )


def _skipped_folder(name: str) -> bool:
    return name in SKIPPED_FOLDERS or name.endswith(".egg-info")


def _folded(path: str) -> str:
    return unicodedata.normalize("NFC", path.casefold())


# Kinds of upload


def _reader_for(packed: bytes, name: str) -> Callable[[bytes, str, Keep], _Collection]:
    if packed.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _read_zip
    if is_compressed(packed) or packed[257:262] == b"ustar" or name.lower().endswith(".tar"):
        return _read_tar
    if name.lower().endswith(SINGLE_FILE_SUFFIXES):
        return _read_single
    for magic, kind in _FOREIGN_ARCHIVES.items():
        if packed.startswith(magic):
            raise UnusableInput(f"{_shown(name)} is a {kind} archive, which is not accepted; upload {ACCEPTED}.")
    raise UnusableInput(f"{_shown(name)} is not an archive; upload {ACCEPTED}.")


def _read_single(content: bytes, name: str, keep: Keep) -> _Collection:
    if b"\0" in content:
        raise UnusableInput(f"{_shown(name)} is not text, although its name says Python; upload {ACCEPTED}.")
    collection = _Collection(kind=SourceKind.FILE, name=name, packed_bytes=None, keep=keep)
    collection.add(_checked_path(name), iter([content]))
    return collection


def _read_zip(packed: bytes, name: str, keep: Keep) -> _Collection:
    # Every listed member carries this signature, so the count is an upper bound before anything is parsed.
    if packed.count(b"PK\x01\x02") > MAX_LISTED:
        raise _too_many_members(name)
    with _damage_is_named(name), zipfile.ZipFile(io.BytesIO(packed)) as archive:
        collection = _Collection(kind=SourceKind.ZIP, name=name, packed_bytes=len(packed), keep=keep)
        for member in archive.infolist():
            collection.listed_one_more()
            path = _checked_path(_zip_name(member))
            if not path or _passed_over(path):
                continue
            _refuse_special_member(member, path)
            if member.is_dir() or stat.S_ISDIR(member.external_attr >> 16):
                continue
            with archive.open(member) as stream:
                collection.add(path, _chunks(stream))
        return collection


def _zip_name(member: zipfile.ZipInfo) -> str:
    """The name as it was meant: macOS writes UTF-8 without setting the flag that says so.

    ``orig_filename``, because ``filename`` ends at the first NUL and hides what follows.
    """
    name = member.orig_filename
    if not member.flag_bits & 0x800:
        with contextlib.suppress(UnicodeError):
            return name.encode("cp437").decode("utf-8")
    return name


def _refuse_special_member(member: zipfile.ZipInfo, path: str) -> None:
    mode = member.external_attr >> 16
    if stat.S_ISLNK(mode):
        raise _link(path)
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise _device(path)
    if member.flag_bits & (0x1 | 0x40 | 0x2000):
        raise UnusableInput(f"{_shown(path)} is encrypted; upload an archive without a password.")
    # LZMA and BZIP2 inside a zip are rare, and their headers can ask for gigabytes of memory.
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise UnusableInput(f"{_shown(path)} is packed by an unusual method; make the zip with your system's own tool.")


def _read_tar(packed: bytes, name: str, keep: Keep) -> _Collection:
    with _damage_is_named(name):
        stream = _Metered(Decompressed(packed) if is_compressed(packed) else io.BytesIO(packed), name=name)
        with tarfile.open(fileobj=stream, mode="r|", tarinfo=_TarMember) as archive:
            collection = _Collection(kind=SourceKind.TAR, name=name, packed_bytes=len(packed), keep=keep)
            for member in archive:
                collection.listed_one_more()
                path = _checked_path(member.name)
                if not path or _passed_over(path):
                    continue
                if member.issym() or member.islnk():
                    raise _link(path)
                if member.isdir():
                    continue
                if not member.isreg() or member.issparse():
                    raise _device(path)
                content = archive.extractfile(member)
                if content is None:
                    raise _device(path)
                collection.add(path, _chunks(content))
            # What follows the end of a tar is of no interest, but a damaged checksum at the end of the stream is.
            while stream.read(_CHUNK):
                pass
        return collection


class _TarMember(tarfile.TarInfo):
    """Refuses what the standard library would read without a bound, and what it would take for the end."""

    @classmethod
    def frombuf(cls, buf: bytes, encoding: str, errors: str) -> _TarMember:
        member = super().frombuf(buf, encoding, errors)
        ordinary = (*tarfile.REGULAR_TYPES, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE)
        if member.size < 0 or (member.type not in ordinary and member.size > _TAR_HEADER_BYTES):
            raise UnusableInput("The tar archive holds a header of unusual size; make it with your system's own tool.")
        return member

    @classmethod
    def fromtarfile(cls, tarfile_: tarfile.TarFile) -> _TarMember:
        try:
            return super().fromtarfile(tarfile_)
        except tarfile.EOFHeaderError:  # the proper end: a block of zeros
            raise
        except tarfile.HeaderError as trouble:
            # tarfile ends quietly on a broken or missing header, and half an upload would count as a whole one.
            raise tarfile.ReadError(str(trouble)) from trouble


class _Metered(io.RawIOBase):
    """A stream that refuses to give more than the limits allow."""

    def __init__(self, stream: Decompressed | BinaryIO, *, name: str) -> None:
        self._stream = stream
        self._name = name
        self._total = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        content = self._stream.read(_CHUNK if size < 0 else size) or b""
        self._total += len(content)
        # Twice the limit leaves room for headers, padding and what is passed over; files themselves are counted apart.
        if self._total > 2 * MAX_UNPACKED_BYTES:
            raise UnusableInput(
                f"{_shown(self._name)} unpacks to far more than {_megabytes(MAX_UNPACKED_BYTES)}, the most that is "
                "accepted; leave out data sets and virtual environments."
            )
        return content


def _read_folder(folder: Path, *, keep: Keep) -> _Collection:
    collection = _Collection(kind=SourceKind.FOLDER, name=folder.resolve().name or "/", packed_bytes=None, keep=keep)
    waiting = [""]
    while waiting:
        prefix = waiting.pop()
        with os.scandir(folder / prefix) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                place = f"{prefix}/{entry.name}" if prefix else entry.name
                collection.listed_one_more()
                if entry.is_dir(follow_symlinks=False):
                    if not _skipped_folder(entry.name):
                        waiting.append(place)
                elif entry.is_file(follow_symlinks=False):
                    path = _checked_path(place)
                    if not _passed_over(path):
                        collection.add(path, _file_chunks(folder / place))
    return collection


def _file_chunks(path: Path) -> Iterator[bytes]:
    # O_NONBLOCK, because a file may have become a pipe since the folder was listed.
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(handle, "rb") as stream:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise _device(path.name)
        yield from _chunks(stream)


# Bytes in, bytes out


def _take(stream: BinaryIO, most: int) -> bytes:
    content = bytearray()
    while len(content) < most:
        chunk = stream.read(min(_CHUNK, most - len(content)))
        if not chunk:
            break
        content += chunk
    return bytes(content)


def _chunks(stream: io.IOBase | BinaryIO) -> Iterator[bytes]:
    while chunk := stream.read(_CHUNK):  # type: ignore[union-attr]
        yield chunk


def _write_files(files: Mapping[str, bytes], folder: Path) -> None:
    root = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        folders: dict[str, None] = {}
        for path, content in files.items():
            if _checked_path(path) != path or not path:
                raise UnusableInput(f"{_shown(path)} is not a name that can be written.")
            for parent in reversed(PurePosixPath(path).parents[:-1]):
                if str(parent) not in folders:
                    os.mkdir(str(parent), 0o700, dir_fd=root)
                    folders[str(parent)] = None
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            with os.fdopen(os.open(path, flags, 0o400, dir_fd=root), "wb") as stream:
                stream.write(content)
                os.fchmod(stream.fileno(), 0o444)
        for made in reversed(folders):
            os.chmod(made, 0o555, dir_fd=root)  # noqa: S103 -- read-only for the sandbox's own user too
        os.fchmod(root, 0o555)
    finally:
        os.close(root)


def _digest(files: Mapping[str, bytes]) -> str:
    """SHA-256 over length and text of each name and content, in the order of names."""
    digest = hashlib.sha256()
    for path, content in sorted(files.items()):
        for part in (path.encode(), content):
            digest.update(len(part).to_bytes(8, "little"))
            digest.update(part)
    return digest.hexdigest()


# Refusals


@contextlib.contextmanager
def _damage_is_named(name: str) -> Iterator[None]:
    """Whatever the parsers of hostile bytes raise is the upload's fault: everything was in memory before they began."""
    try:
        yield
    except (UnusableInput, MemoryError):
        raise
    except Exception as trouble:
        raise UnusableInput(
            f"{_shown(name)} is damaged or incomplete and can't be unpacked; make the archive again and upload that."
        ) from trouble


def _too_many_members(name: str) -> UnusableInput:
    return UnusableInput(f"{_shown(name)} lists more than {MAX_LISTED:,} members, the most that is looked through.")


def _link(path: str) -> UnusableInput:
    return UnusableInput(f"{_shown(path)} is a link; an archive may only hold files and folders.")


def _device(path: str) -> UnusableInput:
    return UnusableInput(f"{_shown(path)} is neither a file nor a folder; an archive may hold nothing else.")


def _shown(name: str) -> str:
    """A name in quotation marks, shortened, with nothing in it that a terminal or a page would obey."""
    name = name if len(name) <= 120 else f"{name[:80]}…{name[-30:]}"
    safe = "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in name
    )
    return f'"{safe}"'


def _megabytes(count: int) -> str:
    return f"{count // MEGABYTE} MB"
