"""Announces dimensions whose product wraps to a small number in 64 bits: 2^32 x 2^32 x 2, and zeros among large ones."""
import sys
import struct

from tinytorch.core import layers

# The harness's own module and socket, taken out of its frame.
frame = sys._getframe()
while frame.f_code.co_name != "main":
    frame = frame.f_back
protocol, connection = frame.f_globals["protocol"], frame.f_locals["connection"]


def wrapping(connection, frame):
    head = struct.pack("<4sHHHHQ", b"TTMS", 1, 2, frame.operation, 1, frame.request_id)
    sizes = (2**32, 2**32, 2, 1) if frame.operation == 4 else (0, 2**62, 2**62, 1)
    connection.sendall(head + struct.pack("<BB6s4Q", 1, 4, bytes(6), *sizes))


def forward(self, x):
    protocol.write_frame = wrapping


layers.Linear.forward = forward
print("ATTEMPTED", flush=True)
