"""Sends SIGKILL to every process that it may send it to."""
import contextlib
import os
import signal

print("ATTEMPTED", flush=True)
child = os.fork()
with contextlib.suppress(OSError):
    os.setsid() if child == 0 else None
    os.kill(-1, signal.SIGKILL)
if child == 0:
    os._exit(0)
