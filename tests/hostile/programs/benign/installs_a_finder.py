"""Adds a finder that lets lessons be imported lazily, and a path of its own."""
import importlib.abc
import sys


class Lessons(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        return None


sys.meta_path.append(Lessons())
sys.path.append("/tmp/lessons")
print("FINE", flush=True)
