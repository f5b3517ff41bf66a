"""Raises an error whose text, name and traceback attack whoever looks at them."""
from tinytorch.core import layers


class Name(type):
    @property
    def __name__(cls):
        raise SystemExit("looked at my name")


class Error(Exception, metaclass=Name):
    def __str__(self):
        raise SystemExit("looked at my text")

    __repr__ = __str__


def forward(self, x):
    raise Error


layers.Linear.forward = forward
print("ATTEMPTED", flush=True)
