"""Talks to itself through a pair of sockets and an event loop."""
import asyncio
import socket

one, other = socket.socketpair()
one.sendall(b"hello")
assert other.recv(5) == b"hello"


async def main():
    await asyncio.sleep(0.01)
    return 42


assert asyncio.run(main()) == 42
print("FINE", flush=True)
