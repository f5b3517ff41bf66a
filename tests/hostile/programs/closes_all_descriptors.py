"""Closes every descriptor it has, the harness's socket and both outputs among them."""
import os
import time

print("ATTEMPTED", flush=True)
os.closerange(0, 1024)
time.sleep(10_000)
