"""Sends kilobytes of opening brackets where a text is expected."""
from milestones.sandbox import protocol


def nested(connection, frame):
    arrays = (protocol.text_to_array("[" * 60_000),)
    honest(connection, protocol.Frame(protocol.Kind.ANSWER, frame.operation, frame.request_id, arrays))


honest = protocol.write_frame
protocol.write_frame = nested
print("ATTEMPTED", flush=True)
