"""Announces eight gigabytes of answer and begins to send them."""
import sys
import struct

# The harness's own module and socket, taken out of its frame.
frame = sys._getframe()
while frame.f_code.co_name != "main":
    frame = frame.f_back
protocol, connection = frame.f_globals["protocol"], frame.f_locals["connection"]


honest = protocol.write_frame


def large(connection, frame):
    if frame.operation <= 3:  # loading, so that the package gets in
        return honest(connection, frame)
    head = struct.pack("<4sHHHHQ", b"TTMS", 1, 2, frame.operation, 1, frame.request_id)
    connection.sendall(head + struct.pack("<BB6s4Q", 1, 1, bytes(6), 1 << 30, 0, 0, 0))
    while True:
        connection.sendall(bytes(1 << 20))


protocol.write_frame = large
print("ATTEMPTED", flush=True)
