"""Leaves notes wherever it can for the sandbox that comes next, and looks for those of the one before."""
import contextlib
import os
import socket

print("ATTEMPTED", flush=True)
with contextlib.suppress(OSError):
    socket.socket(socket.AF_UNIX).connect("\0tinytorch-hostile-notes")
    print("ESCAPED: an abstract socket was left", flush=True)
folders = [folder for folder, _f, _n in os.walk("/") if not folder.startswith("/proc")]
for folder in folders:
    path = os.path.join(folder, "tinytorch-hostile-notes")
    if os.path.exists(path):
        print("ESCAPED: notes were left at", path, flush=True)
    with contextlib.suppress(OSError):
        open(path, "w").close()
    with contextlib.suppress(OSError):
        os.setxattr(folder, "user.notes", b"x")
        if not folder.startswith(("/tmp", "/dev/shm")):
            print("ESCAPED: an attribute on", folder, flush=True)
