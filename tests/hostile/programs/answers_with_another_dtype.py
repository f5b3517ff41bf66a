"""Answers with whole numbers, truth values and bytes where floating-point numbers are expected."""
import numpy as np
from milestones.sandbox import protocol

honest = protocol.write_frame


def other(connection, frame):
    if frame.operation != 1:
        arrays = tuple(np.ones((4, 3), dtype=dtype) for dtype in (np.int64,))
        frame = protocol.Frame(protocol.Kind.ANSWER, frame.operation, frame.request_id, arrays)
    honest(connection, frame)


protocol.write_frame = other
print("ATTEMPTED", flush=True)
