"""The harness of these tests: echoes arrays, or runs the source that it is sent, as hostile as that may be."""

import socket
import sys

sys.path[:0] = sys.argv[2:]

import numpy as np  # noqa: E402

from milestones.sandbox import protocol  # noqa: E402

ECHO, RUN, REFUSE = 1, 2, 3

connection = socket.socket(fileno=int(sys.argv[1]))
while True:
    try:
        request = protocol.read_frame(connection)
    except EOFError:
        break
    reply = {"operation": request.operation, "request_id": request.request_id}
    if request.operation == ECHO:
        protocol.write_frame(connection, protocol.Frame(protocol.Kind.ANSWER, **reply, arrays=request.arrays))
    elif request.operation == REFUSE:
        protocol.write_frame(connection, protocol.fault_frame(**reply, code=3, numbers=(4, 5), text="no \x1b[31mway"))
    else:
        names = {"connection": connection, "request": request, "reply": reply, "protocol": protocol, "np": np}
        exec(protocol.array_to_text(request.arrays[0], 1 << 20), names)
        if "answer" in names:
            text = protocol.text_to_array(str(names["answer"]))
            protocol.write_frame(connection, protocol.Frame(protocol.Kind.ANSWER, **reply, arrays=(text,)))
