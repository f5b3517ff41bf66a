"""Starts threads without end."""
import threading
import time

print("ATTEMPTED", flush=True)
while True:
    try:
        threading.Thread(target=time.sleep, args=(10_000,)).start()
    except RuntimeError:
        pass
