"""The binary frames that pass between the grader and the sandbox: the only module that both sides share.

A frame, little-endian throughout::

    magic "TTMS" | version u16 | kind u16 | operation u16 | array count u16 | request id u64      20 bytes
    per array:   dtype code u8 | dimensions u8 | 6 zero bytes | 4 sizes u64 (unused ones zero)    40 bytes
    the raw bytes of every array in turn, C order

No pickle and no JSON: what the sandbox says is hostile, so a reader learns the whole size of a frame from 20 + 40 ×
count bytes and refuses it before it allocates anything. Only NumPy and the standard library are imported, because this
file is copied into the sandbox without the rest of the package.
"""

from __future__ import annotations

import enum
import math
import re
import socket
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

MAGIC = b"TTMS"
VERSION = 1
MAX_DIMENSIONS = 4
MAX_FAULT_NUMBERS = 16
MAX_FAULT_TEXT = 16 * 1024

_HEADER = struct.Struct("<4sHHHHQ")
_ARRAY = struct.Struct("<BB6s4Q")
_ZEROS = bytes(6)

# Code on the wire -> dtype. The numbers are part of the format: add, never renumber.
_DTYPES = {
    1: np.dtype("<f8"),
    2: np.dtype("<f4"),
    3: np.dtype("<i8"),
    4: np.dtype("<i4"),
    5: np.dtype("u1"),
    6: np.dtype("?"),
}
_CODES = {dtype: code for code, dtype in _DTYPES.items()}
_BOOL = 6


class ProtocolError(Exception):
    """The bytes are not a frame, or not one that the reader is willing to hold."""


class Kind(enum.IntEnum):
    """What a frame is: a question to the sandbox, its answer, or its typed refusal."""

    REQUEST = 1
    ANSWER = 2
    FAULT = 3


@dataclass(frozen=True, eq=False)
class Frame:
    """One message. ``request_id`` is the random number of the request that an answer or a fault belongs to."""

    kind: Kind
    operation: int
    request_id: int
    arrays: tuple[np.ndarray, ...] = ()


@dataclass(frozen=True, kw_only=True)
class FrameLimits:
    """What a reader is willing to hold: how many arrays in a frame, how many bytes in all of them together."""

    arrays: int = 1024
    total_bytes: int = 512 * 1024 * 1024


@dataclass(frozen=True)
class ArrayHeader:
    """The announced dtype and shape of one array, known before its bytes."""

    dtype: np.dtype
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)


@dataclass(frozen=True)
class FrameHeader:
    """Everything that a frame announces before its bytes."""

    kind: Kind
    operation: int
    request_id: int
    arrays: tuple[ArrayHeader, ...]


# A reader's own objection to a frame, asked before anything is allocated. It raises ProtocolError to refuse.
Objection = Callable[[FrameHeader], None]


def encode(frame: Frame) -> list[memoryview | bytes]:
    """The bytes of ``frame`` as a list of buffers, without copying contiguous arrays.

    Raises ProtocolError for a dtype, a number of dimensions or a number that the format cannot carry.
    """
    arrays = [np.asarray(array, order="C") for array in frame.arrays]
    try:
        head = [_HEADER.pack(MAGIC, VERSION, frame.kind, frame.operation, len(arrays), frame.request_id)]
    except struct.error as error:
        raise ProtocolError(f"The frame's header cannot be written: {error}.") from None
    body: list[memoryview | bytes] = []
    for array in arrays:
        dtype = array.dtype.newbyteorder("<")
        code = _CODES.get(dtype)
        if code is None:
            raise ProtocolError(f"Arrays of {array.dtype} cannot be sent.")
        if array.ndim > MAX_DIMENSIONS:
            raise ProtocolError(f"An array has {array.ndim} dimensions; at most {MAX_DIMENSIONS} can be sent.")
        sizes = array.shape + (0,) * (MAX_DIMENSIONS - array.ndim)
        head.append(_ARRAY.pack(code, array.ndim, _ZEROS, *sizes))
        if array.size:
            body.append(array.astype(dtype, copy=False).reshape(-1).view(np.uint8).data)
    return [b"".join(head), *body]


