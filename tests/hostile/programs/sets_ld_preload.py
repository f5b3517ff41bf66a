"""Leaves LD_PRELOAD and Python's start-up variables for whoever is started next, in here or in the next sandbox."""
import os

print("ATTEMPTED", flush=True)
for name in ("LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT", "PYTHONPATH", "PYTHONSTARTUP", "PYTHONHOME", "BASH_ENV"):
    if os.environ.get(name):
        print("ESCAPED: found", name, flush=True)
    os.environ[name] = "/tmp/evil.so"
for path in ("/etc/ld.so.preload", "/etc/ld.so.cache", "/etc/environment", "/tmp/.config", "/usr/lib/python3/sitecustomize.py"):
    try:
        with open(path, "w") as file:
            file.write("/tmp/evil.so")
        if not path.startswith("/tmp"):
            print("ESCAPED: wrote", path, flush=True)
    except OSError:
        print("HELD:", path)
