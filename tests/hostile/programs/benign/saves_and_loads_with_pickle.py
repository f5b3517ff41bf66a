"""Saves its own parameters with pickle and with NumPy, and loads them again."""
import pickle
import tempfile

import numpy as np

with tempfile.NamedTemporaryFile(suffix=".pkl") as file:
    pickle.dump({"weight": np.eye(3)}, file)
    file.flush()
    assert pickle.load(open(file.name, "rb"))["weight"].sum() == 3
np.savez("/tmp/checkpoint.npz", weight=np.eye(3))
assert np.load("/tmp/checkpoint.npz")["weight"].shape == (3, 3)
print("FINE", flush=True)
