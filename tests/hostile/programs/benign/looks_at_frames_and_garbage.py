"""Looks at its callers for a better error message, collects garbage, and keeps weak references."""
import gc
import inspect
import sys
import traceback
import warnings
import weakref

from tinytorch.core.tensor import Tensor

caller = inspect.currentframe().f_back
stack = traceback.extract_stack()
made = Tensor([1.0])
reference = weakref.ref(made)
del made
gc.collect()
assert reference() is None
warnings.warn("only a warning", stacklevel=2)
gc.disable()
gc.enable()
sys.settrace(None)
print("FINE", flush=True)
