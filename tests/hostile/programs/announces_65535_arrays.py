"""Announces as many arrays as the header can say."""
import struct

from milestones.sandbox import protocol


def many(connection, frame):
    connection.sendall(struct.pack("<4sHHHHQ", b"TTMS", 1, 2, frame.operation, 65535, frame.request_id) + bytes(1 << 20))


protocol.write_frame = many
print("ATTEMPTED", flush=True)
