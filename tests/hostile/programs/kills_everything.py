"""Sends SIGKILL to every process that it may send it to."""
import os
import signal

print("ATTEMPTED", flush=True)
if os.fork() == 0:
    os.setsid()
    os.kill(-1, signal.SIGKILL)
    os._exit(0)
os.kill(-1, signal.SIGKILL)
