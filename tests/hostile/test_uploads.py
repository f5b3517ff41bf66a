"""Hostile archives at the door: refused with one sentence before anything is unpacked, written or run."""

from __future__ import annotations

import io
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from milestones.contract import UnusableInput
from tests.hostile import oracle
from tests.hostile.submissions import assess, base_files
from tests.hostile.verdicts import MATHEMATICS

FILES = base_files("full_autograd")


def _zip(*odd: tuple[zipfile.ZipInfo | str, bytes], level: int = 6) -> bytes:
    """The honest sample with some odd members before it."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=level) as target:
        for name, content in (*odd, *FILES.items()):
            target.writestr(name, content)
    return packed.getvalue()


def _tar(*odd: tarfile.TarInfo, mode: str = "w:gz") -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode=mode) as target:
        for member in odd:
            target.addfile(member, io.BytesIO(bytes(member.size)))
        for name, content in FILES.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            target.addfile(member, io.BytesIO(content))
    return packed.getvalue()


def _special(name: str, mode: int) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo(name)
    member.create_system = 3
    member.external_attr = mode << 16
    return member


def _member(name: str, kind: bytes, link: str = "", size: int = 0) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname, member.size = kind, link, size
    return member


def _encrypted() -> bytes:
    packed = bytearray(_zip(("secret.py", b"x = 1\n")))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = packed.index(signature) + offset
        packed[place] |= 1
    return bytes(packed)


def _overlapping() -> bytes:
    """Every entry of the directory points at the same megabyte of zeros, as the better zip bombs do."""
    compressed = zlib.compressobj(9, zlib.DEFLATED, -15)
    data = compressed.compress(bytes(1 << 20)) + compressed.flush()
    crc = zlib.crc32(bytes(1 << 20))
    local = struct.pack("<4sHHHHHIIIHH", b"PK\x03\x04", 20, 0, 8, 0, 0, crc, len(data), 1 << 20, 5, 0) + b"0.py_" + data
    directory = b"".join(
        struct.pack(
            "<4sHHHHHHIIIHHHHHII", b"PK\x01\x02", 20, 20, 0, 8, 0, 0, crc, len(data), 1 << 20, 5, 0, 0, 0, 0, 0, 0
        )
        + b"%04d_" % number
        for number in range(4_000)
    )
    end = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 4_000, 4_000, len(directory), len(local), 0)
    return local + directory + end


ARCHIVES: dict[str, tuple[str, Callable[[], bytes]]] = {
    "an absolute path": ("a.zip", lambda: _zip(("/tmp/tinytorch-hostile-notes", b"x"))),
    "a path that climbs": ("a.zip", lambda: _zip(("../../../../tmp/tinytorch-hostile-notes", b"x"))),
    "a path that climbs with backslashes": ("a.zip", lambda: _zip(("..\\..\\tinytorch-hostile-notes", b"x"))),
    "a drive letter": ("a.zip", lambda: _zip(("C:/tinytorch-hostile-notes", b"x"))),
    "a link to the host": ("a.zip", lambda: _zip((_special("link", stat.S_IFLNK | 0o777), b"/etc/passwd"))),
    "a pipe": ("a.zip", lambda: _zip((_special("pipe", stat.S_IFIFO | 0o666), b""))),
    "a device": ("a.zip", lambda: _zip((_special("disk", stat.S_IFBLK | 0o666), b""))),
    "twins in capitals": ("a.zip", lambda: _zip(("TINYTORCH/core/tensor.py", b"x"))),
    "the same file twice": ("a.zip", lambda: _zip(("tinytorch/core/tensor.py", b"x"))),
    "a file that is a folder": ("a.zip", lambda: _zip(("tinytorch/core", b"x"))),
    "an encrypted member": ("a.zip", _encrypted),
    "too many files": ("a.zip", lambda: _zip(*((f"f/{n}.py", b"") for n in range(5_001)))),
    "a bomb": ("a.zip", lambda: _zip(("bomb.bin", bytes(300 << 20)), level=9)),
    "a bomb of overlapping members": ("a.zip", _overlapping),
    "a bomb in a tar": ("a.tar.gz", lambda: _tar(_member("bomb.bin", tarfile.REGTYPE, size=300 << 20))),
    "a link in a tar": ("a.tar.gz", lambda: _tar(_member("link", tarfile.SYMTYPE, "/etc/passwd"))),
    "a hard link in a tar": ("a.tar.gz", lambda: _tar(_member("link", tarfile.LNKTYPE, "/etc/passwd"))),
    "a device in a tar": ("a.tar.gz", lambda: _tar(_member("null", tarfile.CHRTYPE))),
    "a path that climbs in a tar": ("a.tar", lambda: _tar(_member("../x.py", tarfile.REGTYPE), mode="w")),
    "half an archive": ("a.zip", lambda: _zip()[: len(_zip()) // 2]),
    "an archive in another's clothes": ("a.py", lambda: b"\x7fELF" + bytes(100)),
    "nothing": ("a.zip", lambda: b""),
}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("case", ARCHIVES)
def test_a_hostile_archive_is_refused_with_a_sentence(case: str, tmp_path: Path, host: oracle.Host) -> None:
    name, make = ARCHIVES[case]
    path = tmp_path / name
    path.write_bytes(make())
    with pytest.raises(UnusableInput) as refused:
        assess(path, MATHEMATICS, cpu_seconds=1.5)
    assert str(refused.value).endswith(".")
    assert sorted(tmp_path.iterdir()) == [path]


def test_an_honest_archive_next_to_them_is_read(tmp_path: Path, host: oracle.Host) -> None:
    for name, content in (("a.zip", _zip()), ("a.tar.gz", _tar())):
        path = tmp_path / name
        path.write_bytes(content)
        mathematics = assess(path, MATHEMATICS, cpu_seconds=10).criteria[0]
        assert mathematics.points == mathematics.maximum
