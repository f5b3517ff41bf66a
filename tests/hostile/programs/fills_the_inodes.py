"""Makes empty files and folders without end."""
import os

print("ATTEMPTED", flush=True)
for number in range(10**9):
    try:
        os.close(os.open(f"/tmp/{number}", os.O_CREAT))
    except OSError as error:
        print("HELD:", error.strerror, flush=True)
        break
