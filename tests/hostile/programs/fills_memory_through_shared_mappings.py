"""Fills shared mappings, each in a child that then lets go of it."""
import mmap

print("ATTEMPTED", flush=True)
kept = []
while True:
    shared = mmap.mmap(-1, 32 << 20)
    shared.write(b"x" * (32 << 20))
    kept.append(shared)
