"""Uses a pool of four threads and joins it, and leaves one daemon thread that sleeps."""
import threading
import time
from concurrent.futures import ThreadPoolExecutor

with ThreadPoolExecutor(4) as pool:
    assert sum(pool.map(lambda n: n * n, range(1000))) == 332_833_500
threading.Thread(target=time.sleep, args=(3600,), daemon=True).start()
print("FINE", flush=True)
