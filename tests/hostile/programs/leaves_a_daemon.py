"""Leaves a process behind that has a session of its own and no parent."""
import os
import time

print("ATTEMPTED", flush=True)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.closerange(0, 1024)
        while True:
            time.sleep(0.01)
    os._exit(0)
os.wait()
