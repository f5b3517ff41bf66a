"""Optimizers: how parameters follow their gradients."""

import numpy as np


class Optimizer:
    """What all optimizers share.

    Args:
        params: the tensors to change.
        lr: the learning rate.
    """

    def __init__(self, params, lr):
        self.params = list(params)
        self.lr = lr

    def zero_grad(self):
        """Forget all gradients; call before each backward pass, because gradients add up."""
        for param in self.params:
            param.grad = None

    def step(self):
        """Change every parameter that has a gradient."""
        raise NotImplementedError


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum and weight decay if wanted."""

    def __init__(self, params, lr=0.01, momentum=0.0, weight_decay=0.0):
        super().__init__(params, lr)
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.velocities = [None] * len(self.params)

    def step(self):
        """Move every parameter against its gradient (or its velocity)."""
        for index, param in enumerate(self.params):
            if param.grad is None:
                continue
            update = param.grad + self.weight_decay * param.data if self.weight_decay else param.grad
            if self.momentum:
                last = self.velocities[index]
                update = update if last is None else self.momentum * last + update
                self.velocities[index] = update
            param.data = param.data - self.lr * update


class Adam(Optimizer):
    """Adam (Kingma and Ba, 2015): each parameter gets a step size from the history of its gradients."""

    def __init__(self, params, lr=0.001, betas=(0.9, 0.999), eps=1e-8):
        super().__init__(params, lr)
        self.betas = betas
        self.eps = eps
        self.steps = 0
        self.means = [np.zeros_like(param.data) for param in self.params]
        self.squares = [np.zeros_like(param.data) for param in self.params]

    def step(self):
        """Move every parameter by its mean gradient over the root of its mean square."""
        self.steps += 1
        beta1, beta2 = self.betas
        for index, param in enumerate(self.params):
            if param.grad is None:
                continue
            self.means[index] = beta1 * self.means[index] + (1 - beta1) * param.grad
            self.squares[index] = beta2 * self.squares[index] + (1 - beta2) * param.grad**2
            # Both averages start at zero; dividing takes that bias out again.
            mean = self.means[index] / (1 - beta1**self.steps)
            square = self.squares[index] / (1 - beta2**self.steps)
            param.data = param.data - self.lr * mean / (np.sqrt(square) + self.eps)
