"""A harness.py at the top of the upload, to be run instead of the real one."""
print("ESCAPED: the shadow of the harness was imported", flush=True)
raise SystemExit(0)
