"""Sends a pickle that would run a command where it is loaded."""
import os
import pickle

from milestones.sandbox import protocol


class Command:
    def __reduce__(self):
        return os.system, ("touch /tmp/tinytorch-hostile-pickle-was-loaded",)


def pickled(connection, frame):
    connection.sendall(pickle.dumps(Command()) * 10)


protocol.write_frame = pickled
print("ATTEMPTED", flush=True)
