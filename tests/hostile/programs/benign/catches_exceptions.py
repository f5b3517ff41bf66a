"""Catches everything it can, KeyboardInterrupt and SystemExit included, and goes on."""
for error in (ValueError, KeyboardInterrupt, SystemExit, RecursionError, MemoryError):
    try:
        raise error("caught")
    except BaseException:
        pass


def deeper(n):
    return deeper(n + 1)


try:
    deeper(0)
except RecursionError:
    print("FINE", flush=True)
