"""Makes two thousand small files, as a cache of examples would."""
import os
import tempfile

folder = tempfile.mkdtemp()
for number in range(2_000):
    with open(os.path.join(folder, str(number)), "w") as file:
        file.write(str(number))
assert len(os.listdir(folder)) == 2_000
print("FINE", flush=True)
