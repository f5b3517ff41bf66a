"""What a sandboxed program prints: always taken in, mostly thrown away, never trusted."""

from __future__ import annotations

import collections

from milestones.sandbox.protocol import clean_text

EDGE_BYTES = 64 * 1024


class Output:
    """The first and the last 64 KB of a stream of bytes, and how many there were in all."""

    def __init__(self) -> None:
        self.total_bytes = 0
        self._first = bytearray()
        self._last: collections.deque[bytes] = collections.deque()
        self._last_bytes = 0

    def add(self, data: bytes) -> None:
        """Take in ``data``."""
        self.total_bytes += len(data)
        room = EDGE_BYTES - len(self._first)
        if room > 0:
            self._first += data[:room]
            data = data[room:]
        if data:
            self._last.append(data)
            self._last_bytes += len(data)
            while self._last_bytes - len(self._last[0]) >= EDGE_BYTES:
                self._last_bytes -= len(self._last.popleft())

    def text(self) -> str:
        """The kept parts as clean text, with a line in between that says how much is missing."""
        last = b"".join(self._last)[-EDGE_BYTES:]
        missing = self.total_bytes - len(self._first) - len(last)
        text = clean_text(bytes(self._first if missing else self._first + last).decode("utf-8", "replace"))
        if missing:
            text += f"\n… {missing} bytes left out …\n" + clean_text(last.decode("utf-8", "replace"))
        return text

    def tail(self, characters: int = 4000) -> str:
        """The end of the text, for a message; as cheap as it is short, since a live page asks for it all the time."""
        # A character has at most four bytes; the one that is cut in front is among the three more.
        size = 4 * characters + 3
        last = bytes(b"".join([self._first[-size:], *self._last])[-size:])
        return clean_text(last.decode("utf-8", "replace"))[-characters:]
