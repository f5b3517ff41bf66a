"""Peeks at the socket for the number of a question that is still arriving and answers it at once with ones."""
import socket
import struct
import sys

import numpy as np
from milestones.sandbox import protocol

print("ATTEMPTED", flush=True)
honest = protocol.read_frame


def early(connection, limits=None):
    connection = socket.socket(fileno=int(sys.argv[1]))
    head = connection.recv(20, socket.MSG_PEEK)
    operation, _count, request_id = struct.unpack("<HHQ", head[8:])
    rows = 200 if operation == 5 else 1
    answer = np.tile(np.arange(10, dtype=np.float32), (rows, 1))
    protocol.write_frame(connection, protocol.Frame(protocol.Kind.ANSWER, operation, request_id, (answer,)))
    connection.detach()
    return honest(connection, limits)


protocol.read_frame = early
