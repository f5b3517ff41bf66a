"""Writes bytes without end to the grader's socket."""
import os
import sys

print("ATTEMPTED", flush=True)
while True:
    os.write(int(sys.argv[1]), bytes(1 << 16))
