"""Which system calls a sandboxed program may not make: the filter, its generator, and the committed bytes.

``python -m milestones.sandbox.seccomp`` writes ``seccomp_x86_64.bpf`` and ``seccomp_aarch64.bpf`` beside this file; a test
generates them again and compares. The generator is our own because the distribution's ``python3-seccomp`` serves only the
distribution's Python. Format: classic BPF over ``struct seccomp_data``, see ``seccomp(2)``; numbers: the kernel's
``asm/unistd_64.h`` (x86_64) and ``asm-generic/unistd.h`` (aarch64).

What is refused answers EPERM, with three exceptions: ``clone3`` answers ENOSYS, because its arguments lie behind a pointer
that a filter cannot follow and the C library then falls back to ``clone``; a call newer than this list answers ENOSYS too;
and calls of another architecture (i386, x32, 32-bit ARM), whose numbers mean something else, end the process.

A program may not send SIGKILL to itself (to children of its own it may). So when one is found ended by SIGKILL, that came
from outside, as when the machine ran out of memory, and is never taken for the student's doing.
"""

from __future__ import annotations

import os
import platform
import struct
from dataclasses import dataclass
from pathlib import Path

from milestones.contract import OurTrouble


@dataclass(frozen=True)
class Architecture:
    """What the filter must know of a machine: the kernel's name for it, and the position of its numbers in ``DENIED``."""

    audit: int
    column: int
    x32: bool


ARCHITECTURES = {
    "x86_64": Architecture(audit=0xC000003E, column=0, x32=True),
    "aarch64": Architecture(audit=0xC00000B7, column=1, x32=False),
}

# Name -> number on x86_64, on aarch64 (None: does not exist there).
DENIED: dict[str, tuple[int, int | None]] = {
    # looking into and reaching into other processes
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "kcmp": (312, 272),
    "pidfd_getfd": (438, 438),
    # large kernel interfaces that nobody's homework needs
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    # mounts and namespaces
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "open_tree_attr": (467, 467),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "unshare": (272, 97),
    "setns": (308, 268),
    # keyrings, which user namespaces do not separate fully
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    # the machine itself
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "acct": (163, 89),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "syslog": (103, 116),
    "iopl": (172, None),
    "ioperm": (173, None),
    "modify_ldt": (154, None),
    "uselib": (134, None),
    "clock_settime": (227, 112),
    "clock_adjtime": (305, 266),
    "adjtimex": (159, 171),
    "settimeofday": (164, 170),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    # files behind the mount table's back
    "open_by_handle_at": (304, 265),
    "name_to_handle_at": (303, 264),
    "fanotify_init": (300, 262),
    "fanotify_mark": (301, 263),
    # memory placement and memory that the limits cannot see well
    "mbind": (237, 235),
    "set_mempolicy": (238, 237),
    "set_mempolicy_home_node": (450, 450),
    "get_mempolicy": (239, 236),
    "migrate_pages": (256, 238),
    "move_pages": (279, 239),
    "vmsplice": (278, 75),
    "memfd_secret": (447, 447),
    # System V and POSIX queues outlive processes
    "shmget": (29, 194),
    "shmat": (30, 196),
    "shmctl": (31, 195),
    "shmdt": (67, 197),
    "semget": (64, 190),
    "semop": (65, 193),
    "semctl": (66, 191),
    "semtimedop": (220, 192),
    "msgget": (68, 186),
    "msgsnd": (69, 189),
    "msgrcv": (70, 188),
    "msgctl": (71, 187),
    "mq_open": (240, 180),
}
CLONE = (56, 220)
CLONE3 = (435, 435)
KILL = (62, 129)
RT_SIGQUEUEINFO = (129, 138)
TKILL = (200, 130)
TGKILL = (234, 131)
RT_TGSIGQUEUEINFO = (297, 240)
PIDFD_SEND_SIGNAL = (424, 424)
SOCKET = (41, 198)
SOCKETPAIR = (53, 199)
IOCTL = (16, 29)
NEWEST_KNOWN = 469  # file_setattr, Linux 6.17

# CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET. (NEWTIME shares its bit with clone's exit signal and
# can be asked for through unshare and clone3 only, which are refused.)
_CLONE_NEW = 0x7E02_0000
_SIGKILL = 9
# The student's program in its process namespace, after bwrap's init.
_PROGRAM = 2
_SIGN_BIT = 0x8000_0000
_AF_UNIX = 1
_TIOCSTI = 0x5412
_TIOCLINUX = 0x541C
_X32_BIT = 0x4000_0000

_LOAD, _EQUAL, _ABOVE, _ANY_BIT, _RETURN = 0x20, 0x15, 0x25, 0x45, 0x06
_ALLOW, _KILL, _ERRNO = 0x7FFF_0000, 0x8000_0000, 0x0005_0000
_EPERM, _ENOSYS = 1, 38
# Offsets in struct seccomp_data. Of an argument only the low half is read: the kernel itself takes all of these as 32
# bits, so a filter that compared all 64 could be passed with a bit set above.
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT, _SECOND_ARGUMENT, _THIRD_ARGUMENT = 0, 4, 16, 24, 32


