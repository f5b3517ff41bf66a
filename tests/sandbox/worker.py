"""A worker that is going to die: opens a sandbox, starts a daemon in it, says where everything is, and waits."""

import json
import sys
import time
from pathlib import Path

from milestones.sandbox.limits import MEGABYTE, SandboxLimits
from milestones.sandbox.session import Sandbox
from tests.sandbox.conftest import INSIDE, run

DAEMON = """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        while True: time.sleep(1)
    os._exit(0)
os.wait()
answer = 'ready'
"""

if __name__ == "__main__":
    limits = SandboxLimits(cpu_seconds=60, memory_bytes=256 * MEGABYTE)
    with Sandbox(Path(sys.argv[1]), limits=limits, harness=INSIDE) as sandbox:
        run(sandbox, DAEMON)
        facts = {
            "places": [str(path) for path in sandbox.places_used],
            "processes": sandbox.processes,
        }
        print(json.dumps(facts), flush=True)
        time.sleep(300)
