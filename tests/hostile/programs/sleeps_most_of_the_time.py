"""Works for one fifth of the time and sleeps for the rest: too little for the CPU limit, too much for a sleeper."""
import time

print("ATTEMPTED", flush=True)
while True:
    until = time.monotonic() + 0.02
    while time.monotonic() < until:
        pass
    time.sleep(0.08)
