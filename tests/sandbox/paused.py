"""A grader that is going to be stopped for a while: asks a sandbox, and says what it heard."""

import sys
from pathlib import Path

from milestones.sandbox.limits import MEGABYTE, SandboxLimits
from milestones.sandbox.session import Sandbox
from tests.sandbox.conftest import INSIDE, run

if __name__ == "__main__":
    limits = SandboxLimits(cpu_seconds=20, wall_seconds=2, memory_bytes=256 * MEGABYTE)
    with Sandbox(Path(sys.argv[1]), limits=limits, harness=INSIDE) as sandbox:
        run(sandbox, "answer = 1")
        print(*sandbox.processes, flush=True)
        print(run(sandbox, "import time; time.sleep(1); answer = 'awake'"), flush=True)
