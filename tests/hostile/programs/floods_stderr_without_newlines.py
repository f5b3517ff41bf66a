"""Writes single bytes and megabytes to the error output without ever ending a line."""
import os

print("ATTEMPTED", flush=True)
os.write(2, b"x")
while True:
    os.write(2, b"\xff" * (1 << 20))
