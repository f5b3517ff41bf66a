"""Thirty processes that take forty megabytes each: every one is small, all together are not."""
import os
import time

print("ATTEMPTED", flush=True)
for _ in range(30):
    if os.fork() == 0:
        kept = bytearray(os.urandom(1 << 20) * 40)
        time.sleep(10_000)
time.sleep(10_000)
