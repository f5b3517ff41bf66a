"""Writes to address 0."""
import ctypes

print("ATTEMPTED", flush=True)
ctypes.memset(0, 1, 1)
