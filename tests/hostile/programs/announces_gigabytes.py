"""Announces eight gigabytes of answer and begins to send them."""
import struct

from milestones.sandbox import protocol


def large(connection, frame):
    head = struct.pack("<4sHHHHQ", b"TTMS", 1, 2, frame.operation, 1, frame.request_id)
    connection.sendall(head + struct.pack("<BB6s4Q", 1, 1, bytes(6), 1 << 30, 0, 0, 0))
    while True:
        connection.sendall(bytes(1 << 20))


protocol.write_frame = large
print("ATTEMPTED", flush=True)
