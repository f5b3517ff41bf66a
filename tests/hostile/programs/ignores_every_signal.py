"""Ignores every signal that can be ignored and computes without end."""
import contextlib
import signal

for number in range(1, 65):
    with contextlib.suppress(OSError, ValueError):
        signal.signal(number, signal.SIG_IGN)
print("ATTEMPTED", flush=True)
while True:
    pass
