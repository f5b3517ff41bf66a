"""Tries to lift its resource limits, its priority and its place in the queue for being killed."""
import os
import resource

print("ATTEMPTED", flush=True)
for name in ("RLIMIT_AS", "RLIMIT_CPU", "RLIMIT_NPROC", "RLIMIT_NOFILE", "RLIMIT_FSIZE", "RLIMIT_CORE", "RLIMIT_MEMLOCK"):
    kind = getattr(resource, name)
    hard = resource.getrlimit(kind)[1]
    try:
        resource.setrlimit(kind, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        if hard != resource.RLIM_INFINITY:
            print("ESCAPED: lifted", name, flush=True)
    except (OSError, ValueError):
        print("HELD:", name)
for what in (lambda: os.nice(-10), lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(50)),
             lambda: os.write(os.open("/proc/self/oom_score_adj", os.O_WRONLY), b"-1000"),
             lambda: os.setuid(0), lambda: os.setgid(0), lambda: os.setgroups([0])):
    try:
        what()
        print("ESCAPED: more rights", flush=True)
    except OSError as error:
        print("HELD:", error.strerror)
