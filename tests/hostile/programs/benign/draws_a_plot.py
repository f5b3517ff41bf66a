"""Draws a curve with matplotlib and writes it to a file."""
import matplotlib.pyplot as plt

plt.plot([1, 2, 3], [3, 1, 2])
plt.savefig("/tmp/curve.png")
print("FINE", flush=True)
