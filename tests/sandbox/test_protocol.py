"""The frames themselves: what is sent arrives, and nothing that a hostile writer can say does any harm."""

from __future__ import annotations

import socket
import struct
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from milestones.sandbox.protocol import (
    MAX_FAULT_NUMBERS,
    MAX_FAULT_TEXT,
    Decoder,
    Frame,
    FrameLimits,
    Kind,
    ProtocolError,
    array_to_text,
    clean_text,
    encode,
    fault_frame,
    read_fault,
    read_frame,
    text_to_array,
    write_frame,
)

DTYPES = st.sampled_from([np.float64, np.float32, np.int64, np.int32, np.uint8, np.bool_])
ARRAYS = DTYPES.flatmap(
    lambda dtype: arrays_of.arrays(dtype, arrays_of.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5))
)
FRAMES = st.builds(
    Frame,
    kind=st.sampled_from(Kind),
    operation=st.integers(0, 2**16 - 1),
    request_id=st.integers(0, 2**64 - 1),
    arrays=st.lists(ARRAYS, max_size=4).map(tuple),
)
SMALL = FrameLimits(arrays=8, total_bytes=64 * 1024)
HEADER = struct.Struct("<4sHHHHQ")
ARRAY = struct.Struct("<BB6s4Q")


def wire(*frames: Frame) -> bytes:
    return b"".join(bytes(part) for frame in frames for part in encode(frame))


def assert_same(sent: Frame, received: Frame) -> None:
    assert (sent.kind, sent.operation, sent.request_id) == (received.kind, received.operation, received.request_id)
    assert len(sent.arrays) == len(received.arrays)
    for ours, theirs in zip(sent.arrays, received.arrays, strict=True):
        assert ours.dtype == theirs.dtype
        assert ours.shape == theirs.shape
        assert ours.tobytes() == theirs.tobytes()


def header(*, kind: int = 2, count: int = 1, magic: bytes = b"TTMS", version: int = 1) -> bytes:
    return HEADER.pack(magic, version, kind, 7, count, 99)


@given(st.lists(FRAMES, min_size=1, max_size=3), st.data())
def test_frames_arrive_as_they_were_sent_however_the_stream_is_cut(frames: list[Frame], data: st.DataObject) -> None:
    stream = wire(*frames)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    decoder = Decoder()
    received = []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        received += decoder.feed(stream[start:end])
    assert not decoder.mid_frame
    for sent, got in zip(frames, received, strict=True):
        assert_same(sent, got)


@given(FRAMES)
def test_the_blocking_reader_agrees_with_the_incremental_one(frame: Frame) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        write_frame(ours, frame)
        assert_same(frame, read_frame(theirs))


@settings(max_examples=300)
@given(st.binary(max_size=400), st.booleans())
def test_arbitrary_bytes_raise_nothing_but_a_protocol_error(noise: bytes, begins_well: bool) -> None:
    decoder = Decoder(SMALL)
    try:
        for frame in decoder.feed(header(count=2) + noise if begins_well else noise):
            assert sum(array.nbytes for array in frame.arrays) <= SMALL.total_bytes
    except ProtocolError:
        with pytest.raises(ProtocolError):
            decoder.feed(b"")


@settings(max_examples=300)
@given(FRAMES, st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=4))
def test_a_damaged_frame_raises_nothing_but_a_protocol_error(frame: Frame, damage: list[tuple[int, int]]) -> None:
    stream = bytearray(wire(frame))
    for position, value in damage:
        stream[position % len(stream)] = value
    decoder = Decoder(SMALL)
    try:
        received = decoder.feed(stream)
    except ProtocolError:
        return
    assert all(sum(array.nbytes for array in got.arrays) <= SMALL.total_bytes for got in received)


@given(
    st.lists(
        st.tuples(st.integers(1, 6), st.integers(0, 4), st.lists(st.integers(0, 2**64 - 1), min_size=4, max_size=4)),
        min_size=1,
        max_size=8,
    )
)
def test_announced_sizes_are_refused_before_memory_is_taken(table: list[tuple[int, int, list[int]]]) -> None:
    stream = header(count=len(table)) + b"".join(
        ARRAY.pack(code, dimensions, bytes(6), *sizes[:dimensions], *[0] * (4 - dimensions))
        for code, dimensions, sizes in table
    )
    decoder = Decoder(SMALL)
    tracemalloc.start()
    try:
        for frame in decoder.feed(stream):
            assert sum(array.nbytes for array in frame.arrays) <= SMALL.total_bytes
    except ProtocolError:
        pass
    finally:
        _now, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < SMALL.total_bytes + 64 * 1024


