"""Changes how NumPy prints and warns, and its seed, for the whole process."""
import os
import random

import numpy as np

np.set_printoptions(precision=3, suppress=True)
np.seterr(all="ignore")
np.random.seed(0)
random.seed(0)
os.environ["OMP_NUM_THREADS"] = "4"
print("FINE", flush=True)
