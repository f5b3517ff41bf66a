"""Raises SystemExit(0) and KeyboardInterrupt wherever it is called."""
import sys

from tinytorch.core import layers

print("ATTEMPTED", flush=True)


def forward(self, x):
    raise KeyboardInterrupt if len(x.data) % 2 else SystemExit(0)


layers.Linear.forward = forward
sys.exit(0)
