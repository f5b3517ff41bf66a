"""Sends a pickle that would run a command where it is loaded."""
import sys
import os
import pickle

# The harness's own module and socket, taken out of its frame.
frame = sys._getframe()
while frame.f_code.co_name != "main":
    frame = frame.f_back
protocol, connection = frame.f_globals["protocol"], frame.f_locals["connection"]



class Command:
    def __reduce__(self):
        return os.system, ("touch /tmp/tinytorch-hostile-pickle-was-loaded",)

honest = protocol.write_frame


def pickled(connection, frame):
    if frame.operation <= 3:  # loading, so that the package gets in
        return honest(connection, frame)
    connection.sendall(pickle.dumps(Command()) * 10)


protocol.write_frame = pickled
print("ATTEMPTED", flush=True)