class Decoder:
    """Turns the bytes of a stream into frames, however they are cut up.

    Sizes are checked against ``limits`` and against ``objection`` before memory is taken. After a ProtocolError the
    stream has no known position any more, so every later call raises it again.
    """

    def __init__(self, limits: FrameLimits | None = None, objection: Objection | None = None) -> None:
        self.limits = limits or FrameLimits()
        self.objection = objection
        self._error: str | None = None
        self._start()

    @property
    def mid_frame(self) -> bool:
        """Whether a frame has begun and not ended: the end of the stream here means a torn frame."""
        return bool(self._head) or self._header is not None

    def feed(self, data: bytes | bytearray | memoryview) -> list[Frame]:
        """Take in ``data`` and return the frames that it completes. Raises ProtocolError."""
        if self._error is not None:
            raise ProtocolError(self._error)
        try:
            return self._feed(memoryview(data).cast("B"))
        except ProtocolError as error:
            self._error = str(error)
            self._start()
            raise

    def _start(self) -> None:
        self._head = bytearray()
        self._head_size = _HEADER.size
        self._header: FrameHeader | None = None
        self._arrays: list[np.ndarray] = []
        self._targets: list[memoryview] = []

    def _feed(self, data: memoryview) -> list[Frame]:
        frames = []
        while True:
            if self._header is None:
                missing = self._head_size - len(self._head)
                self._head += data[:missing]
                data = data[missing:]
                if len(self._head) < self._head_size:
                    return frames
                self._read_head()
            else:
                while self._targets and data:
                    target = self._targets[0]
                    count = min(len(target), len(data))
                    target[:count] = data[:count]
                    data = data[count:]
                    if count == len(target):
                        del self._targets[0]
                    else:
                        self._targets[0] = target[count:]
                if self._targets:
                    return frames
                frames.append(_finish(self._header, self._arrays))
                self._start()

    def _read_head(self) -> None:
        if self._head_size == _HEADER.size:
            self._head_size += _ARRAY.size * _array_count(self._head, self.limits)
            if len(self._head) < self._head_size:
                return
        header = _parse(bytes(self._head), self.limits)
        if self.objection is not None:
            self.objection(header)
        self._arrays = [np.empty(array.shape, array.dtype) for array in header.arrays]
        self._targets = [target for target in map(_bytes_of, self._arrays) if target]
        self._header = header


def read_frame(connection: socket.socket, limits: FrameLimits | None = None) -> Frame:
    """Wait for one frame on a blocking socket.

    Raises EOFError when the other side has closed between frames, ProtocolError for anything that is no frame.
    """
    limits = limits or FrameLimits()
    head = bytearray(_HEADER.size)
    _receive(connection, memoryview(head), between_frames=True)
    table = bytearray(_ARRAY.size * _array_count(head, limits))
    _receive(connection, memoryview(table))
    header = _parse(bytes(head + table), limits)
    arrays = [np.empty(array.shape, array.dtype) for array in header.arrays]
    for array in arrays:
        _receive(connection, _bytes_of(array))
    return _finish(header, arrays)


def write_frame(connection: socket.socket, frame: Frame) -> None:
    """Send ``frame`` on a blocking socket. Raises ProtocolError when the format cannot carry it, OSError when torn."""
    for part in encode(frame):
        connection.sendall(part)


def fault_frame(*, operation: int, request_id: int, code: int, numbers: Sequence[int] = (), text: str = "") -> Frame:
    """The typed refusal of a request: a fault code, a few small whole numbers such as a shape, and a text.

    Numbers beyond the sixteenth and text beyond 16 KB are cut; the end of a traceback is worth more than its start.
    """
    vector = np.array([code, *numbers][:MAX_FAULT_NUMBERS], dtype=np.int64)
    return Frame(Kind.FAULT, operation, request_id, (vector, text_to_array(text)[-MAX_FAULT_TEXT:]))


def read_fault(frame: Frame) -> tuple[int, tuple[int, ...], str]:
    """The code, the numbers and the text of a FAULT frame. Raises ProtocolError unless it is exactly of that form."""
    check_fault(FrameHeader(frame.kind, frame.operation, frame.request_id, tuple(map(_announced, frame.arrays))))
    code, *numbers = (int(number) for number in frame.arrays[0])
    return code, tuple(numbers), array_to_text(frame.arrays[1], MAX_FAULT_TEXT)


def check_fault(header: FrameHeader) -> None:
    """Raise ProtocolError unless ``header`` announces a fault: 1 to 16 int64 numbers and at most 16 KB of text."""
    if header.kind is not Kind.FAULT or len(header.arrays) != 2:
        raise ProtocolError("A fault has exactly two arrays.")
    numbers, text = header.arrays
    if numbers.dtype != np.int64 or len(numbers.shape) != 1 or not 1 <= numbers.size <= MAX_FAULT_NUMBERS:
        raise ProtocolError("A fault's numbers are not a short int64 vector.")
    if text.dtype != np.uint8 or len(text.shape) != 1 or text.size > MAX_FAULT_TEXT:
        raise ProtocolError("A fault's text is not a uint8 vector of at most 16 KB.")


