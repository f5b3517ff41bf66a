"""Writes to every folder it can write to until no more fits."""
import os

print("ATTEMPTED", flush=True)
total = 0
for folder in ("/tmp", "/dev/shm", "/var/tmp", "/run", "/submission", "/harness", "/", os.getcwd()):
    try:
        with open(folder + "/full", "wb") as file:
            while True:
                total += file.write(bytes(1 << 20))
    except OSError as error:
        print("HELD:", folder, error.strerror, flush=True)
if total > 700 << 20:
    print("ESCAPED: wrote", total, flush=True)
