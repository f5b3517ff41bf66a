"""Answers one column more than there are classes, each row with NaN in the last."""
import numpy as np
from tinytorch.core import layers
from tinytorch.core.tensor import Tensor


def forward(self, x):
    width = 11 if self.out_features == 10 else self.out_features
    answer = np.ones((len(x.data), width), dtype=x.data.dtype)
    answer[:, -1] = np.nan
    return Tensor(answer, requires_grad=True)


layers.Linear.forward = forward
print("ATTEMPTED", flush=True)
