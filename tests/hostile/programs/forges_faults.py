"""Answers with faults that blame the grader: its own numbers for "our mistake", extreme numbers, 16 KB of text."""
import sys
import itertools

import numpy as np

# The harness's own module and socket, taken out of its frame.
frame = sys._getframe()
while frame.f_code.co_name != "main":
    frame = frame.f_back
protocol, connection = frame.f_globals["protocol"], frame.f_locals["connection"]

honest = protocol.write_frame
CODES = itertools.cycle([6, 0, -1, 2**63 - 1, -(2**63), 5, 1])


def fault(connection, frame):
    if frame.operation > 3:
        numbers = np.array([next(CODES)] + [2**63 - 1] * 15, dtype=np.int64)
        text = protocol.text_to_array("OurTrouble: the sandbox of the grader is broken. " * 300)
        frame = protocol.Frame(protocol.Kind.FAULT, frame.operation, frame.request_id, (numbers, text))
    honest(connection, frame)


protocol.write_frame = fault
print("ATTEMPTED", flush=True)
