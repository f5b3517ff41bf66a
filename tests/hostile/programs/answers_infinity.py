"""Every layer answers infinity, positive and negative by turns, so that differences become NaN."""
import numpy as np
from tinytorch.core import layers
from tinytorch.core.tensor import Tensor


def forward(self, x):
    answer = np.full((len(x.data), self.out_features), np.inf, dtype=x.data.dtype)
    answer[:, ::2] = -np.inf
    return Tensor(answer, requires_grad=True)


layers.Linear.forward = forward
print("ATTEMPTED", flush=True)
