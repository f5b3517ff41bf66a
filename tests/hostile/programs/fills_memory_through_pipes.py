"""Fills kernel memory: pipes and sockets stuffed with bytes that nobody reads."""
import os
import socket

print("ATTEMPTED", flush=True)
count = 0
for _ in range(110):
    read, write = os.pipe()
    os.set_blocking(write, False)
    try:
        while True:
            count += os.write(write, bytes(65536))
    except OSError:
        pass
print("HELD at", count, "bytes", flush=True)
