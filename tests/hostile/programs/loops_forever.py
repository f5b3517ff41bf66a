"""Computes without end."""
print("ATTEMPTED", flush=True)
while True:
    pass
