"""Shares arrays through anonymous mappings, shared memory and a file that is mapped."""
import mmap
import tempfile
from multiprocessing import shared_memory

import numpy as np

anonymous = mmap.mmap(-1, 16 << 20)
anonymous.write(b"x" * 1000)
shared = shared_memory.SharedMemory(create=True, size=8 << 20)
np.ndarray((1 << 20,), buffer=shared.buf)[:] = 1.0
shared.close()
shared.unlink()
with tempfile.NamedTemporaryFile() as file:
    kept = np.memmap(file.name, dtype=np.float32, mode="w+", shape=(1000, 1000))
    kept[:] = 2
print("FINE", flush=True)
