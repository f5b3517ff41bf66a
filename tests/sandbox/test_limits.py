"""The limits hold against programs that mean it, and hit only those."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from milestones.contract import OurTrouble
from milestones.sandbox import limits as limits_module
from milestones.sandbox.limits import (
    MEGABYTE,
    GroupV1,
    GroupV2,
    ProcessTree,
    SandboxLimits,
    new_group,
    remove_group,
    v2_parent,
)
from milestones.sandbox.session import (
    Sandbox,
    StudentCrashed,
    StudentOutOfMemory,
    StudentTimedOut,
)
from tests.sandbox.conftest import run

MakeSandbox = Callable[..., Sandbox]

HOLD_MEMORY = """
import time
held = []
while True:
    try:
        held.append(np.ones(1 << 20))
    except MemoryError:
        time.sleep(0.05)
"""


@pytest.fixture(params=["the best means", "the fallback"])
def means(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Every limit is tried twice: with what this machine offers, and as on a machine without control groups."""
    if request.param == "the fallback":
        monkeypatch.setattr(limits_module, "_choice", lambda: lambda _name: ProcessTree())
    return request.param


def test_a_memory_bomb_is_ended_and_named(sandbox: MakeSandbox, means: str) -> None:
    with sandbox(memory_bytes=200 * MEGABYTE) as open_sandbox:
        with pytest.raises(StudentOutOfMemory, match="200 MB"):
            run(open_sandbox, HOLD_MEMORY)
        exact = open_sandbox.usage.limits.startswith("cgroup")
        peak = open_sandbox.usage.peak_memory_bytes
    # The fallback sees it a tenth of a second late, and the address space ends it in any case.
    assert 150 * MEGABYTE < peak < (201 if exact else 720) * MEGABYTE


def test_memory_that_belongs_to_no_process_counts_where_control_groups_do(sandbox: MakeSandbox) -> None:
    """Files in memory (memfd), scratch files and shared mappings; the fallback cannot see them, and says so."""
    source = """
    import mmap, os
    files = [os.memfd_create(str(number)) for number in range(4)]
    for file in files:
        os.write(file, bytes(60_000_000))
    shared = mmap.mmap(-1, 60_000_000)
    shared.write(bytes(60_000_000))
    open('/tmp/scratch', 'wb').write(bytes(60_000_000))
    import time; time.sleep(0.3)
    answer = 'held'
    """
    with sandbox(memory_bytes=256 * MEGABYTE) as open_sandbox:
        if open_sandbox.usage.limits.startswith("cgroup"):
            with pytest.raises(StudentOutOfMemory):
                run(open_sandbox, source)
        else:
            assert "does not see memfd" in open_sandbox.usage.limits
            assert run(open_sandbox, source) == "held"


def test_memory_of_a_child_process_is_the_programs_memory(sandbox: MakeSandbox, means: str) -> None:
    source = f"""
import os
if os.fork() == 0:
    exec({HOLD_MEMORY!r})
os.wait()
answer = 'the child was killed alone'
import time; time.sleep(0.3)
"""
    with sandbox(memory_bytes=200 * MEGABYTE) as open_sandbox, pytest.raises(StudentOutOfMemory):
        run(open_sandbox, source)


def test_a_fork_bomb_stays_small_and_ends(sandbox: MakeSandbox, means: str) -> None:
    source = """
    import os, time
    def bomb():
        while True:
            try:
                os.fork()
            except OSError:
                pass
    import threading
    threading.Thread(target=bomb, daemon=True).start()
    time.sleep(0.4)
    answer = sum(name.isdecimal() for name in os.listdir('/proc'))
    """
    with sandbox(processes=32, cpu_seconds=6) as open_sandbox:
        try:
            assert 10 < int(run(open_sandbox, source)) <= 34
        except StudentTimedOut:
            # On a busy machine the bomb leaves no time to answer.
            assert len(open_sandbox.processes) == 0
    assert open_sandbox.usage.cpu_seconds < 9


