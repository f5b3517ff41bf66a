"""Sleeps and uses no time that a CPU limit would see."""
import time

print("ATTEMPTED", flush=True)
time.sleep(10_000)
