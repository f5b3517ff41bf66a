"""Says that its answer belongs to another operation."""
import sys

# The harness's own module and socket, taken out of its frame.
frame = sys._getframe()
while frame.f_code.co_name != "main":
    frame = frame.f_back
protocol, connection = frame.f_globals["protocol"], frame.f_locals["connection"]

honest = protocol.write_frame


def other(connection, frame):
    if frame.operation <= 3:  # loading, so that the package gets in
        return honest(connection, frame)
    honest(connection, protocol.Frame(frame.kind, frame.operation + 1, frame.request_id, frame.arrays))


protocol.write_frame = other
print("ATTEMPTED", flush=True)
