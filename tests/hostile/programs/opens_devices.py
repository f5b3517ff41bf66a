"""Opens and makes device files, and pushes characters into terminals."""
import fcntl
import os

print("ATTEMPTED", flush=True)
ALLOWED = {"null", "zero", "full", "random", "urandom", "tty", "ptmx", "pts", "shm", "fd", "stdin", "stdout", "stderr", "core"}
for name in os.listdir("/dev"):
    if name not in ALLOWED:
        print("ESCAPED: device", name, flush=True)
try:
    os.mknod("/tmp/sda", 0o60666, os.makedev(8, 0))
    open("/tmp/sda", "rb")
    print("ESCAPED: a disk", flush=True)
except OSError as error:
    print("HELD:", error.strerror)
try:
    terminal = os.open("/dev/tty", os.O_RDWR)
    fcntl.ioctl(terminal, 0x5412, b"x")
    print("ESCAPED: typed into a terminal", flush=True)
except OSError as error:
    print("HELD:", error.strerror)
try:
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, 0x5412, b"x")
    print("ESCAPED: TIOCSTI", flush=True)
except OSError as error:
    print("HELD:", error.strerror)
