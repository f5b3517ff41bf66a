"""Announces an array of 2^63 elements and sends no more, so that the reader allocates it."""
import socket
import struct
import sys

from milestones.sandbox import protocol


def enormous(connection, frame):
    head = struct.pack("<4sHHHHQ", b"TTMS", 1, 2, frame.operation, 1, frame.request_id)
    connection.sendall(head + struct.pack("<BB6s4Q", 1, 4, bytes(6), 2**63, 2**63, 2**63, 2**63))


protocol.write_frame = enormous
print("ATTEMPTED", flush=True)
