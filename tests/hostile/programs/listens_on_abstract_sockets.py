"""Listens on an abstract socket, which has no file, and calls the well-known ones of the host."""
import socket

print("ATTEMPTED", flush=True)
listening = socket.socket(socket.AF_UNIX)
listening.bind("\0tinytorch-hostile-meeting-point")
listening.listen()
for name in ("\0/tmp/.X11-unix/X0", "\0/tmp/dbus-hostile", "/run/dbus/system_bus_socket", "/run/docker.sock",
             "/var/run/docker.sock", "/run/postgresql/.s.PGSQL.5432", "/run/redis/redis.sock", "/run/systemd/private"):
    caller = socket.socket(socket.AF_UNIX)
    try:
        caller.connect(name)
        print("ESCAPED: reached", repr(name), flush=True)
    except OSError:
        print("HELD:", repr(name))
