"""Measures its own memory and time, and how many processors there are, as the lessons on profiling do."""
import os
import resource
import time
import tracemalloc

import psutil

tracemalloc.start()
start = time.perf_counter()
kept = [bytearray(1000) for _ in range(1000)]
assert tracemalloc.get_traced_memory()[1] > 900_000
tracemalloc.stop()
process = psutil.Process()
assert process.memory_info().rss > 0
print(os.cpu_count(), psutil.virtual_memory().total, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter() - start)
print("FINE", flush=True)
