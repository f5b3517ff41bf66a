"""Sends the first half of an answer and waits for ever."""
import sys
import time

# The harness's own module and socket, taken out of its frame.
frame = sys._getframe()
while frame.f_code.co_name != "main":
    frame = frame.f_back
protocol, connection = frame.f_globals["protocol"], frame.f_locals["connection"]


honest = protocol.write_frame


def half(connection, frame):
    if frame.operation <= 3:  # loading, so that the package gets in
        return honest(connection, frame)
    data = b"".join(bytes(part) for part in protocol.encode(frame))
    connection.sendall(data[: len(data) // 2])
    time.sleep(10_000)


protocol.write_frame = half
print("ATTEMPTED", flush=True)
