"""The seccomp profile of the worker's container, put in force here as Docker would: the sandbox works under it, and what
it allows beyond Docker's own is exactly what bubblewrap needs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from milestones.sandbox import seccomp

pytestmark = pytest.mark.sandbox

CHECKOUT = Path(__file__).resolve().parents[2]
PROFILE = CHECKOUT / "deploy" / "worker-seccomp.json"
#: What Docker's own profile refuses a container without CAP_SYS_ADMIN. `clone` is refused there only with namespaces.
FOR_BUBBLEWRAP = ["clone", "mount", "pivot_root", "sethostname", "umount2", "unshare"]
#: Docker's rule: no flag CLONE_NEW….
CLONE_WITHOUT_NAMESPACES = {
    "names": ["clone"],
    "action": "SCMP_ACT_ALLOW",
    "args": [{"index": 0, "value": 0x7E02_0000, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ"}],
}


def profile() -> dict[str, Any]:
    return json.loads(PROFILE.read_text())


def doctor(under: Path) -> subprocess.CompletedProcess[str]:
    """The sandbox's own test, in a process that has only what a container has."""
    command = ["tests.deploy.under_profile", str(under), sys.executable, "-m", "milestones", "doctor"]
    return subprocess.run([sys.executable, "-m", *command], cwd=CHECKOUT, capture_output=True, text=True, check=False)


def test_under_the_profile_the_sandbox_holds_in_every_point():
    ended = doctor(PROFILE)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "FAILED" not in ended.stdout
    assert "Dangerous system calls are refused" in ended.stdout


def test_what_it_allows_beyond_dockers_is_what_bubblewrap_needs():
    special, rest = profile()["syscalls"][0], profile()["syscalls"][1:]
    assert special["names"] == FOR_BUBBLEWRAP
    allowed = {name for rule in rest if rule["action"] == "SCMP_ACT_ALLOW" for name in rule["names"]}
    assert not allowed & {*FOR_BUBBLEWRAP, "clone3", "setns", "personality"}
    # What is refused to students' programs is refused to the worker too, but for those six.
    assert not allowed & seccomp.DENIED.keys()
    assert set(FOR_BUBBLEWRAP) - seccomp.DENIED.keys() == {"clone"}  # there it depends on the flags


def test_whatever_is_not_named_is_refused_and_other_architectures_have_no_door():
    found = profile()
    assert (found["defaultAction"], found["defaultErrnoRet"]) == ("SCMP_ACT_ERRNO", 1)
    assert all(each["subArchitectures"] == [] for each in found["archMap"])
    names = [name for rule in found["syscalls"] for name in rule["names"] if name != "socket"]
    assert len(names) == len(set(names))
    families = [rule["args"][0]["value"] for rule in found["syscalls"] if rule["names"] == ["socket"]]
    assert families == [1, 2, 10, 16]  # AF_UNIX, AF_INET, AF_INET6, AF_NETLINK


@pytest.mark.parametrize("name", FOR_BUBBLEWRAP)
def test_without_any_one_of_them_there_is_no_sandbox(name: str, tmp_path: Path):
    """So none is allowed for nothing; and the doctor says so, instead of running student code in less."""
    changed = profile()
    changed["syscalls"][0]["names"].remove(name)
    if name == "clone":
        changed["syscalls"].append(CLONE_WITHOUT_NAMESPACES)
    (tmp_path / "profile.json").write_text(json.dumps(changed))
    ended = doctor(tmp_path / "profile.json")
    assert ended.returncode == 3, ended.stdout + ended.stderr
    assert "FAILED The sandbox starts and answers" in ended.stdout or "bwrap" in ended.stdout
