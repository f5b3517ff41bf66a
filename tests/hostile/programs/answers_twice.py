"""Answers every question twice with the right number, the better answer first."""
from milestones.sandbox import protocol

honest = protocol.write_frame


def twice(connection, frame):
    honest(connection, frame)
    honest(connection, frame)


protocol.write_frame = twice
print("ATTEMPTED", flush=True)
