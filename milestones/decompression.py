"""Reads gzip, bzip2 and xz with bounds on memory and work, which the standard library's file objects do not offer."""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections.abc import Callable
from typing import Protocol

_PIECE = 64 * 1024
_XZ_MEMORY = 128 * 1024 * 1024  # `xz -9` needs 65 MB; a header may ask for 4 GB.
_MOST_STREAMS = 1_000  # pbzip2 writes one for each 900 KB; millions of empty ones would cost minutes.


class _Decoder(Protocol):
    eof: bool
    unused_data: bytes

    def decompress(self, data: bytes, max_length: int = ..., /) -> bytes: ...


# Magic bytes -> a fresh decoder for one stream.
_DECODERS: dict[bytes, Callable[[], _Decoder]] = {
    b"\x1f\x8b": lambda: zlib.decompressobj(wbits=31),
    b"BZh": bz2.BZ2Decompressor,
    b"\xfd7zXZ\x00": lambda: lzma.LZMADecompressor(format=lzma.FORMAT_XZ, memlimit=_XZ_MEMORY),
}


def is_compressed(packed: bytes) -> bool:
    """Whether the bytes begin like gzip, bzip2 or xz."""
    return packed.startswith(tuple(_DECODERS))


class Decompressed:
    """The content of a gzip, bzip2 or xz file held in memory, read piece by piece.

    Checksums are verified when the end is reached. Concatenated streams (as pbzip2 writes them) read as one.
    """

    def __init__(self, packed: bytes) -> None:
        self._packed = memoryview(packed)
        self._at = 0
        self._streams = 1
        self._new_decoder = next(decoder for magic, decoder in _DECODERS.items() if packed.startswith(magic))
        self._decoder = self._new_decoder()

    def read(self, size: int) -> bytes:
        """At most ``size`` bytes; none at the end.

        Raises
        ------
        EOFError: the file is cut off.
        OSError, ValueError, zlib.error, lzma.LZMAError: the file is damaged, or made of too many streams.
        """
        while True:
            if self._decoder.eof:
                if not is_compressed(bytes(self._packed[self._at : self._at + 6])):
                    self._check_padding()
                    return b""
                self._begin_next_stream()
            hungry = getattr(self._decoder, "needs_input", True)
            piece = bytes(self._packed[self._at : self._at + _PIECE]) if hungry else b""
            content = self._decoder.decompress(piece, size)
            # zlib hands back what it did not look at; all three hand back what follows the end of a stream.
            unread = len(getattr(self._decoder, "unconsumed_tail", b"")) or len(self._decoder.unused_data)
            self._at += len(piece) - min(unread, len(piece))
            if content:
                return content
            if hungry and not piece and not self._decoder.eof:
                raise EOFError("the compressed file ends early")

    def _check_padding(self) -> None:
        if bytes(self._packed[self._at :]).strip(b"\0"):  # some tools pad with zeros
            raise ValueError("something follows the end of the compressed file")

    def _begin_next_stream(self) -> None:
        self._streams += 1
        if self._streams > _MOST_STREAMS:
            raise ValueError("too many compressed streams")
        self._decoder = self._new_decoder()
