"""Claims that its model has supplied weights, no hidden trouble, and a negative and an enormous number of parameters."""
import numpy as np
from milestones.sandbox import protocol

honest = protocol.write_frame


def facts(connection, frame):
    if frame.operation == 4:
        claimed = np.array([-(2**63), 2**63 - 1, 1, 1, 7, -5, 2**40, 99, 3], dtype=np.int64)
        arrays = (claimed, protocol.text_to_array("Linear -> \u202eReLU -> <b>Linear</b>"))
        frame = protocol.Frame(protocol.Kind.ANSWER, 4, frame.request_id, arrays)
    honest(connection, frame)


protocol.write_frame = facts
print("ATTEMPTED", flush=True)
