"""Sends an out-of-band byte, which makes a socket look readable when nothing can be read, and then waits."""
import socket
import os
import sys
import time

connection = socket.socket(fileno=os.dup(int(sys.argv[1])))
try:
    connection.send(b"!", socket.MSG_OOB)
except OSError as error:
    print("HELD:", error, flush=True)
print("ATTEMPTED", flush=True)
time.sleep(10_000)
