"""Says that its answer belongs to another operation."""
from milestones.sandbox import protocol

honest = protocol.write_frame


def other(connection, frame):
    honest(connection, protocol.Frame(frame.kind, frame.operation + 1, frame.request_id, frame.arrays))


protocol.write_frame = other
print("ATTEMPTED", flush=True)
