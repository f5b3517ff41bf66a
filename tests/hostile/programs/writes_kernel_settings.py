"""Writes every kernel setting under /proc and /sys that could reach beyond its own process."""
import os

print("ATTEMPTED", flush=True)
PATHS = [
    "/proc/sys/kernel/core_pattern", "/proc/sys/kernel/hostname", "/proc/sys/vm/drop_caches", "/proc/sysrq-trigger",
    "/proc/sys/kernel/modprobe", "/proc/sys/fs/binfmt_misc/register", "/proc/sys/kernel/ns_last_pid", "/proc/timer_list",
    "/proc/sys/user/max_user_namespaces", "/proc/1/uid_map", "/proc/self/uid_map",
    "/proc/self/setgroups", "/sys/kernel/uevent_helper", "/sys/fs/cgroup/memory/memory.limit_in_bytes",
    "/sys/fs/cgroup/cgroup.procs", "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages", "/proc/kcore", "/dev/mem",
    "/proc/sys/net/core/somaxconn", "/proc/sys/kernel/panic", "/proc/sys/kernel/printk",
]
for path in PATHS:
    try:
        with open(path, "r+b", 0) as file:
            before = file.read(200)
            file.seek(0)
            file.write(b"|/tmp/x\n" if "pattern" in path else before or b"1")
            print("ESCAPED: wrote", path, flush=True)
    except OSError as error:
        print("HELD:", path, error.strerror)
