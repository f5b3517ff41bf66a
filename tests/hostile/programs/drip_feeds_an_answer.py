"""Sends an answer one byte at a time, in the hope that every byte begins a new deadline."""
import time

from milestones.sandbox import protocol


def drip(connection, frame):
    for byte in b"".join(bytes(part) for part in protocol.encode(frame)):
        connection.sendall(bytes([byte]))
        time.sleep(0.2)


protocol.write_frame = drip
print("ATTEMPTED", flush=True)
