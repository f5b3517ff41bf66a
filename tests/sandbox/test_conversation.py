"""Questions and answers through a real sandbox, and every way in which an answer can be none."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from milestones.contract import OurTrouble
from milestones.sandbox.protocol import text_to_array
from milestones.sandbox.session import (
    Expected,
    Sandbox,
    StudentCrashed,
    StudentFault,
    StudentProtocolViolation,
    StudentSide,
)
from tests.sandbox.conftest import ANY_TEXT, ECHO, REFUSE, RUN, run

MakeSandbox = Callable[..., Sandbox]
ODD = """
def send(kind=2, operation=reply["operation"], request_id=reply["request_id"], arrays=()):
    protocol.write_frame(connection, protocol.Frame(protocol.Kind(kind), operation, request_id, tuple(arrays)))
text = protocol.text_to_array("hello")
answer_frame = protocol.Frame(protocol.Kind.ANSWER, **reply, arrays=(text,))
"""


def test_arrays_come_back_as_they_went_in(sandbox: MakeSandbox) -> None:
    arrays = [np.arange(6.0).reshape(2, 3), np.array(True), np.zeros((0, 4), np.float32), np.array([1, -1], np.int32)]
    expect = [Expected(array.dtype, array.shape, 10) for array in arrays]
    with sandbox() as open_sandbox:
        for _ in range(3):
            answers = open_sandbox.ask(ECHO, arrays, expect=expect)
            for sent, received in zip(arrays, answers, strict=True):
                assert sent.dtype == received.dtype
                np.testing.assert_array_equal(sent, received)


def test_31_megabytes_travel_both_ways_without_a_deadlock(sandbox: MakeSandbox) -> None:
    images = np.random.default_rng(1).integers(0, 256, 31_000_000, dtype=np.uint8)
    with sandbox() as open_sandbox:
        (answer,) = open_sandbox.ask(ECHO, [images], expect=[Expected(np.uint8, (images.size,), images.size)])
        assert np.array_equal(images, answer)


def test_both_sides_may_send_at_once_while_the_log_fills(sandbox: MakeSandbox) -> None:
    """The harness begins to answer (and prints a megabyte) while most of the question is still on its way."""
    source = """
    print("x" * 1_000_000)
    answer = "y" * 1_000_000
    """
    with sandbox() as open_sandbox:
        padding = np.zeros(20_000_000, dtype=np.uint8)
        (text,) = open_sandbox.ask(RUN, [text_to_array(source.replace("\n    ", "\n")), padding], expect=[ANY_TEXT])
        assert text.size == 1_000_000
        assert len(open_sandbox.log) > 100_000


@pytest.mark.parametrize("bare", [False, True], ids=["sandboxed", "bare"])
def test_a_fault_is_an_answer_and_the_sandbox_lives_on(sandbox: MakeSandbox, bare: bool) -> None:
    with sandbox(bare=bare) as open_sandbox:
        with pytest.raises(StudentFault) as caught:
            open_sandbox.ask(REFUSE, [], expect=[])
        assert (caught.value.code, caught.value.numbers, caught.value.text) == (3, (4, 5), "no way")
        assert open_sandbox.alive
        assert run(open_sandbox, "answer = 1 + 1") == "2"


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("send(request_id=reply['request_id'] ^ 1, arrays=[text])", "another question"),
        ("send(operation=77, arrays=[text])", "another question"),
        ("send(kind=1, arrays=[text])", "asks instead"),
        ("send(arrays=[])", "0 arrays and not 1"),
        ("send(arrays=[text, text])", "2 arrays and not 1"),
        ("send(arrays=[text, text, text])", "larger than"),
        ("send(arrays=[text.reshape(1, 5)])", "expected was uint8"),
        ("send(arrays=[np.zeros(5)])", "expected was uint8"),
        ("send(arrays=[np.zeros(2_000_000, np.uint8)])", "larger than"),
        ("send(kind=3, arrays=[text])", "exactly two arrays"),
        ("send(kind=3, arrays=[np.zeros(1, np.int64), np.zeros(20_000, np.uint8)])", "at most 16 KB"),
        ("connection.sendall(2 * b''.join(map(bytes, protocol.encode(answer_frame))))", "More than one"),
        ("connection.sendall(b'GET / HTTP/1.1' + bytes(100))", "do not begin a frame"),
        ("connection.close(); import time; time.sleep(60)", "closed its connection"),
    ],
)
def test_anything_but_the_awaited_answer_ends_the_sandbox(sandbox: MakeSandbox, source: str, reason: str) -> None:
    with sandbox() as open_sandbox:
        with pytest.raises(StudentProtocolViolation, match=reason):
            run(open_sandbox, ODD + source)
        assert not open_sandbox.alive
        with pytest.raises(StudentProtocolViolation, match=reason):
            open_sandbox.ask(ECHO, [], expect=[])


def test_a_frame_that_nobody_asked_for_is_found_at_the_next_question(sandbox: MakeSandbox) -> None:
    late = "import threading; threading.Timer(0.2, lambda: send(arrays=[text])).start(); answer = 'first'"
    with sandbox() as open_sandbox:
        assert run(open_sandbox, ODD + late) == "first"
        time.sleep(0.5)
        with pytest.raises(StudentProtocolViolation, match="nobody had asked"):
            open_sandbox.ask(ECHO, [], expect=[])


def test_an_answer_guessed_ahead_does_not_count(sandbox: MakeSandbox) -> None:
    """A thread that floods answers to later questions cannot know their numbers."""
    source = """
    import threading
    def flood():
        for number in range(1000):
            send(operation=1, request_id=number, arrays=[np.ones(3)])
    answer = 'ready'
    threading.Timer(0.1, flood).start()
    """
    with sandbox() as open_sandbox:
        run(open_sandbox, ODD + source.replace("\n    ", "\n"))
        with pytest.raises(StudentProtocolViolation):
            for _ in range(100):
                open_sandbox.ask(ECHO, [np.zeros(3)], expect=[Expected(np.float64, (3,), 3)])
                time.sleep(0.02)


@pytest.mark.parametrize("bare", [False, True], ids=["sandboxed", "bare"])
@pytest.mark.parametrize(
    ("source", "exit_code", "signal"),
    [("import os; print('before'); os._exit(7)", 7, None), ("print('before'); import os; os.kill(os.getpid(), 11)", None, 11)],
)  # fmt: skip
def test_a_program_that_ends_is_a_crash_with_its_last_words(
    sandbox: MakeSandbox, bare: bool, source: str, exit_code: int | None, signal: int | None
) -> None:
    with sandbox(bare=bare) as open_sandbox:
        with pytest.raises(StudentCrashed) as caught:
            run(open_sandbox, source)
        assert (caught.value.exit_code, caught.value.signal) == (exit_code, signal)
        assert "before" in caught.value.log_tail
        with pytest.raises(StudentSide):
            run(open_sandbox, "answer = 1")


def test_a_program_that_ends_between_two_questions_is_a_crash_too(sandbox: MakeSandbox) -> None:
    with sandbox() as open_sandbox:
        run(open_sandbox, "import os, threading; threading.Timer(0.1, lambda: os._exit(9)).start(); answer = 1")
        time.sleep(0.4)
        with pytest.raises(StudentCrashed) as caught:
            open_sandbox.ask(ECHO, [np.zeros(1000)], expect=[Expected(np.float64, (1000,), 1000)])
        assert caught.value.exit_code == 9


@pytest.mark.parametrize("bare", [False, True], ids=["sandboxed", "bare"])
@pytest.mark.parametrize("source", ["raise RuntimeError('our own bug')", "import no_such_module", "syntax error("])
def test_a_harness_that_does_not_start_is_our_trouble(
    sandbox: MakeSandbox, tmp_path: Path, bare: bool, source: str
) -> None:
    broken = tmp_path / "broken.py"
    try:
        compile(source, "broken.py", "exec")
    except SyntaxError:
        source = f"exec({source!r})"
    broken.write_text(source)
    with sandbox(harness=broken, bare=bare) as open_sandbox:
        with pytest.raises(OurTrouble, match="did not start"):
            open_sandbox.ask(ECHO, [np.zeros(100)], expect=[])
        with pytest.raises(OurTrouble):
            open_sandbox.ask(ECHO, [], expect=[])


def test_a_long_wait_is_a_heartbeat_and_can_be_given_up(sandbox: MakeSandbox) -> None:
    class Cancelled(Exception):
        pass

    beats: list[float] = []

    def on_wait() -> None:
        beats.append(time.monotonic())
        if len(beats) == 3:
            raise Cancelled

    with sandbox() as open_sandbox:
        with pytest.raises(Cancelled):
            run(open_sandbox, "import time; time.sleep(30)", on_wait=on_wait)
        assert 0.4 < beats[2] - beats[0] < 1.5
        assert not open_sandbox.alive
        with pytest.raises(OurTrouble, match="stopped"):
            run(open_sandbox, "answer = 1")


def test_the_log_keeps_both_ends_and_nothing_that_a_terminal_obeys(sandbox: MakeSandbox) -> None:
    source = r"""
    import sys
    print("\x1b[2Jfirst\x00 words")
    print("z" * 300_000)
    print("last words", file=sys.stderr)
    answer = ""
    """
    with sandbox() as open_sandbox:
        run(open_sandbox, source)
        log, tail = open_sandbox.log, open_sandbox.log_tail(100)
    assert log.startswith("first words\nzzz")
    assert tail == log[-100:]
    assert log.endswith("zzz\nlast words\n")
    assert "bytes left out" in log
    assert len(log) < 132 * 1024


def test_two_hash_seeds_order_sets_differently_and_one_does_not(sandbox: MakeSandbox) -> None:
    def order(seed: int) -> str:
        with sandbox(hash_seed=seed) as open_sandbox:
            return run(open_sandbox, "answer = list({'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'})")

    assert order(1) == order(1) != order(2)


def test_a_question_outside_the_with_block_is_our_own_mistake(sandbox: MakeSandbox) -> None:
    with pytest.raises(OurTrouble, match="not open"):
        sandbox().ask(ECHO, [], expect=[])


def test_a_submission_that_is_not_there_is_our_trouble(sandbox: MakeSandbox, alices_files: Path) -> None:
    (alices_files / "tensor.py").unlink()
    alices_files.rmdir()
    with pytest.raises(OurTrouble), sandbox() as open_sandbox:
        open_sandbox.ask(ECHO, [np.zeros(100)], expect=[])


def test_bare_mode_says_that_it_protects_nothing(sandbox: MakeSandbox, alices_files: Path) -> None:
    with sandbox(bare=True) as open_sandbox:
        assert open_sandbox.submission_path == str(alices_files)
        path = open_sandbox.submission_path
        assert run(open_sandbox, f"answer = open({path!r} + '/tensor.py').read()") == "class Tensor: pass\n"
        assert open_sandbox.usage.limits == "not sandboxed"
    assert open_sandbox.usage.cpu_seconds > 0
    assert open_sandbox.usage.peak_memory_bytes > 10_000_000


def test_the_students_files_are_where_the_harness_is_told(sandbox: MakeSandbox) -> None:
    with sandbox() as open_sandbox:
        path = open_sandbox.submission_path
        assert run(open_sandbox, f"answer = open({path!r} + '/tensor.py').read()") == "class Tensor: pass\n"
