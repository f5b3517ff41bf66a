"""Tries to trace process 1 and a child, and to read their memory and descriptors."""
import ctypes
import os
import time

print("ATTEMPTED", flush=True)
libc = ctypes.CDLL(None, use_errno=True)
child = os.fork()
if child == 0:
    time.sleep(0.5)
    os._exit(0)
for name, number, arguments in (
    ("ptrace attach", 101, (16, 1)), ("ptrace attach", 101, (16, child)), ("ptrace seize", 101, (0x4206, child)),
    ("ptrace traceme", 101, (0, 0)), ("process_vm_readv", 310, (child,)), ("process_vm_writev", 311, (1,)),
    ("kcmp", 312, (1, child)), ("pidfd_getfd", 438, (0, 0)), ("userfaultfd", 323, (1,)), ("bpf", 321, (0,)),
    ("perf_event_open", 298, (0,)), ("io_uring_setup", 425, (1,)), ("memfd_secret", 447, (0,)),
):
    result = libc.syscall(ctypes.c_long(number), *map(ctypes.c_long, arguments), *[ctypes.c_long(0)] * 4)
    print("ESCAPED" if result >= 0 else "HELD", name, os.strerror(ctypes.get_errno()), flush=True)
os.waitpid(child, 0)
