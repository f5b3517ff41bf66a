"""Takes memory without end."""
print("ATTEMPTED", flush=True)
kept = []
while True:
    kept.append(bytearray(b"x" * (16 << 20)))
