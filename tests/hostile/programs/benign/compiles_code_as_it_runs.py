"""Makes functions out of text and caches their results."""
import functools

spaces = {}
exec("def square(x):\n    return x * x\n", spaces)
square = functools.lru_cache(maxsize=None)(spaces["square"])
assert square(7) == eval("49")
print("FINE", flush=True)