def generate(machine: str) -> bytes:
    """The filter for ``machine`` ("x86_64" or "aarch64") as the bytes of an array of ``struct sock_filter``."""
    architecture = ARCHITECTURES[machine]
    column = architecture.column
    # (opcode, operand, target if true, target if false); a target is a label, "" the next instruction.
    lines: list[tuple[int, int, str, str] | str] = [
        (_LOAD, _ARCHITECTURE, "", ""),
        (_EQUAL, architecture.audit, "", "kill"),
        (_LOAD, _NUMBER, "", ""),
    ]
    if architecture.x32:
        lines.append((_ANY_BIT, _X32_BIT, "kill", ""))
    lines.append((_ABOVE, NEWEST_KNOWN, "no such call", ""))
    lines.append((_EQUAL, CLONE3[column], "no such call", ""))
    numbers = [numbers[column] for numbers in DENIED.values()]
    lines += [(_EQUAL, number, "refuse", "") for number in numbers if number is not None]
    lines += [
        (_EQUAL, CLONE[column], "clone", ""),
        (_EQUAL, KILL[column], "kill process", ""),
        (_EQUAL, RT_SIGQUEUEINFO[column], "kill process", ""),
        (_EQUAL, TKILL[column], "kill by second", ""),
        (_EQUAL, PIDFD_SEND_SIGNAL[column], "kill by second", ""),
        (_EQUAL, TGKILL[column], "kill thread", ""),
        (_EQUAL, RT_TGSIGQUEUEINFO[column], "kill thread", ""),
        (_EQUAL, SOCKET[column], "socket", ""),
        (_EQUAL, SOCKETPAIR[column], "socket", ""),
        (_EQUAL, IOCTL[column], "ioctl", "allow"),
        "clone",
        (_LOAD, _FIRST_ARGUMENT, "", ""),
        (_ANY_BIT, _CLONE_NEW, "refuse", "allow"),
        # SIGKILL to the program itself, to groups of processes, and to whatever a number does not tell.
        "kill process",
        (_LOAD, _SECOND_ARGUMENT, "", ""),
        (_EQUAL, _SIGKILL, "", "allow"),
        (_LOAD, _FIRST_ARGUMENT, "", ""),
        (_ANY_BIT, _SIGN_BIT, "refuse", ""),
        (_EQUAL, 0, "refuse", ""),
        (_EQUAL, _PROGRAM, "refuse", "allow"),
        "kill by second",
        (_LOAD, _SECOND_ARGUMENT, "", ""),
        (_EQUAL, _SIGKILL, "refuse", "allow"),
        "kill thread",
        (_LOAD, _THIRD_ARGUMENT, "", ""),
        (_EQUAL, _SIGKILL, "refuse", "allow"),
        "socket",
        (_LOAD, _FIRST_ARGUMENT, "", ""),
        (_EQUAL, _AF_UNIX, "allow", "refuse"),
        "ioctl",
        (_LOAD, _SECOND_ARGUMENT, "", ""),
        (_EQUAL, _TIOCSTI, "refuse", ""),
        (_EQUAL, _TIOCLINUX, "refuse", "allow"),
        "allow",
        (_RETURN, _ALLOW, "", ""),
        "refuse",
        (_RETURN, _ERRNO | _EPERM, "", ""),
        "no such call",
        (_RETURN, _ERRNO | _ENOSYS, "", ""),
        "kill",
        (_RETURN, _KILL, "", ""),
    ]
    return _assemble(lines)


def _assemble(lines: list[tuple[int, int, str, str] | str]) -> bytes:
    positions: dict[str, int] = {}
    instructions = []
    for line in lines:
        if isinstance(line, str):
            positions[line] = len(instructions)
        else:
            instructions.append(line)

    def jump(target: str, here: int) -> int:
        return positions[target] - here - 1 if target else 0

    return b"".join(
        struct.pack("<HBBI", opcode, jump(if_true, here), jump(if_false, here), operand)
        for here, (opcode, operand, if_true, if_false) in enumerate(instructions)
    )


def filter_file(machine: str | None = None) -> Path:
    """The committed filter for ``machine`` (default: this one). Raises OurTrouble for a machine without a filter."""
    machine = machine or platform.machine()
    machine = {"amd64": "x86_64", "arm64": "aarch64"}.get(machine.lower(), machine)
    if machine not in ARCHITECTURES:
        raise OurTrouble(f"There is no system call filter for {machine}; sandboxes run on x86_64 and aarch64.")
    return Path(__file__).with_name(f"seccomp_{machine}.bpf")


def open_filter() -> int:
    """A new descriptor of this machine's filter, for bwrap to read; the caller closes it."""
    return os.open(filter_file(), os.O_RDONLY | os.O_CLOEXEC)


if __name__ == "__main__":
    for name in ARCHITECTURES:
        filter_file(name).write_bytes(generate(name))
