"""Closes the sending half of the harness's socket and goes on."""
import socket
import sys

print("ATTEMPTED", flush=True)
socket.socket(fileno=int(sys.argv[1])).shutdown(socket.SHUT_WR)
