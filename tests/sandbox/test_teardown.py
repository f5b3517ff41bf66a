"""However a sandbox ends, nothing of it is left."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from milestones.sandbox import places, pool
from milestones.sandbox.limits import remove_group
from milestones.sandbox.session import Sandbox, StudentCrashed
from tests.sandbox.conftest import LIMITS, run
from tests.sandbox.worker import DAEMON

MakeSandbox = Callable[..., Sandbox]
CHECKOUT = Path(__file__).resolve().parents[2]


def alive(processes: Iterable[int]) -> list[int]:
    found = []
    for pid in processes:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if state not in "ZX":
            found.append(pid)
    return found


def wait_until_gone(processes: Iterable[int], seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while alive(processes):
        assert time.monotonic() < deadline, f"still running: {alive(processes)}"
        time.sleep(0.01)


def test_a_daemon_that_left_its_session_dies_with_the_sandbox(sandbox: MakeSandbox) -> None:
    with sandbox() as open_sandbox:
        run(open_sandbox, DAEMON)
        processes = open_sandbox.processes
        assert len(alive(processes)) >= 3
        used = open_sandbox.places_used
    assert alive(processes) == []
    assert not any(path.exists() for path in used)


def test_a_daemon_does_not_keep_a_crashed_program_alive(sandbox: MakeSandbox) -> None:
    """The child still holds the socket, so its end says nothing; the end of the program does."""
    with sandbox() as open_sandbox:
        processes = open_sandbox.processes
        with pytest.raises(StudentCrashed):
            run(open_sandbox, DAEMON + "os._exit(5)")
        assert alive(processes) == []


def test_a_bare_programs_children_end_with_it(sandbox: MakeSandbox) -> None:
    child = "import os, time\nchild = os.fork()\nif child == 0: time.sleep(60)\nanswer = child"
    with sandbox(bare=True) as open_sandbox:
        pid = int(run(open_sandbox, child))
        assert alive([pid])
    wait_until_gone([pid])


def test_a_killed_worker_leaves_no_process_and_the_next_one_sweeps_the_rest(alices_files: Path) -> None:
    worker = subprocess.Popen(
        [sys.executable, "-m", "tests.sandbox.worker", str(alices_files)],
        cwd=CHECKOUT, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        facts = json.loads(worker.stdout.readline())
        left = [Path(path) for path in facts["places"]]
        assert len(alive(facts["processes"])) >= 3
        # While its worker lives, nobody sweeps it.
        assert left[0].name not in places.sweep(remove_group)
        assert all(path.exists() for path in left)
        worker.send_signal(signal.SIGKILL)
        worker.wait(5)
        wait_until_gone(facts["processes"])
        assert left[0].name in places.sweep(remove_group)
        assert not any(path.exists() for path in left)
    finally:
        worker.kill()
        worker.stdout.close()
        worker.wait()


def test_an_interrupt_in_the_middle_of_a_question_ends_everything(sandbox: MakeSandbox) -> None:
    open_sandbox = sandbox()
    with pytest.raises(KeyboardInterrupt), open_sandbox:
        processes = open_sandbox.processes

        def interrupt() -> None:
            raise KeyboardInterrupt

        run(open_sandbox, "while True: pass", on_wait=interrupt)
    assert alive(processes) == []
    assert not any(path.exists() for path in open_sandbox.places_used)


def test_twenty_sandboxes_leave_no_descriptor_open(sandbox: MakeSandbox) -> None:
    with sandbox() as first:
        run(first, "answer = ''")
    before = len(os.listdir("/proc/self/fd"))
    for number in range(20):
        with sandbox() as open_sandbox:
            if number % 2:
                run(open_sandbox, "answer = ''")
    assert len(os.listdir("/proc/self/fd")) == before


def test_sandboxes_run_beside_each_other_in_threads_and_know_nothing_of_each_other(sandbox: MakeSandbox) -> None:
    """Two at once never share a user, and see neither each other's processes nor files."""
    seen: list[tuple[str, str]] = []
    both = threading.Barrier(2, timeout=30)

    def evaluate(name: str) -> None:
        with sandbox() as open_sandbox:
            run(open_sandbox, f"open('/tmp/{name}', 'w').close(); answer = ''")
            both.wait()
            inside = run(open_sandbox, "import os; answer = os.listdir('/tmp'), len(os.listdir('/proc/self/task'))")
            users = Path(f"/proc/{open_sandbox.process_id}/status").read_text()
            seen.append((inside, next(line for line in users.splitlines() if line.startswith("Uid:"))))
            both.wait()

    threads = [threading.Thread(target=evaluate, args=(name,)) for name in ("alice", "bob")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(inside for inside, _user in seen) == ["(['alice'], 1)", "(['bob'], 1)"]
    if os.geteuid() == 0:
        assert seen[0][1] != seen[1][1]


def test_a_leftover_process_of_a_pool_user_dies_before_the_user_is_leased_again() -> None:
    lease = pool.lease_user()
    if lease.uid is None:
        assert os.geteuid() != 0
        return
    leftover = subprocess.Popen(["sleep", "60"], user=lease.uid, group=lease.uid, extra_groups=[])
    lease.release(clean=False)
    again = pool.lease_user()
    assert leftover.wait(5) == -signal.SIGKILL
    assert again.uid == lease.uid
    again.release(clean=True)


def test_files_that_the_pool_user_cannot_read_are_copied_without_links(tmp_path: Path) -> None:
    """pytest's folders are closed to others, as are uploads: the copy holds regular files only and goes with the job."""
    files = tmp_path / "private"
    (files / "nested").mkdir(parents=True)
    (files / "nested" / "code.py").write_text("x = 1\n")
    (files / "nested" / "code.py").chmod(0o600)
    (files / "to_the_host").symlink_to("/etc/passwd")
    os.mkfifo(files / "pipe")
    listing = "import os\nanswer = sorted(f'{root}/{n}' for root, _, names in os.walk('/submission') for n in names)"
    inside = Path(__file__).with_name("inside.py")
    with Sandbox(files, limits=LIMITS, harness=inside) as open_sandbox:
        names = run(open_sandbox, listing)
        assert run(open_sandbox, "answer = open('/submission/nested/code.py').read()") == "x = 1\n"
    if os.geteuid() == 0:
        assert names == "['/submission/nested/code.py']"
