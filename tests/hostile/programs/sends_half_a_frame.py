"""Sends the first half of an answer and waits for ever."""
import time

from milestones.sandbox import protocol


def half(connection, frame):
    data = b"".join(bytes(part) for part in protocol.encode(frame))
    connection.sendall(data[: len(data) // 2])
    time.sleep(10_000)


protocol.write_frame = half
print("ATTEMPTED", flush=True)
