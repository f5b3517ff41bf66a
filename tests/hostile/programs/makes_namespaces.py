"""Tries to make namespaces in which it would be root, by every call that can, and to mount."""
import ctypes
import os

print("ATTEMPTED", flush=True)
libc = ctypes.CDLL(None, use_errno=True)
FLAGS = {"user": 0x10000000, "mount": 0x20000, "pid": 0x20000000, "net": 0x40000000, "ipc": 0x8000000, "uts": 0x4000000,
         "cgroup": 0x2000000, "time": 0x80}


def attempt(name, number, *arguments):
    result = libc.syscall(ctypes.c_long(number), *(ctypes.c_long(a) if isinstance(a, int) else a for a in arguments))
    if result == 0 and name.startswith(("clone", "fork")):
        os._exit(0)
    print("ESCAPED" if result >= 0 else "HELD", name, os.strerror(ctypes.get_errno()), flush=True)


for name, flag in FLAGS.items():
    attempt("unshare " + name, 272, flag)
    attempt("unshare high " + name, 272, flag | 1 << 32)
    if name != "time":
        attempt("clone " + name, 56, flag | 17, 0, 0, 0, 0)
        attempt("clone high " + name, 56, flag | 17 | 1 << 32, 0, 0, 0, 0)
attempt("clone3", 435, ctypes.create_string_buffer(88), 88)
for pid in (1, os.getpid()):
    for kind in ("user", "mnt", "net", "pid"):
        try:
            attempt("setns", 308, os.open(f"/proc/{pid}/ns/{kind}", os.O_RDONLY), 0)
        except OSError:
            pass
attempt("mount", 165, b"none", b"/tmp", b"tmpfs", 0, 0)
attempt("chroot", 161, b"/tmp")
attempt("open_tree", 428, -100, b"/", 1)
attempt("sethostname", 170, b"pwned", 5)
attempt("mknod", 133, b"/tmp/mem", 0o20666, 0x101)
attempt("open_by_handle_at", 304, -100, ctypes.create_string_buffer(64), 0)