def text_to_array(text: str) -> np.ndarray:
    """``text`` as a uint8 vector of its UTF-8 bytes; what UTF-8 cannot say becomes a question mark."""
    return np.frombuffer(text.encode("utf-8", "replace"), dtype=np.uint8)


def array_to_text(array: np.ndarray, limit: int) -> str:
    """The clean text in a uint8 vector of at most ``limit`` bytes.

    Raises ProtocolError for another dtype, shape or size; never for its contents, which ``clean_text`` makes harmless.
    """
    if array.dtype != np.uint8 or array.ndim != 1:
        raise ProtocolError("A text must be a vector of uint8.")
    if array.size > limit:
        raise ProtocolError(f"A text of {array.size} bytes is longer than the {limit} allowed.")
    return clean_text(array.tobytes().decode("utf-8", "replace"))


# Terminal sequences go as a whole (colour, cursor, window title), so that no "[31m" stays behind. The repeats are
# bounded, which keeps the time linear in the text.
_TERMINAL_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]{0,64}[ -/]{0,8}[@-~]|\][^\x07\x1b]{0,256}(?:\x07|\x1b\\))")
# C0 except tab and newline, DEL, C1, and the signs that reorder or hide text (bidirectional overrides, separators).
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


def clean_text(text: str) -> str:
    """``text`` without NUL, control characters and terminal sequences; carriage returns become newlines.

    PostgreSQL refuses NUL, terminals obey escapes, and bidirectional overrides show another text than is there.
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return _CONTROL.sub("", _TERMINAL_SEQUENCE.sub("", text))


def _array_count(head: bytes | bytearray, limits: FrameLimits) -> int:
    magic, version, kind, _operation, count, _request_id = _HEADER.unpack_from(head)
    if magic != MAGIC or version != VERSION:
        raise ProtocolError("The bytes do not begin a frame.")
    if kind not in (Kind.REQUEST, Kind.ANSWER, Kind.FAULT):
        raise ProtocolError(f"{kind} is no kind of frame.")
    if count > limits.arrays:
        raise ProtocolError(f"A frame of {count} arrays is larger than the {limits.arrays} allowed.")
    return count


def _parse(head: bytes, limits: FrameLimits) -> FrameHeader:
    _magic, _version, kind, operation, count, request_id = _HEADER.unpack_from(head)
    arrays = []
    total = 0
    for index in range(count):
        code, dimensions, zeros, *sizes = _ARRAY.unpack_from(head, _HEADER.size + index * _ARRAY.size)
        if code not in _DTYPES:
            raise ProtocolError(f"{code} is no dtype code.")
        if dimensions > MAX_DIMENSIONS or any(zeros) or any(sizes[dimensions:]):
            raise ProtocolError("An array's dimensions are not well formed.")
        array = ArrayHeader(_DTYPES[code], tuple(sizes[:dimensions]))
        # A zero among the sizes hides the others from the product, and NumPy refuses (0, 2**62): count it as one.
        total += array.dtype.itemsize * math.prod(max(size, 1) for size in array.shape)
        if total > limits.total_bytes:
            raise ProtocolError(f"A frame is larger than the {limits.total_bytes} bytes allowed.")
        arrays.append(array)
    return FrameHeader(Kind(kind), operation, request_id, tuple(arrays))


def _finish(header: FrameHeader, arrays: list[np.ndarray]) -> Frame:
    for array in arrays:
        if array.dtype == _DTYPES[_BOOL] and array.size and int(array.view(np.uint8).max()) > 1:
            raise ProtocolError("A truth value is neither 0 nor 1.")
    native = tuple(array.astype(array.dtype.newbyteorder("="), copy=False) for array in arrays)
    return Frame(header.kind, header.operation, header.request_id, native)


def _announced(array: np.ndarray) -> ArrayHeader:
    return ArrayHeader(array.dtype, array.shape)


def _bytes_of(array: np.ndarray) -> memoryview:
    return array.reshape(-1).view(np.uint8).data


def _receive(connection: socket.socket, target: memoryview, *, between_frames: bool = False) -> None:
    received = 0
    while received < len(target):
        count = connection.recv_into(target[received:])
        if count == 0:
            if between_frames and received == 0:
                raise EOFError("The other side has closed the connection.")
            raise ProtocolError("The connection ended inside a frame.")
        received += count
