"""Fuzzes the archive reader: ``python -m tests.hostile.fuzz_archives [ITERATIONS] [SEED]`` from the checkout.

Archives with hostile names, sizes and members, damaged afterwards. Allowed are an ``Upload`` that keeps every rule and
``UnusableInput`` with one clean sentence, in little time; anything else is printed with its seed.
"""

from __future__ import annotations

import io
import random
import struct
import sys
import tarfile
import time
import unicodedata
import zipfile

from milestones import archive
from milestones.contract import UnusableInput

NAMES = (
    "tinytorch/core/tensor.py",
    "a.py",
    "../a.py",
    "/etc/passwd",
    "C:\\a.py",
    "a/./b//c.py",
    "A.py",
    "a.py/b",
    "tinytorch/\u202egnp.py",
    "x" * 300,
    "a\x00.py",
    "e\u0301.py",
    "\u00e9.py",
    "con.py",
    " ",
    ".",
    "..",
    "d/" * 60 + "x.py",
    "__pycache__/a.pyc",
    "weights/w.npz",
    "a\nb.py",
    "",
)
MOST_SECONDS = 10.0


def zipped(draw: random.Random) -> bytes:
    """A zip of odd members."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as target:
        for _ in range(draw.randrange(6)):
            member = zipfile.ZipInfo(draw.choice(NAMES) or "x")
            member.external_attr = draw.choice((0, 0o100644, 0o120777, 0o020666, 0o040755, 0o104755)) << 16
            member.compress_type = draw.choice(
                (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
            )
            target.writestr(member, draw.choice((b"", b"x = 1\n", draw.randbytes(200), bytes(3_000_000))))
    return packed.getvalue()


def tarred(draw: random.Random) -> bytes:
    """A tar of odd members, perhaps compressed."""
    packed = io.BytesIO()
    mode = draw.choice(("w", "w:gz", "w:bz2", "w:xz"))
    with tarfile.open(fileobj=packed, mode=mode, format=draw.choice((0, 1, 2))) as target:
        for _ in range(draw.randrange(6)):
            try:
                member = tarfile.TarInfo(draw.choice(NAMES))
                member.type = draw.choice(
                    (b"0", b"0", b"0", b"1", b"2", b"3", b"4", b"5", b"6", b"7", b"S", b"g", b"Z")
                )
                member.linkname = draw.choice(("", "/etc/passwd", "../x", "a.py"))
                content = draw.choice((b"", b"x = 1\n", draw.randbytes(700)))
                member.size = len(content)
                target.addfile(member, io.BytesIO(content))
            except (ValueError, UnicodeError):
                continue
    return packed.getvalue()


def damaged(draw: random.Random, data: bytes) -> bytes:
    """``data`` with bytes changed, numbers made extreme, parts cut or doubled."""
    changed = bytearray(data)
    for _ in range(draw.choice((0, 0, 1, 2, 5))):
        place = draw.randrange(len(changed) + 1)
        match draw.randrange(5):
            case 0:
                changed[place : place + 1] = draw.randbytes(1)
            case 1:
                size = draw.choice((0, 1, 2**31 - 1, 2**32 - 1))
                changed[place : place + 4] = struct.pack("<I", size)
            case 2:
                del changed[place:]
            case 3:
                changed[place:place] = changed[: draw.randrange(200)]
            case 4:
                # A field of a tar header: sizes are octal text, or binary behind a set high bit.
                field = (place // 512) * 512 + 124
                changed[field : field + 12] = draw.choice((b"77777777777\0", b"\x80" + b"\xff" * 11, b"-0000000001\0"))
    return bytes(changed)


def check(seed: int) -> None:
    """One iteration. Raises whatever should not be."""
    draw = random.Random(seed)
    data = damaged(draw, draw.choice((zipped, tarred))(draw))
    started = time.monotonic()
    try:
        upload = archive.read_stream(io.BytesIO(data), draw.choice(("a.zip", "a.tar.gz", "a.py", "\x1b[2Ja", "a.tar")))
    except UnusableInput as refused:
        sentence = str(refused)
        assert len(sentence) < 1_000
        assert not any(unicodedata.category(c) in ("Cc", "Cs", "Cf") for c in sentence), repr(sentence)
    else:
        assert sum(map(len, upload.files.values())) == upload.total_bytes <= archive.MAX_UNPACKED_BYTES
        for name in upload.files:
            assert not name.startswith("/")
            assert not {"", ".", ".."} & set(name.split("/"))
            assert not any(unicodedata.category(c) in ("Cc", "Cs") for c in name)
        folded = {name.casefold() for name in upload.files}
        assert len(folded) == len(upload.files)
    assert time.monotonic() - started < MOST_SECONDS


def run(iterations: int, seed: int) -> None:
    """``iterations`` checks from ``seed`` on. Raises AssertionError that names the seed of the first failure."""
    for number in range(seed, seed + iterations):
        try:
            check(number)
        except Exception as error:
            raise AssertionError(f"seed {number}: {type(error).__name__}: {error}") from error


if __name__ == "__main__":
    count, first = (int(word) for word in (*sys.argv[1:], *("20000", "0")[len(sys.argv) - 1 :]))
    run(count, first)
    print(f"{count:,} archives: nothing but uploads and refusals")