@pytest.mark.parametrize(
    "stream",
    [
        header(magic=b"HTTP"),
        header(version=2),
        header(kind=0),
        header(kind=4),
        header(count=9),
        header() + ARRAY.pack(0, 0, bytes(6), 0, 0, 0, 0),
        header() + ARRAY.pack(7, 0, bytes(6), 0, 0, 0, 0),
        header() + ARRAY.pack(1, 5, bytes(6), 1, 1, 1, 1),
        header() + ARRAY.pack(1, 1, b"hidden", 1, 0, 0, 0),
        header() + ARRAY.pack(1, 1, bytes(6), 1, 1, 0, 0),
        header() + ARRAY.pack(1, 1, bytes(6), 1 << 60, 0, 0, 0),
        header() + ARRAY.pack(1, 2, bytes(6), 0, 1 << 62, 0, 0),
        header() + ARRAY.pack(6, 1, bytes(6), 2, 0, 0, 0) + b"\1\2",
    ],
    ids=["magic", "version", "kind 0", "kind 4", "many", "dtype 0", "dtype 7", "5-D", "padding", "spare size", "large",
         "large beside zero", "truth value 2"],
)  # fmt: skip
def test_what_is_no_frame_is_refused(stream: bytes) -> None:
    with pytest.raises(ProtocolError):
        Decoder(SMALL).feed(stream)


def test_a_reader_can_object_to_a_header_before_the_bytes_come() -> None:
    def never(_header: object) -> None:
        raise ProtocolError("not that one")

    stream = wire(Frame(Kind.ANSWER, 1, 2, (np.zeros(1000),)))
    with pytest.raises(ProtocolError, match="not that one"):
        Decoder(objection=never).feed(stream[:60])


def test_a_connection_that_ends_says_whether_it_ended_inside_a_frame() -> None:
    for length, expected in ((0, EOFError), (5, ProtocolError), (30, ProtocolError), (100, ProtocolError)):
        ours, theirs = socket.socketpair()
        with ours, theirs:
            ours.sendall(wire(Frame(Kind.ANSWER, 1, 2, (np.zeros(100),)))[:length])
            ours.close()
            with pytest.raises(expected):
                read_frame(theirs)


@pytest.mark.parametrize(
    "frame",
    [
        Frame(Kind.ANSWER, 1, 2, (np.zeros((1,) * 5),)),
        Frame(Kind.ANSWER, 1, 2, (np.array([object()]),)),
        Frame(Kind.ANSWER, 1, 2, (np.array(["text"]),)),
        Frame(Kind.ANSWER, 1, 2, (np.zeros(1, dtype=np.complex128),)),
        Frame(Kind.ANSWER, 1 << 16, 2, ()),
        Frame(Kind.ANSWER, 1, -1, ()),
    ],
)
def test_what_the_format_cannot_carry_is_not_written(frame: Frame) -> None:
    with pytest.raises(ProtocolError):
        encode(frame)


@given(st.integers(-(2**63), 2**63 - 1), st.lists(st.integers(-(2**63), 2**63 - 1), max_size=30), st.text(max_size=200))
def test_a_fault_arrives_with_its_numbers_and_a_clean_text(code: int, numbers: list[int], text: str) -> None:
    got_code, got_numbers, got_text = read_fault(
        fault_frame(operation=1, request_id=2, code=code, numbers=numbers, text=text)
    )
    assert (got_code, got_numbers) == (code, tuple(numbers[: MAX_FAULT_NUMBERS - 1]))
    assert got_text == clean_text(text.encode("utf-8", "replace").decode())


@pytest.mark.parametrize(
    "arrays",
    [
        (),
        (np.zeros(1, dtype=np.int64),),
        (np.zeros(0, dtype=np.int64), np.zeros(1, dtype=np.uint8)),
        (np.zeros(17, dtype=np.int64), np.zeros(1, dtype=np.uint8)),
        (np.zeros(1), np.zeros(1, dtype=np.uint8)),
        (np.zeros((1, 1), dtype=np.int64), np.zeros(1, dtype=np.uint8)),
        (np.zeros(1, dtype=np.int64), np.zeros(MAX_FAULT_TEXT + 1, dtype=np.uint8)),
        (np.zeros(1, dtype=np.int64), np.zeros(1, dtype=np.int64)),
    ],
)
def test_a_fault_of_another_form_is_refused(arrays: tuple[np.ndarray, ...]) -> None:
    with pytest.raises(ProtocolError):
        read_fault(Frame(Kind.FAULT, 1, 2, arrays))


@given(arrays_of.arrays(np.uint8, st.integers(0, 300)))
def test_any_bytes_become_text_without_control_characters(data: np.ndarray) -> None:
    text = array_to_text(data, 300)
    assert all(character in "\t\n" or character.isprintable() or ord(character) > 0x9F for character in text)
    text.encode("utf-8")


def test_text_survives_the_way_and_its_size_is_strict() -> None:
    assert array_to_text(text_to_array("kernel größer\n"), 20) == "kernel größer\n"
    with pytest.raises(ProtocolError):
        array_to_text(text_to_array("x" * 21), 20)
    with pytest.raises(ProtocolError):
        array_to_text(np.zeros((2, 2), dtype=np.uint8), 20)
    with pytest.raises(ProtocolError):
        array_to_text(np.zeros(2), 20)


def test_terminal_sequences_and_hidden_signs_disappear() -> None:
    dirty = "\x1b[31mred\x1b[0m \x1b]0;title\x07a\x00b\x9bc\u202egnp\u2066.\r\nnext\rlast"
    assert clean_text(dirty) == "red abcgnp.\nnext\nlast"
