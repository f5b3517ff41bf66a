"""Looks for keys in the keyrings of the user and leaves one behind."""
import ctypes
import os

print("ATTEMPTED", flush=True)
libc = ctypes.CDLL(None, use_errno=True)
for name, number, arguments in (
    ("add_key", 248, (b"user", b"hostile", b"secret", ctypes.c_long(6), ctypes.c_long(-4))),
    ("request_key", 249, (b"user", b"hostile", None, ctypes.c_long(-4))),
    ("keyctl", 250, (ctypes.c_long(0), ctypes.c_long(-4), ctypes.c_long(1))),
    ("shmget", 29, (ctypes.c_long(0), ctypes.c_long(4096), ctypes.c_long(0o1666))),
    ("mq_open", 240, (b"hostile", ctypes.c_long(0o102), ctypes.c_long(0o666), None)),
):
    result = libc.syscall(ctypes.c_long(number), *arguments)
    print("ESCAPED" if result >= 0 else "HELD", name, os.strerror(ctypes.get_errno()), flush=True)
