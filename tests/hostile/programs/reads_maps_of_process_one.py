"""Reads and writes the memory of process 1, the only one that is not its own."""
import os

print("ATTEMPTED", flush=True)
for path, how in (("/proc/1/maps", "rb"), ("/proc/1/mem", "rb"), ("/proc/1/mem", "r+b"), ("/proc/1/root/tmp", None)):
    try:
        if how is None:
            print("saw", os.listdir(path))
            continue
        with open(path, how, 0) as file:
            if path.endswith("maps"):
                print("saw", file.read(4000))
    except (OSError, ValueError) as error:
        print("HELD:", path, how, error)