def test_a_spin_ends_at_its_cpu_seconds_whoever_spins(sandbox: MakeSandbox, means: str) -> None:
    source = """
    import os
    if os.fork() == 0:
        while True: pass
    os.wait()
    """
    with sandbox(cpu_seconds=0.5) as open_sandbox, pytest.raises(StudentTimedOut) as caught:
        run(open_sandbox, source)
    assert not caught.value.sleeper
    assert 0.3 < open_sandbox.usage.cpu_seconds < 1.5


def test_one_question_can_have_less_than_the_sandbox(sandbox: MakeSandbox) -> None:
    with sandbox(cpu_seconds=60) as open_sandbox:
        started = time.monotonic()
        with pytest.raises(StudentTimedOut):
            run(open_sandbox, "while True: pass", cpu_seconds=0.3)
        assert time.monotonic() - started < 5


def test_many_small_questions_cannot_spend_more_than_the_budget(sandbox: MakeSandbox) -> None:
    spend = "import time; end = time.process_time() + 0.2\nwhile time.process_time() < end: pass\nanswer = ''"
    with sandbox(cpu_seconds=0.7) as open_sandbox, pytest.raises(StudentTimedOut):
        for _ in range(10):
            run(open_sandbox, spend)


@pytest.mark.parametrize(
    "source",
    [
        "import time; time.sleep(60)",
        "import os; os.kill(os.getpid(), 19)",
        "import threading; lock = threading.Lock(); lock.acquire(); lock.acquire()",
        "import time\nwhile True: connection.send(b'T'); time.sleep(60)",
    ],
    ids=["sleeps", "stops itself", "deadlocks", "begins to answer and sleeps"],
)
def test_a_sleeper_is_the_students_result(sandbox: MakeSandbox, means: str, source: str) -> None:
    with sandbox(cpu_seconds=10, wall_seconds=1.0) as open_sandbox:
        # The start of Python is no sleep, so it is not part of what is judged.
        run(open_sandbox, "answer = ''")
        with pytest.raises(StudentTimedOut) as caught:
            run(open_sandbox, source)
    assert caught.value.sleeper
    assert caught.value.cpu_seconds < 0.1
    assert 0.5 < caught.value.wall_seconds < 3


def test_dripping_bytes_do_not_extend_the_time(sandbox: MakeSandbox) -> None:
    source = """
    import time
    whole = b''.join(bytes(part) for part in protocol.encode(
        protocol.Frame(protocol.Kind.ANSWER, **reply, arrays=(np.zeros(1000, np.uint8),))))
    for position in range(len(whole)):
        connection.send(whole[position:position + 1])
        time.sleep(0.05)
    """
    with sandbox(cpu_seconds=10, wall_seconds=0.8) as open_sandbox:
        run(open_sandbox, "answer = ''")
        with pytest.raises(StudentTimedOut):
            run(open_sandbox, source)


def test_a_program_that_was_kept_waiting_is_our_trouble_and_not_its_own(sandbox: MakeSandbox) -> None:
    """It would work and shares one processor with eight programs that are not its own."""
    spin = [sys.executable, "-c", "import os\nos.sched_setaffinity(0, {0})\nwhile True: pass"]
    with contextlib.ExitStack() as others, sandbox(cpu_seconds=30, wall_seconds=1.5) as open_sandbox:
        for _ in range(8):
            # A session each: the kernel shares processors between sessions first.
            other = subprocess.Popen(spin, start_new_session=True)
            others.callback(other.wait)
            others.callback(other.kill)
        run(open_sandbox, "import os, time; os.sched_setaffinity(0, {0}); time.sleep(0.5); answer = ''")
        with pytest.raises(OurTrouble, match="too busy"):
            run(open_sandbox, "while True: pass")


@pytest.mark.parametrize("work", [0.02, 0.05], ids=["a fifth", "a half"])
def test_sleeping_for_a_part_of_the_time_is_the_students_result_too(sandbox: MakeSandbox, work: float) -> None:
    source = f"""
    import time
    while True:
        end = time.process_time() + {work}
        while time.process_time() < end: pass
        time.sleep({0.1 - work})
    """
    with sandbox(cpu_seconds=30, wall_seconds=1.0) as open_sandbox, pytest.raises(StudentTimedOut) as caught:
        run(open_sandbox, source)
    assert caught.value.sleeper


