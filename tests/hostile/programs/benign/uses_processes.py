"""Uses multiprocessing with two workers, a queue and a lock, as a data loader does."""
import multiprocessing
import os

context = multiprocessing.get_context("fork")
with context.Pool(2) as pool:
    # A function of Python's own: with one of a module that is being imported, Pool waits for itself.
    assert pool.map(abs, range(-5, 0)) == [5, 4, 3, 2, 1]
queue, lock = context.Queue(), context.Lock()
with lock:
    process = context.Process(target=queue.put, args=(7,))
    process.start()
    assert queue.get() == 7
process.join()
print("FINE", flush=True)
