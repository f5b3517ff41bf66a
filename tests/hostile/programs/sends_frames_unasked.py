"""Writes perfect answers on the harness's socket before any question about them has come."""
import socket
import sys

import numpy as np
from milestones.sandbox import protocol

connection = socket.socket(fileno=int(sys.argv[1]))
for operation in range(1, 10):
    protocol.write_frame(connection, protocol.Frame(protocol.Kind.ANSWER, operation, 0, (np.ones((4, 3)),)))
print("ATTEMPTED", flush=True)
