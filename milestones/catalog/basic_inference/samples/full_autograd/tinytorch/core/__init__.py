"""The building blocks: tensors, autograd, layers, losses, optimizers, training."""
