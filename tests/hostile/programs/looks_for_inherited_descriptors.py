"""Looks through its descriptors for files, sockets and folders of the grader."""
import os
import stat
import sys

frame = sys._getframe()
while frame.f_code.co_name != "main":
    frame = frame.f_back
harness_socket = frame.f_locals["connection"].fileno()
print("ATTEMPTED", flush=True)
for name in os.listdir("/proc/self/fd"):
    try:
        target, mode = os.readlink(f"/proc/self/fd/{name}"), os.fstat(int(name)).st_mode
    except OSError:
        continue
    ours = int(name) in (0, 1, 2, harness_socket) or "/proc/" in target
    if not ours or stat.S_ISDIR(mode) and "/proc/" not in target:
        print("ESCAPED: descriptor", name, target, flush=True)
    else:
        print("HELD:", name, target)
for name in ("1", "2", str(harness_socket)):
    try:
        again = os.open(f"/proc/self/fd/{name}", os.O_RDWR)
        print("opened again:", name, again)
    except OSError as error:
        print("HELD:", name, error.strerror)
for pid in (1, os.getppid()):
    try:
        seen = os.listdir(f"/proc/{pid}/fd")
        print("process", pid, "has", {n: os.readlink(f"/proc/{pid}/fd/{n}") for n in seen})
        for n in seen:
            os.open(f"/proc/{pid}/fd/{n}", os.O_RDWR)
    except OSError as error:
        print("HELD:", pid, error.strerror)
