"""The inside half of the start-up self-test: a harness whose questions are attempts to get out.

Each check answers one truth value and one text. It is mounted beside our harness and run in its place; the only code it
shares a process with is NumPy's and the protocol's.
"""

import contextlib
import ctypes
import errno
import os
import platform
import signal
import socket
import sys
import time

if __name__ == "__main__":
    sys.path[:0] = sys.argv[2:]

import numpy as np

from milestones.sandbox import protocol

WRITABLE = "/tmp"  # noqa: S108 - the sandbox's own
ROOT_FOLDERS = {"bin", "dev", "etc", "harness", "lib", "lib64", "proc", "submission", "tmp", "usr"}
_PTRACE_TRACEME = 0
_CLONE_NEWUSER = 0x1000_0000
# System call numbers on x86_64 and on aarch64.
_PTRACE, _UNSHARE, _KEYCTL, _BPF, _CLONE3 = ((101, 117), (272, 97), (250, 219), (321, 280), (435, 435))


def status_of(field: str) -> str:
    """One line of this process's /proc status."""
    with open("/proc/self/status", encoding="ascii") as file:
        return next(line.split(":", 1)[1].strip() for line in file if line.startswith(f"{field}:"))


def not_root(_request: str) -> tuple[bool, str]:
    capabilities = {field: status_of(field) for field in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")}
    with open("/proc/self/uid_map", encoding="ascii") as file:
        inside = [line.split()[0] for line in file]
    good = os.getresuid() == os.getresgid() == (65534,) * 3 and inside == ["65534"]
    return good and not any(int(value, 16) for value in capabilities.values()), f"user {os.getuid()}, {capabilities}"


def no_new_privileges(_request: str) -> tuple[bool, str]:
    return status_of("NoNewPrivs") == "1", f"NoNewPrivs {status_of('NoNewPrivs')}"


def system_calls_filtered(_request: str) -> tuple[bool, str]:
    library = ctypes.CDLL(None, use_errno=True)
    column = 0 if platform.machine() == "x86_64" else 1
    answers = {}
    for name, numbers, argument in (
        ("ptrace", _PTRACE, _PTRACE_TRACEME),
        ("unshare", _UNSHARE, _CLONE_NEWUSER),
        ("keyctl", _KEYCTL, 0),
        ("bpf", _BPF, 0),
        ("clone3", _CLONE3, 0),
    ):
        ctypes.set_errno(0)
        returned = library.syscall(ctypes.c_long(numbers[column]), ctypes.c_long(argument), 0, 0, 0, 0)
        answers[name] = errno.errorcode.get(ctypes.get_errno(), "none") if returned == -1 else "allowed"
    expected = {"ptrace": "EPERM", "unshare": "EPERM", "keyctl": "EPERM", "bpf": "EPERM", "clone3": "ENOSYS"}
    return status_of("Seccomp") == "2" and answers == expected, f"mode {status_of('Seccomp')}, {answers}"


def no_network(_request: str) -> tuple[bool, str]:
    with open("/proc/net/dev", encoding="ascii") as file:
        interfaces = [line.split(":")[0].strip() for line in file if ":" in line]
    try:
        socket.socket(socket.AF_INET, socket.SOCK_STREAM).close()
        refused = False
    except OSError:
        refused = True
    return refused and interfaces == ["lo"], f"interfaces {interfaces}, sockets {'refused' if refused else 'allowed'}"


def nothing_writable(_request: str) -> tuple[bool, str]:
    """Only /tmp and /dev/shm can be written; not the root, our files, the student's files or the kernel's settings."""
    written = []
    for folder in ("/", "/usr/bin", "/etc", "/dev", "/harness", "/submission", "/proc"):
        path = os.path.join(folder, "written-by-the-probe")
        with contextlib.suppress(OSError):
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
            written.append(folder)
    for path in ("/proc/sys/kernel/core_pattern", "/proc/sysrq-trigger", "/proc/1/oom_score_adj", "/etc/passwd"):
        with contextlib.suppress(OSError):
            os.close(os.open(path, os.O_WRONLY))
            if not path.endswith("oom_score_adj"):
                written.append(path)
    return not written, f"written: {written}" if written else "read-only"


def submission_read_only(_request: str) -> tuple[bool, str]:
    names = os.listdir("/submission")
    for action in (
        lambda: os.mkdir("/submission/new"),
        lambda: os.unlink(os.path.join("/submission", names[0])),
        lambda: os.chmod(os.path.join("/submission", names[0]), 0o777),  # noqa: S103
        lambda: os.close(os.open(os.path.join("/submission", names[0]), os.O_WRONLY)),
    ):
        try:
            action()
        except OSError as error:
            if error.errno not in (errno.EROFS, errno.EPERM, errno.EACCES):
                return False, f"an unexpected error: {error}"
        else:
            return False, "a change was possible"
    return True, f"{len(names)} names, none can be changed"


def process_one_tells_nothing(_request: str) -> tuple[bool, str]:
    with open("/proc/1/environ", "rb") as file:
        environment = file.read()
    return environment == b"", f"{len(environment)} bytes of environment"


def host_paths_absent(request: str) -> tuple[bool, str]:
    """``request``: paths of the host, one in a line, none of which may exist here."""
    seen = [path for path in request.split("\n") if path and os.path.exists(path)]
    extra = sorted(set(os.listdir("/")) - ROOT_FOLDERS)
    return not seen and not extra, f"seen: {seen + extra}" if seen or extra else "nothing of the host"


def alone(_request: str) -> tuple[bool, str]:
    """Only bwrap's init and this program are there, and this program holds no descriptor that it was not given."""
    processes = sorted(int(name) for name in os.listdir("/proc") if name.isdecimal())
    descriptors = []
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            descriptors.append(os.readlink(f"/proc/self/fd/{name}").split(":")[0])
    good = processes == [1, os.getpid()] and sorted(descriptors) == ["/dev/null", "pipe", "pipe", "socket"]
    return good, f"processes {processes}, descriptors {sorted(descriptors)}"


def sized_scratch(request: str) -> tuple[bool, str]:
    """``request``: the most bytes that /tmp may hold."""
    sizes = {path: os.statvfs(path).f_blocks * os.statvfs(path).f_frsize for path in (WRITABLE, "/dev/shm")}  # noqa: S108
    return all(size <= int(request) for size in sizes.values()), f"{sizes}"


def process_limit(request: str) -> tuple[bool, str]:
    """``request``: the most processes that may be had."""
    children = []
    try:
        while len(children) <= int(request):
            child = os.fork()
            if child == 0:
                time.sleep(60)
                os._exit(0)
            children.append(child)
        return False, f"more than {len(children)} processes could be started"
    except OSError as error:
        return error.errno == errno.EAGAIN, f"stopped after {len(children)} processes"
    finally:
        for child in children:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


def use_memory(request: str) -> tuple[bool, str]:
    """Take and touch ``request`` bytes, hold them for a while, and say that nobody minded."""
    held = []
    try:
        for _ in range(int(request) >> 20):
            held.append(np.ones(1 << 17))
        time.sleep(1)
    except MemoryError:
        return True, "the allocation was refused"
    return False, f"{request} bytes could be held"


def spin(_request: str) -> tuple[bool, str]:
    """Compute for longer than is allowed."""
    end = time.process_time() + 20
    while time.process_time() < end:
        pass
    return False, "nobody stopped it"


# The operation number is the position here.
CHECKS = (
    not_root,
    no_new_privileges,
    system_calls_filtered,
    no_network,
    nothing_writable,
    submission_read_only,
    process_one_tells_nothing,
    host_paths_absent,
    alone,
    sized_scratch,
    process_limit,
    use_memory,
    spin,
)


def main() -> None:
    """Answer until the grader hangs up."""
    connection = socket.socket(fileno=int(sys.argv[1]))
    while True:
        request = protocol.read_frame(connection)
        try:
            text = protocol.array_to_text(request.arrays[0], 1 << 16)
            passed, detail = CHECKS[request.operation](text)
        except Exception as error:
            passed, detail = False, f"{type(error).__name__}: {error}"
        arrays = (np.array([passed], dtype=np.int64), protocol.text_to_array(detail[:1000]))
        answer = protocol.Frame(protocol.Kind.ANSWER, request.operation, request.request_id, arrays)
        protocol.write_frame(connection, answer)


if __name__ == "__main__":
    main()
