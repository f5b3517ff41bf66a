"""Writes fifty megabytes of temporary files, links and folders, and reads them again."""
import os
import tempfile

with tempfile.TemporaryDirectory() as folder:
    for number in range(50):
        with open(os.path.join(folder, f"{number}.bin"), "wb") as file:
            file.write(bytes(1 << 20))
    os.symlink(os.path.join(folder, "0.bin"), os.path.join(folder, "link"))
    assert os.path.getsize(os.path.join(folder, "link")) == 1 << 20
with open("notes.txt", "w") as file:
    file.write("in the working folder")
print("FINE", flush=True)
