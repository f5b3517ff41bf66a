"""Sixty threads that all wake at once, so that many seem to wait for a processor, and otherwise sleep."""
import threading
import time

print("ATTEMPTED", flush=True)
wake = threading.Event()


def nap():
    while True:
        time.sleep(0.5 - time.monotonic() % 0.5)
        until = time.thread_time() + 0.0015
        while time.thread_time() < until:
            pass


threads = [threading.Thread(target=nap) for _ in range(50)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
