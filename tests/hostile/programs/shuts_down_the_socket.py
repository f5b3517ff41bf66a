"""Closes the sending half of the harness's socket and goes on."""
import os
import socket
import sys

# The harness's own socket, taken out of its frame.
frame = sys._getframe()
while frame.f_code.co_name != "main":
    frame = frame.f_back
harness_socket = frame.f_locals["connection"].fileno()

print("ATTEMPTED", flush=True)
socket.socket(fileno=os.dup(harness_socket)).shutdown(socket.SHUT_WR)
