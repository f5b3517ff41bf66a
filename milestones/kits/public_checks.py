"""The start of every script of a starter kit. Written for any Python 3, so that an old one gets a sentence and no riddle."""

import importlib.util
import os
import sys

UNUSABLE = 2


def run(script, milestone, groups=None, every_check=False):
    """Run ``groups`` of a milestone's checks (None: all) on the student's package and end the program with the verdict: of the
    headline benchmark where it is measured, otherwise (or with ``every_check``) of every check."""
    trouble = _what_is_missing()
    if trouble:
        sys.stderr.write(trouble + "\n")
        sys.exit(UNUSABLE)
    from milestones.kits.run import main

    sys.exit(main(script, milestone, groups, every_check=every_check))


def _what_is_missing():
    if os.name == "nt":
        return "The checks run on Linux and macOS. On Windows use WSL (the Windows Subsystem for Linux), or upload and see."
    if sys.version_info < (3, 11):  # noqa: UP036 - a student's Python may be any
        found = "%d.%d" % sys.version_info[:2]  # noqa: UP031 - this line has to run on old Pythons
        return "Python 3.11 or newer is needed, this is " + found + ". Try: python3.11 " + os.path.basename(sys.argv[0])
    if importlib.util.find_spec("numpy") is None:
        return "NumPy is needed: " + (sys.executable or "python") + " -m pip install numpy"
    return None