def test_time_in_which_nothing_was_asked_is_not_counted(sandbox: MakeSandbox) -> None:
    with sandbox(cpu_seconds=10, wall_seconds=0.8) as open_sandbox:
        run(open_sandbox, "answer = ''")
        time.sleep(1.0)
        assert run(open_sandbox, "import time; time.sleep(0.2); answer = 'still there'") == "still there"


def test_a_flood_of_output_is_cut_and_then_ended(sandbox: MakeSandbox) -> None:
    flood = "import sys\nwhile True: sys.stdout.write('flood ' * 10_000)"
    with sandbox(output_bytes=5_000_000) as open_sandbox:
        with pytest.raises(StudentCrashed, match="printed more than 5 MB"):
            run(open_sandbox, flood)
        assert len(open_sandbox.log) < 140_000


def test_ten_megabytes_of_output_are_nobodys_fault(sandbox: MakeSandbox) -> None:
    with sandbox() as open_sandbox:
        assert run(open_sandbox, "print('x' * 10_000_000); answer = 'fine'") == "fine"


@pytest.mark.parametrize("folder", ["/tmp", "/dev/shm"])
def test_scratch_space_is_full_when_its_size_is_reached(sandbox: MakeSandbox, folder: str) -> None:
    source = f"""
    import errno
    written = 0
    try:
        for number in range(1000):
            with open('{folder}/file' + str(number), 'wb') as file:
                file.write(bytes(1_000_000))
            written += 1
        answer = 'no limit'
    except OSError as error:
        answer = errno.errorcode[error.errno], written
    """
    with sandbox(tmp_bytes=16 * MEGABYTE) as open_sandbox:
        assert run(open_sandbox, source) == "('ENOSPC', 16)"


def test_many_empty_files_are_memory_like_any_other(sandbox: MakeSandbox) -> None:
    """Inodes are not counted by the size of a tmpfs; the memory limit has them."""
    source = """
    import os
    try:
        for number in range(10_000_000):
            os.close(os.open('/tmp/' + str(number), os.O_CREAT))
    except OSError as error:
        answer = 'refused'
    """
    with sandbox(memory_bytes=128 * MEGABYTE, cpu_seconds=15) as open_sandbox:
        if open_sandbox.usage.limits.startswith("cgroup"):
            with pytest.raises(StudentOutOfMemory):
                run(open_sandbox, source)
        else:
            with pytest.raises(StudentTimedOut):
                run(open_sandbox, source, cpu_seconds=1)


def test_usage_is_known_during_and_after(sandbox: MakeSandbox, means: str) -> None:
    spend = "import time; end = time.process_time() + 0.3\nwhile time.process_time() < end: pass\nanswer = ''"
    with sandbox() as open_sandbox:
        run(open_sandbox, "held = np.ones(10_000_000)\n" + spend)
        during = open_sandbox.usage
    after = open_sandbox.usage
    assert 0.3 <= during.cpu_seconds <= after.cpu_seconds < 1.5
    assert during.wall_seconds <= after.wall_seconds < 10
    assert 75 * MEGABYTE < during.peak_memory_bytes <= after.peak_memory_bytes < 400 * MEGABYTE
    assert after.limits == during.limits == ("rlimits and polling (does not see memfd and tmpfs)"
                                             if means == "the fallback" else open_sandbox.usage.limits)  # fmt: skip


# -- control groups ----------------------------------------------------------------------------------------------------


def test_a_group_without_a_memory_limit_is_never_ours_to_remove(tmp_path: Path) -> None:
    (tmp_path / "system.slice").mkdir()
    with pytest.raises(OurTrouble, match="not a sandbox's"):
        remove_group(tmp_path / "system.slice")
    assert (tmp_path / "system.slice").exists()


def test_the_chosen_means_is_named_and_its_groups_disappear() -> None:
    group = new_group(f"{limits_module.GROUP_PREFIX}test-names")
    group.make(SandboxLimits(cpu_seconds=1, memory_bytes=64 * MEGABYTE))
    try:
        assert all(path.is_dir() for path in group.paths())
        assert group.processes() == []
        if isinstance(group, GroupV1):
            assert group.description.startswith("cgroup v1 (memory")
            assert (group.folders["memory"] / "memory.limit_in_bytes").read_text() == f"{64 * MEGABYTE}\n"
    finally:
        group.remove()
    assert not any(path.exists() for path in group.paths())


