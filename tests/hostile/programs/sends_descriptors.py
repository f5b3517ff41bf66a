"""Sends open descriptors along with bytes, to fill the grader's table of them."""
import array
import os
import socket
import sys

connection = socket.socket(fileno=os.dup(int(sys.argv[1])))
read, write = os.pipe()
descriptors = array.array("i", [read] * 250)
print("ATTEMPTED", flush=True)
for _ in range(20):
    connection.sendmsg([b"T"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, descriptors)])
