"""Ends, and leaves a daemon behind that answers every question with ones in its place."""
import os
import socket
import sys

import numpy as np

# The harness's own module and socket, taken out of its frame.
frame = sys._getframe()
while frame.f_code.co_name != "main":
    frame = frame.f_back
protocol, connection = frame.f_globals["protocol"], frame.f_locals["connection"]
harness_socket = connection.fileno()

print("ATTEMPTED", flush=True)
if os.fork() == 0:
    os.setsid()
    connection = socket.socket(fileno=os.dup(harness_socket))
    while True:
        request = protocol.read_frame(connection)
        answer = protocol.Frame(protocol.Kind.ANSWER, request.operation, request.request_id, (np.ones((1, 2)),))
        protocol.write_frame(connection, answer)
os._exit(0)
