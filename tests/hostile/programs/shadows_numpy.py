"""A numpy.py at the top of the upload, to be imported instead of the real one."""
print("ESCAPED: the shadow of numpy was imported", flush=True)
raise SystemExit(0)