def test_version_2_files_are_written_as_the_kernel_documents_them(tmp_path: Path) -> None:
    """A folder stands in for the unified hierarchy, which has its controllers on few of the machines we test on."""
    group = GroupV2("tinytorch-sandbox-x", tmp_path)
    group.make(SandboxLimits(cpu_seconds=1, memory_bytes=64 * MEGABYTE, processes=10))
    group.admit(4711)
    written = {path.name: path.read_text() for path in group.folder.iterdir()}
    assert written == {
        "memory.max": str(64 * MEGABYTE),
        "memory.swap.max": "0",
        "memory.oom.group": "1",
        "pids.max": "18",
        "cgroup.procs": "4711",
    }
    (group.folder / "cpu.stat").write_text("usage_usec 1500000\nuser_usec 1000000\nsystem_usec 500000\n")
    (group.folder / "memory.events").write_text("low 0\nhigh 0\nmax 5\noom 1\noom_kill 1\noom_group_kill 1\n")
    (group.folder / "memory.peak").write_text("12345678\n")
    (group.folder / "cgroup.procs").write_text("4711\n4712\n")
    assert group.cpu_seconds() == 1.5
    assert group.out_of_memory()
    assert group.peak_memory_bytes() == 12345678
    assert group.processes() == [4711, 4712]
    group.kill()
    assert (group.folder / "cgroup.kill").read_text() == "1"


def test_version_2_groups_hold_count_and_kill_real_processes() -> None:
    """On the kernel's own unified hierarchy, which is often mounted beside version 1, if without memory and pids."""
    unified = limits_module._mount_points().get("unified")
    if unified is None or not os.access(unified, os.W_OK):
        return
    group = GroupV2(f"{limits_module.GROUP_PREFIX}test-{os.getpid()}", unified)
    group.folder.mkdir()
    try:
        program = "import os, sys\nsys.stdin.read(1)\nos.fork(), os.fork()\nwhile True: pass"
        with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE) as spinner:
            group.admit(spinner.pid)
            spinner.stdin.write(b"!")
            spinner.stdin.flush()
            deadline = time.monotonic() + 20
            while (len(group.processes()) < 4 or group.cpu_seconds() < 0.2) and time.monotonic() < deadline:
                time.sleep(0.01)
            found, spent = group.processes(), group.cpu_seconds()
            group.kill()
            assert spinner.wait(5) == -signal.SIGKILL
        assert spinner.pid in found
        assert len(found) == 4
        assert 0.2 <= spent < 20
    finally:
        group.remove()
    assert not group.folder.exists()
    assert group.processes() == []


def test_version_2_groups_go_where_the_controllers_are_handed_down(tmp_path: Path) -> None:
    own = tmp_path / "system.slice" / "worker.service"
    own.mkdir(parents=True)
    for folder, controllers in ((tmp_path, "cpu memory pids"), (tmp_path / "system.slice", "cpu"), (own, "")):
        (folder / "cgroup.subtree_control").write_text(controllers)
    assert v2_parent(own=own, top=tmp_path) == tmp_path
    (own / "cgroup.subtree_control").write_text("memory pids")
    assert v2_parent(own=own, top=tmp_path) == own


def test_a_delegated_version_2_group_is_emptied_into_a_leaf_first(tmp_path: Path) -> None:
    own = tmp_path / "worker.service"
    own.mkdir()
    (tmp_path / "cgroup.subtree_control").write_text("")
    (own / "cgroup.subtree_control").write_text("")
    (own / "cgroup.controllers").write_text("cpu memory pids")
    (own / "cgroup.procs").write_text("4711\n")
    assert v2_parent(own=own, top=tmp_path) == own
    assert (own / "tinytorch-workers" / "cgroup.procs").read_text() == "4711"
    assert (own / "cgroup.subtree_control").read_text() == "+memory +pids"
