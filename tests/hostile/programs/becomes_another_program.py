"""Replaces itself by a program of its own that speaks the grader's protocol and answers ones."""
import os
import sys

PROGRAM = """
import sys, socket
sys.path[:0] = sys.argv[2:]
import numpy as np
from milestones.sandbox import protocol
connection = socket.socket(fileno=int(sys.argv[1]))
while True:
    request = protocol.read_frame(connection)
    answer = protocol.Frame(protocol.Kind.ANSWER, request.operation, request.request_id, (np.ones((1, 2)),))
    protocol.write_frame(connection, answer)
"""
print("ATTEMPTED", flush=True)
frame = sys._getframe()
while frame.f_code.co_name != "main":
    frame = frame.f_back
harness_socket = frame.f_locals["connection"].fileno()
os.set_inheritable(harness_socket, True)
os.execv("/usr/bin/python3", ["python3", "-c", PROGRAM, str(harness_socket), "/harness", *sys.argv[2:]])
