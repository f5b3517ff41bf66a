"""Opens every kind of socket that reaches further than this machine's file names."""
import ctypes
import socket
import urllib.request

print("ATTEMPTED", flush=True)
for family in range(1, 46):
    for kind in (1, 2, 3, 5):
        try:
            made = socket.socket(family, kind, 0)
            if family != socket.AF_UNIX:
                print("ESCAPED: made a socket of family", family, flush=True)
            made.close()
        except OSError:
            pass
libc = ctypes.CDLL(None, use_errno=True)
if libc.syscall(ctypes.c_long(41), ctypes.c_long((1 << 32) | 2), ctypes.c_long(1), ctypes.c_long(0)) >= 0:
    print("ESCAPED: a socket with a bit above the low half", flush=True)
try:
    urllib.request.urlopen("http://93.184.216.34/", timeout=1)
    print("ESCAPED: the internet", flush=True)
except OSError:
    print("HELD: no network")
