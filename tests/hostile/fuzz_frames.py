"""Fuzzes the frame parser: ``python -m tests.hostile.fuzz_frames [ITERATIONS] [SEED]`` from the checkout.

Damaged, spliced and cut frames go to both readers. Allowed are frames within the limits and ``ProtocolError``; anything else,
disagreement of the readers and memory beyond what was announced as acceptable are failures, printed with their seed.
"""

from __future__ import annotations

import contextlib
import random
import socket
import struct
import sys
import tracemalloc

import numpy as np

from milestones.sandbox.protocol import Decoder, Frame, FrameLimits, Kind, ProtocolError, encode, read_fault, read_frame

LIMITS = FrameLimits(arrays=4, total_bytes=1 << 16)
DTYPES = (np.float64, np.float32, np.int64, np.int32, np.uint8, np.bool_)
# Sizes at which arithmetic goes wrong somewhere.
SIZES = (0, 1, 2, 3, 2**15, 2**16, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**62, 2**63 - 1, 2**63, 2**64 - 1)
MOST_MEMORY = 4 * LIMITS.total_bytes + (1 << 20)


def one_frame(draw: random.Random) -> bytes:
    """A valid frame of small arrays."""
    arrays = []
    for _ in range(draw.randrange(4)):
        shape = tuple(draw.randrange(5) for _ in range(draw.randrange(5)))
        arrays.append(np.frombuffer(draw.randbytes(5**4 * 8), np.uint8)[: int(np.prod(shape)) * 8].copy())
        dtype = np.dtype(draw.choice(DTYPES))
        values = np.resize(arrays.pop(), int(np.prod(shape)) * dtype.itemsize).view(np.uint8)
        if dtype == np.bool_:
            values = values % 2
        arrays.append(values.view(dtype).reshape(shape) if values.size else np.zeros(shape, dtype))
    frame = Frame(draw.choice(list(Kind)), draw.randrange(1 << 16), draw.getrandbits(64), tuple(arrays))
    return b"".join(bytes(part) for part in encode(frame))


def damaged(draw: random.Random) -> bytes:
    """A frame, or several, with a few things wrong with them."""
    data = bytearray(b"".join(one_frame(draw) for _ in range(draw.randrange(1, 3))))
    for _ in range(draw.randrange(4)):
        place = draw.randrange(len(data) + 1)
        match draw.randrange(5):
            case 0:
                data[place : place + 1] = draw.randbytes(1)
            case 1:
                # A size: they stand at multiples of 8 after 20 bytes of header and 8 of each array's table.
                place = 28 + 8 * draw.randrange(16)
                data[place : place + 8] = struct.pack("<Q", draw.choice(SIZES))
            case 2:
                data[place:place] = draw.randbytes(draw.randrange(40))
            case 3:
                del data[place : place + draw.randrange(40)]
            case 4:
                data[place:place] = one_frame(draw)
    return bytes(data)


def decoded(data: bytes, draw: random.Random) -> tuple[list[Frame], bool]:
    """What the incremental reader makes of ``data`` in random pieces: its frames, and whether it objected."""
    decoder = Decoder(LIMITS)
    frames: list[Frame] = []
    position = 0
    try:
        while position < len(data):
            size = draw.choice((1, 3, 20, 60, 1000, len(data)))
            frames += decoder.feed(data[position : position + size])
            position += size
    except ProtocolError:
        return frames, True
    return frames, False


def blocking(data: bytes) -> tuple[list[Frame], bool]:
    """The same from the reader that the inside uses."""
    ours, theirs = socket.socketpair()
    frames: list[Frame] = []
    with ours, theirs:
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        ours.sendall(data)
        ours.shutdown(socket.SHUT_WR)
        try:
            while True:
                frames.append(read_frame(theirs, LIMITS))
        except EOFError:
            return frames, False
        except ProtocolError:
            return frames, True


def check(seed: int) -> None:
    """One iteration. Raises whatever should not be."""
    draw = random.Random(seed)
    data = damaged(draw)
    tracemalloc.reset_peak()
    frames, objected = decoded(data, draw)
    assert tracemalloc.get_traced_memory()[1] < MOST_MEMORY, "memory was taken for what was only announced"
    for frame in frames:
        assert sum(array.nbytes for array in frame.arrays) <= LIMITS.total_bytes
        if frame.kind is Kind.FAULT:
            with contextlib.suppress(ProtocolError):
                read_fault(frame)
    if len(data) < 100_000:
        others, also_objected = blocking(data)
        assert len(others) == len(frames) or objected or also_objected
        for one, other in zip(frames, others, strict=False):
            assert (one.kind, one.operation, one.request_id) == (other.kind, other.operation, other.request_id)
            assert all(np.array_equal(a.view(np.uint8), b.view(np.uint8)) for a, b in _bytes(one, other))


def _bytes(one: Frame, other: Frame) -> list[tuple[np.ndarray, np.ndarray]]:
    return [(a.reshape(-1), b.reshape(-1)) for a, b in zip(one.arrays, other.arrays, strict=True)]


def run(iterations: int, seed: int) -> None:
    """``iterations`` checks from ``seed`` on. Raises AssertionError that names the seed of the first failure."""
    tracemalloc.start()
    try:
        for number in range(seed, seed + iterations):
            try:
                check(number)
            except Exception as error:
                raise AssertionError(f"seed {number}: {type(error).__name__}: {error}") from error
    finally:
        tracemalloc.stop()


if __name__ == "__main__":
    count, first = (int(word) for word in (*sys.argv[1:], *("100000", "0")[len(sys.argv) - 1 :]))
    run(count, first)
    print(f"{count:,} frames: nothing but frames and refusals")
