"""Rewrites the bytes of every frame on their way out."""
import socket

honest = socket.socket.sendall


def sendall(self, data, *flags):
    data = bytes(data)
    return honest(self, data.replace(b"TTMS\x01\x00\x03\x00", b"TTMS\x01\x00\x02\x00"), *flags)


socket.socket.sendall = sendall
print("ATTEMPTED", flush=True)
