"""Replaces len, isinstance, hasattr and open for everybody in the process."""
import builtins

print("ATTEMPTED", flush=True)
builtins.isinstance = lambda thing, kind: True
builtins.hasattr = lambda thing, name: True
builtins.len = lambda thing: 100
