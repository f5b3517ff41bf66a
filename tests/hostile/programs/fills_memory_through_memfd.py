"""Fills files in memory that belong to no process's own memory."""
import os

print("ATTEMPTED", flush=True)
while True:
    file = os.memfd_create("x")
    for _ in range(16):
        os.write(file, b"x" * (1 << 20))
