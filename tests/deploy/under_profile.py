"""``python -m tests.deploy.under_profile PROFILE COMMAND…``: run a command as in a container with a seccomp profile.

The profile is put in force by libseccomp, the library by which Docker's runc does it (every Debian and Ubuntu has it, since
apt needs it), with the rules that runc makes of the same JSON. Run by root, the command also has only the capabilities that
``docker-compose.yml`` leaves the worker, so that nothing is allowed here by a right that it would not have there.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import sys
from pathlib import Path
from typing import Any

#: What docker-compose.yml leaves the worker, as `setpriv` names them.
CAPABILITIES = ("chown", "dac_override", "fowner", "kill", "setgid", "setuid")
ALLOW, ERRNO = 0x7FFF_0000, 0x0005_0000  # SCMP_ACT_ALLOW, SCMP_ACT_ERRNO(0)
COMPARISONS = {"SCMP_CMP_EQ": 4, "SCMP_CMP_MASKED_EQ": 7}
NO_SUCH_CALL = -1  # __NR_SCMP_ERROR


class Argument(ctypes.Structure):
    """``struct scmp_arg_cmp``."""

    _fields_ = [
        ("index", ctypes.c_uint),
        ("op", ctypes.c_int),
        ("value", ctypes.c_uint64),
        ("second", ctypes.c_uint64),
    ]


def put_in_force(profile: dict[str, Any]) -> None:
    """Load the filter of ``profile`` into this process and all that it becomes or starts."""
    library = ctypes.CDLL("libseccomp.so.2")
    library.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(library.seccomp_init(_action(profile["defaultAction"], profile.get("defaultErrnoRet"))))
    assert context, "libseccomp makes no filter"
    for rule in profile["syscalls"]:
        action = _action(rule["action"], rule.get("errnoRet"))
        arguments = [
            Argument(argument["index"], COMPARISONS[argument["op"]], argument["value"], argument.get("valueTwo", 0))
            for argument in rule.get("args", ())
        ]
        for name in rule["names"]:
            number = library.seccomp_syscall_resolve_name(name.encode())
            if number == NO_SUCH_CALL:  # newer than the library: runc passes over it as well
                continue
            array = (Argument * len(arguments))(*arguments)
            answer = library.seccomp_rule_add_array(
                context, ctypes.c_uint32(action), ctypes.c_int(number), ctypes.c_uint(len(arguments)), array
            )
            # EDOM: the call does not exist on this architecture.
            assert answer in (0, -errno.EDOM), f"{name}: {os.strerror(-answer)}"
    answer = library.seccomp_load(context)
    assert answer == 0, os.strerror(-answer)


def _action(name: str, number: int | None) -> int:
    return {"SCMP_ACT_ALLOW": ALLOW, "SCMP_ACT_ERRNO": ERRNO | (number or errno.EPERM)}[name]


def main() -> None:
    profile, *command = sys.argv[1:]
    if os.geteuid() == 0:
        bounding = ",".join(["-all", *(f"+{name}" for name in CAPABILITIES)])
        command = ["setpriv", "--bounding-set", bounding, "--inh-caps", "-all", "--", *command]
    put_in_force(json.loads(Path(profile).read_text()))
    os.execvp(command[0], command)


if __name__ == "__main__":
    main()
