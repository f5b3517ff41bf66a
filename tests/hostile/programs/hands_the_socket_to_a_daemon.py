"""Ends, and leaves a daemon behind that answers every question with ones in its place."""
import os
import socket
import sys

import numpy as np
from milestones.sandbox import protocol

print("ATTEMPTED", flush=True)
if os.fork() == 0:
    os.setsid()
    connection = socket.socket(fileno=int(sys.argv[1]))
    while True:
        request = protocol.read_frame(connection)
        answer = protocol.Frame(protocol.Kind.ANSWER, request.operation, request.request_id, (np.ones((1, 2)),))
        protocol.write_frame(connection, answer)
os._exit(0)
