"""Claims that its model has supplied weights, no hidden trouble, and a negative and an enormous number of parameters."""
import sys
import numpy as np

# The harness's own module and socket, taken out of its frame.
frame = sys._getframe()
while frame.f_code.co_name != "main":
    frame = frame.f_back
protocol, connection = frame.f_globals["protocol"], frame.f_locals["connection"]

honest = protocol.write_frame


def facts(connection, frame):
    if frame.operation == 6:
        claimed = np.array([-(2**63), 2**63 - 1, 1, 1, 7, -5, 2**40, 99], dtype=np.int64)
        arrays = (claimed, protocol.text_to_array("Linear -> \u202eReLU -> <b>Linear</b>"))
        frame = protocol.Frame(protocol.Kind.ANSWER, 6, frame.request_id, arrays)
    honest(connection, frame)


protocol.write_frame = facts
print("ATTEMPTED", flush=True)
