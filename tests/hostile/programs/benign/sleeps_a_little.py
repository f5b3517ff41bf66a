"""Sleeps half a second to be kind to a server."""
import time

time.sleep(0.5)
print("FINE", flush=True)
