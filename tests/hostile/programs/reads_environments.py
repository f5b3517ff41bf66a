"""Reads the environment and the command line of every process it can see."""
import os

print("ATTEMPTED", flush=True)
print(dict(os.environ))
for pid in filter(str.isdecimal, os.listdir("/proc")):
    for name in ("environ", "cmdline", "mountinfo", "cgroup", "status", "fdinfo", "root/etc/passwd", "cwd", "exe"):
        path = f"/proc/{pid}/{name}"
        try:
            print(path, open(path, "rb").read(2000) if os.path.isfile(path) else os.listdir(path)[:50], flush=True)
        except OSError as error:
            print("HELD:", path, error.strerror)
    if os.path.exists(f"/proc/{pid}/root/srv") or os.path.exists(f"/proc/{pid}/root/home"):
        print("ESCAPED: the host's files through", pid)
print("ATTEMPTED", flush=True)
