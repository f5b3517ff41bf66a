"""Sets a handler for interrupts and an alarm clock of its own, and takes both away again."""
import signal
import time

fired = []
before = signal.signal(signal.SIGALRM, lambda *a: fired.append(a))
signal.setitimer(signal.ITIMER_REAL, 0.01)
time.sleep(0.05)
signal.signal(signal.SIGALRM, before)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
assert fired
print("FINE", flush=True)
