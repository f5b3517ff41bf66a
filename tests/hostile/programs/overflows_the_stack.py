"""Recurses until the C stack ends."""
import sys
import threading

print("ATTEMPTED", flush=True)
sys.setrecursionlimit(10**9)
threading.stack_size(1 << 25)
thing = []
for _ in range(10**7):
    thing = [thing]
print(repr(thing) == 1)
