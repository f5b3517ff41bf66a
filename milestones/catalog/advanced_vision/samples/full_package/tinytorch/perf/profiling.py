"""Where the time and the memory go."""

import time


class Profiler:
    """Counts and measures a model."""

    def count_parameters(self, model):
        """How many numbers the model learns."""
        return sum(tensor.size for tensor in model.parameters())

    def measure_latency(self, model, x, warmup=2, iterations=10):
        """Median milliseconds that the model takes for a batch."""
        for _ in range(warmup):
            model(x)
        taken = []
        for _ in range(iterations):
            started = time.perf_counter()
            model(x)
            taken.append(1000 * (time.perf_counter() - started))
        return sorted(taken)[len(taken) // 2]
