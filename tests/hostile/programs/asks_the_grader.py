"""Turns the tables: puts questions to the grader and waits for its answers."""
from milestones.sandbox import protocol

honest = protocol.write_frame


def ask(connection, frame):
    honest(connection, protocol.Frame(protocol.Kind.REQUEST, 5, frame.request_id, frame.arrays))
    print("ESCAPED: the grader answered", protocol.read_frame(connection), flush=True)


protocol.write_frame = ask
print("ATTEMPTED", flush=True)
