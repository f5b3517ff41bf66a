"""What a program can reach from inside: the self-test, the filter, the runtime and what of ours goes in."""

from __future__ import annotations

import ast
import os
import struct
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from milestones.contract import OurTrouble
from milestones.sandbox import places, probe, runtime, seccomp
from milestones.sandbox.bubblewrap import Mount, options, resource_limits
from milestones.sandbox.limits import MEGABYTE, SandboxLimits
from milestones.sandbox.session import Sandbox, StudentCrashed
from tests.sandbox.conftest import LIMITS, run

MakeSandbox = Callable[..., Sandbox]
EPERM, ENOSYS = 1, 38
ALLOW, KILL, ERRNO = 0x7FFF0000, 0x80000000, 0x00050000


def test_the_self_test_passes_on_this_machine() -> None:
    failed = [f"{result.name}: {result.detail}" for result in probe.probe() if not result.passed]
    assert failed == []


def test_the_self_test_fails_closed_when_there_is_no_sandbox(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("TINYTORCH_STATE_DIR", str(tmp_path / "file"))
    assert not all(result.passed for result in probe.probe())


# -- the system call filter ------------------------------------------------------------------------------------------------


def decide(program: bytes, *, audit: int, number: int, arguments: tuple[int, ...] = ()) -> int:
    """What the filter answers to one call: classic BPF as ``seccomp(2)`` runs it."""
    padded = (*arguments, *[0] * (6 - len(arguments)))
    data = struct.pack("<iIQ6Q", number, audit, 0, *(value % (1 << 64) for value in padded))
    instructions = list(struct.iter_unpack("<HBBI", program))
    position, accumulator = 0, 0
    while True:
        opcode, if_true, if_false, operand = instructions[position]
        position += 1
        if opcode == 0x20:
            (accumulator,) = struct.unpack_from("<I", data, operand)
        elif opcode == 0x06:
            return operand
        else:
            held = {0x15: accumulator == operand, 0x25: accumulator > operand, 0x45: accumulator & operand != 0}[opcode]
            position += if_true if held else if_false


@pytest.mark.parametrize("machine", seccomp.ARCHITECTURES)
class TestFilter:
    def test_the_committed_bytes_are_what_the_generator_makes(self, machine: str) -> None:
        assert seccomp.filter_file(machine).read_bytes() == seccomp.generate(machine)

    def test_it_refuses_what_is_listed_and_allows_the_rest(self, machine: str) -> None:
        program, architecture = seccomp.generate(machine), seccomp.ARCHITECTURES[machine]
        column = architecture.column
        denied = {numbers[column] for numbers in seccomp.DENIED.values()} - {None}
        special = {seccomp.CLONE3[column], seccomp.SOCKET[column], seccomp.SOCKETPAIR[column]}
        for number in range(seccomp.NEWEST_KNOWN + 1):
            if number not in special:
                expected = ERRNO | EPERM if number in denied else ALLOW
                assert decide(program, audit=architecture.audit, number=number) == expected, number
        for number in (seccomp.CLONE3[column], seccomp.NEWEST_KNOWN + 1, 600, 5000):
            assert decide(program, audit=architecture.audit, number=number) == ERRNO | ENOSYS

    def test_it_looks_at_the_low_half_of_arguments_only(self, machine: str) -> None:
        program, architecture = seccomp.generate(machine), seccomp.ARCHITECTURES[machine]

        def answer(numbers: tuple[int, int], *arguments: int) -> int:
            number = numbers[architecture.column]
            return decide(program, audit=architecture.audit, number=number, arguments=arguments)

        high = 1 << 32
        assert answer(seccomp.CLONE, 0x01200011) == ALLOW  # fork, as the C library asks for it
        assert answer(seccomp.CLONE, 0x003D0F00) == ALLOW  # a thread
        for flag in (0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000):
            assert answer(seccomp.CLONE, flag | 17) == ERRNO | EPERM
            assert answer(seccomp.CLONE, flag | 17 | high) == ERRNO | EPERM
        for family in (2, 10, 16, 17, 38, 40):
            assert answer(seccomp.SOCKET, family) == ERRNO | EPERM
            assert answer(seccomp.SOCKETPAIR, family) == ERRNO | EPERM
        assert answer(seccomp.SOCKET, 1) == answer(seccomp.SOCKET, 1 | high) == ALLOW
        assert answer(seccomp.IOCTL, 0, 0x5401) == ALLOW
        for request in (0x5412, 0x541C, 0x5412 | high, 0x541C | high):
            assert answer(seccomp.IOCTL, 0, request) == ERRNO | EPERM

    def test_calls_of_another_architecture_end_the_process(self, machine: str) -> None:
        program = seccomp.generate(machine)
        for audit in (0x40000003, 0xC00000B7, 0xC000003E, 0x40000028, 0):
            if audit != seccomp.ARCHITECTURES[machine].audit:
                assert decide(program, audit=audit, number=0) == KILL
        if machine == "x86_64":
            assert decide(program, audit=0xC000003E, number=0x40000000 | 1) == KILL


def test_a_machine_without_a_filter_gets_no_sandbox() -> None:
    with pytest.raises(OurTrouble, match="riscv64"):
        seccomp.filter_file("riscv64")


def test_an_x32_call_kills_the_program(sandbox: MakeSandbox) -> None:
    if seccomp.filter_file().stem != "seccomp_x86_64":
        return
    with sandbox() as open_sandbox:
        with pytest.raises(StudentCrashed) as caught:
            run(open_sandbox, "import ctypes; ctypes.CDLL(None).syscall(ctypes.c_long(0x40000000 | 39)); answer = 1")
        assert caught.value.signal == 31


# -- the options -----------------------------------------------------------------------------------------------------------


def test_later_options_never_undo_earlier_ones() -> None:
    words = options(
        root=Path("/runtime"),
        mounts=[Mount(Path("/files"), "/submission")],
        limits=LIMITS,
        environment={"A": "b"},
        seccomp_fd=3,
        info_fd=4,
        block_fd=5,
    )
    order = ["--unshare-user", "--disable-userns", "--unshare-net", "--die-with-parent", "--clearenv", "--cap-drop",
             "--ro-bind", "--proc", "--dev", "--tmpfs", "--chdir", "--remount-ro", "--uid", "--setenv", "--seccomp",
             "--info-fd", "--block-fd"]  # fmt: skip
    positions = [words.index(word) for word in order]
    assert positions == sorted(positions)
    assert words[words.index("/dev/shm") - 3 : words.index("/dev/shm")] == ["--size", str(64 * MEGABYTE), "--tmpfs"]
    remounted = [words[place + 1] for place, word in enumerate(words) if word == "--remount-ro"]
    assert remounted == ["/dev", "/"]
    assert "--bind" not in words
    assert "--share-net" not in words


def test_resource_limits_leave_room_for_what_numpy_only_reserves() -> None:
    words = resource_limits("/usr/bin/prlimit", SandboxLimits(cpu_seconds=1.5, memory_bytes=100 * MEGABYTE))
    assert {f"--as={612 * MEGABYTE}", "--cpu=4", "--core=0", "--nproc=64", "--nofile=256"} <= set(words)


# -- what is in there --------------------------------------------------------------------------------------------------------


def test_nothing_of_the_grader_goes_inside() -> None:
    folder = places.harness_folder().folder
    sources = {str(path.relative_to(folder)) for path in folder.rglob("*.py")}
    student = {f"milestones/student/{path.name}" for path in (places.CHECKOUT / "milestones/student").glob("*.py")}
    assert sources == student | {
        "milestones/__init__.py",
        "milestones/sandbox/__init__.py",
        "milestones/sandbox/protocol.py",
    }
    assert (folder / "milestones/sandbox/__init__.py").read_text() == ""


def test_a_changed_harness_gets_a_folder_of_its_own(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text("x = 1\n")
    first = places.harness_folder(program)
    assert places.harness_folder(program) == first
    program.write_text("x = 22\n")
    second = places.harness_folder(program)
    assert first.folder != second.folder
    assert (first.folder / "program.py").read_text() == "x = 1\n"


def test_course_packages_can_be_imported_and_nothing_else(sandbox: MakeSandbox) -> None:
    source = """
    import importlib, sys
    answer = []
    for name in ('numpy', 'scipy.linalg', 'matplotlib.pyplot', 'psutil', 'rich', 'torch', 'sklearn', 'django', 'pip',
                 'milestones.contract', 'milestones.reference', 'milestones.catalog', 'tkinter', 'ensurepip'):
        try:
            importlib.import_module(name)
            answer.append(name)
        except ImportError:
            pass
    answer = ' '.join(answer)
    """
    with sandbox() as open_sandbox:
        assert run(open_sandbox, source) == "numpy scipy.linalg matplotlib.pyplot psutil rich"


def test_the_whole_standard_library_that_programs_use_works_inside(sandbox: MakeSandbox) -> None:
    source = """
    import bz2, ctypes, csv, decimal, hashlib, json, lzma, multiprocessing, sqlite3, ssl, subprocess, tempfile, uuid, zlib
    import getpass, locale, os, pathlib
    with tempfile.TemporaryDirectory() as folder:
        np.savez(folder + '/weights.npz', w=np.eye(3))
        loaded = np.load(folder + '/weights.npz')['w']
    answer = [loaded.sum(), subprocess.check_output(['/usr/bin/python3', '-c', 'print(6 * 7)']).decode().strip(),
              getpass.getuser(), str(pathlib.Path.home()), os.getcwd(), locale.getpreferredencoding().lower()]
    """
    with sandbox() as open_sandbox:
        assert run(open_sandbox, source) == "[np.float64(3.0), '42', 'student', '/tmp', '/tmp', 'utf-8']"


def test_numpy_uses_one_thread_and_gives_the_same_numbers_as_bare(sandbox: MakeSandbox) -> None:
    source = """
    import os
    a = np.random.default_rng(0).standard_normal((300, 300))
    answer = float((a @ a).sum()), len(os.listdir('/proc/self/task'))
    """
    answers = []
    for bare in (False, True):
        with sandbox(bare=bare) as open_sandbox:
            total, threads = ast.literal_eval(run(open_sandbox, source))
            assert threads == 1
            answers.append(total)
    # Not to the last digit: outside it may be another release of NumPy.
    assert answers[0] == pytest.approx(answers[1], rel=1e-9)


def test_shadowing_modules_in_the_students_folder_changes_nothing_of_ours(
    sandbox: MakeSandbox, alices_files: Path
) -> None:
    for name in ("numpy.py", "socket.py", "harness.py", "sitecustomize.py", "usercustomize.py"):
        (alices_files / name).write_text("raise RuntimeError('shadowed')\n")
    (alices_files / "milestones").mkdir()
    (alices_files / "milestones" / "__init__.py").write_text("raise RuntimeError('shadowed')\n")
    with sandbox() as open_sandbox:
        assert run(open_sandbox, "answer = np.__name__ + protocol.__file__") == (
            "numpy/harness/milestones/sandbox/protocol.py"
        )


def test_the_environment_of_the_worker_stays_outside(sandbox: MakeSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgres://secret")
    monkeypatch.setenv("LD_PRELOAD_CHECK", "secret")
    source = "import os; answer = sorted(os.environ), open('/proc/1/environ').read(), open('/proc/1/cmdline').read()"
    with sandbox() as open_sandbox:
        seen = run(open_sandbox, source)
    assert "secret" not in seen
    assert "DATABASE_URL" not in seen
    assert str(places.CHECKOUT) not in seen
    assert str(places.base_folder()) not in seen


def test_the_runtime_is_built_once_and_belongs_to_the_worker() -> None:
    built = runtime.ensure_runtime()
    assert runtime.ensure_runtime() == built
    for path in (built.path, built.path / built.python.lstrip("/"), built.path / "usr/lib"):
        assert path.stat().st_uid in (os.geteuid(), 0)
        assert path.stat().st_mode & 0o022 == 0
        assert path.stat().st_mode & 0o004
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    assert built.python == f"/usr/bin/{version}"


def test_a_folder_that_is_built_halfway_is_never_seen(tmp_path: Path) -> None:
    target = tmp_path / "runtime-x"
    with pytest.raises(RuntimeError), places.built_once(target) as hidden:
        (hidden / "half").write_text("")
        assert not target.exists()
        raise RuntimeError
    assert not target.exists()
    with places.built_once(target) as hidden:
        (hidden / "whole").write_text("")
    assert [path.name for path in target.iterdir()] == ["whole"]
    with places.built_once(target) as hidden:
        assert hidden is None
