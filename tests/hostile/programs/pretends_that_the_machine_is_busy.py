"""Twenty processes that all wake at once, so that many seem to wait for a processor, and otherwise sleep."""
import os
import time

print("ATTEMPTED", flush=True)
for _ in range(20):
    if os.fork() == 0:
        while True:
            time.sleep(0.5 - time.monotonic() % 0.5)
            until = time.thread_time() + 0.003
            while time.thread_time() < until:
                pass
time.sleep(10_000)
