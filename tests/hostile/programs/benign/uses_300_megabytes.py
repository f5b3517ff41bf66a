"""Holds three hundred megabytes, lets go of them, and does so again."""
import numpy as np

for _ in range(2):
    kept = np.ones(300 << 17)
    assert kept.sum() == 300 << 17
    del kept
print("FINE", flush=True)
