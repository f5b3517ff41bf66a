"""Sends an answer one byte at a time, in the hope that every byte begins a new deadline."""
import sys
import time

# The harness's own module and socket, taken out of its frame.
frame = sys._getframe()
while frame.f_code.co_name != "main":
    frame = frame.f_back
protocol, connection = frame.f_globals["protocol"], frame.f_locals["connection"]


honest = protocol.write_frame


def drip(connection, frame):
    if frame.operation <= 3:  # loading, so that the package gets in
        return honest(connection, frame)
    for byte in b"".join(bytes(part) for part in protocol.encode(frame)):
        connection.sendall(bytes([byte]))
        time.sleep(0.2)


protocol.write_frame = drip
print("ATTEMPTED", flush=True)
