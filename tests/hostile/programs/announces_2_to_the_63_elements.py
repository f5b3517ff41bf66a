"""Announces an array of 2^63 elements and sends no more, so that the reader allocates it."""
import socket
import struct
import sys

# The harness's own module and socket, taken out of its frame.
frame = sys._getframe()
while frame.f_code.co_name != "main":
    frame = frame.f_back
protocol, connection = frame.f_globals["protocol"], frame.f_locals["connection"]


honest = protocol.write_frame


def enormous(connection, frame):
    if frame.operation <= 3:  # loading, so that the package gets in
        return honest(connection, frame)
    head = struct.pack("<4sHHHHQ", b"TTMS", 1, 2, frame.operation, 1, frame.request_id)
    connection.sendall(head + struct.pack("<BB6s4Q", 1, 4, bytes(6), 2**63, 2**63, 2**63, 2**63))


protocol.write_frame = enormous
print("ATTEMPTED", flush=True)
