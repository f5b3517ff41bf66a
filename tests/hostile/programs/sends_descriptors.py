"""Sends open descriptors along with bytes, to fill the grader's table of them."""
import array
import os
import socket
import sys

# The harness's own socket, taken out of its frame.
frame = sys._getframe()
while frame.f_code.co_name != "main":
    frame = frame.f_back
harness_socket = frame.f_locals["connection"].fileno()

connection = socket.socket(fileno=os.dup(harness_socket))
read, write = os.pipe()
descriptors = array.array("i", [read] * 250)
print("ATTEMPTED", flush=True)
for _ in range(20):
    connection.sendmsg([b"T"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, descriptors)])
