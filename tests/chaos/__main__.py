"""``python -m tests.chaos --faults 1000``: break everything at random, repair it, and count what that cost anybody.

1. A private PostgreSQL and Redis, two Celery workers with one slot each, beat, and students who hand in all the time.
2. Every sample once, undisturbed: what it scores is what it must score in the storm.
3. The faults, one after the other at random moments; repairs come a moment later, so that some overlap.
4. Everything is repaired. When the queue is empty, each worker must still be heard of alone.
5. Every upload is looked up: one published result, or in the list for a person; nothing charged, nothing left behind.

Exit code 0 when nothing was found, 1 otherwise. ``--seed`` repeats the choice of faults and uploads, not their timing.
"""

from __future__ import annotations

import argparse
import faulthandler
import secrets
import signal
import sys
from pathlib import Path

from tests.chaos import processes
from tests.chaos.ground import Ground


def main() -> int:
    """The command line; answers the exit code."""
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__.split("\n")[0])
    parser.add_argument("--faults", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--pause", type=float, default=0.9, help="seconds between two faults, on average")
    parser.add_argument("--only", default="", help="faults whose name has this in it, for looking into one kind")
    parser.add_argument("--most-minutes", type=float, default=45, help="stop the storm after so long, whatever is left")
    parser.add_argument("--json", type=Path, help="write the table as JSON, too")
    options = parser.parse_args()
    seed = secrets.randbelow(10**6) if options.seed is None else options.seed
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    faulthandler.register(signal.SIGUSR1)
    processes.adopt_orphans()
    with Ground() as ground:
        ground.take_part()
        from tests.chaos.storm import Storm

        return Storm(ground, seed=seed, options=options).run()


if __name__ == "__main__":
    sys.exit(main())
