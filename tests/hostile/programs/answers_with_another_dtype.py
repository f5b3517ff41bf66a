"""Answers with whole numbers, truth values and bytes where floating-point numbers are expected."""
import sys
import numpy as np

# The harness's own module and socket, taken out of its frame.
frame = sys._getframe()
while frame.f_code.co_name != "main":
    frame = frame.f_back
protocol, connection = frame.f_globals["protocol"], frame.f_locals["connection"]

honest = protocol.write_frame


def other(connection, frame):
    if frame.operation > 3:
        arrays = tuple(np.ones((4, 3), dtype=dtype) for dtype in (np.int64,))
        frame = protocol.Frame(protocol.Kind.ANSWER, frame.operation, frame.request_id, arrays)
    honest(connection, frame)


protocol.write_frame = other
print("ATTEMPTED", flush=True)
