"""Registers what shall happen at the end: files to close, a line to print."""
import atexit
import tempfile

file = tempfile.TemporaryFile()
atexit.register(file.close)
atexit.register(print, "good bye")
print("FINE", flush=True)
