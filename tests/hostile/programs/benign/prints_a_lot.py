"""Prints twenty megabytes, in colour and with signs that HTML would take for its own."""
import sys

print("\x1b[32mtraining <b>&</b> testing\x1b[0m\r", file=sys.stderr)
for number in range(2_000):
    print(f"step {number:6}: loss {1 / (number + 1):.4f} " + "." * 10_000)
print("FINE", flush=True)
