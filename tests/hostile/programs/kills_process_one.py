"""Sends every signal to process 1, to its parent and to its process group."""
import contextlib
import os
import signal

print("ATTEMPTED", flush=True)
for number in range(1, 65):
    if number not in (signal.SIGKILL, signal.SIGSTOP):
        with contextlib.suppress(OSError, ValueError, RuntimeError):
            signal.signal(number, signal.SIG_IGN)
for number in range(1, 65):
    for pid in (1, os.getppid()):
        if pid != os.getpid():
            with contextlib.suppress(OSError):
                os.kill(pid, number)
