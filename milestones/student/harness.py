"""The loop inside the sandbox: read a question, let the student's code answer it, send the numbers back.

Run as a script by a bare interpreter (``-I -S``): its arguments are the descriptor of the socket and then the folders to
import from. Student code shares this process and can do anything to it; that is expected. Whatever leaves through
the socket means only "my output for that question", and the grader compares it with what only the grader knows.
"""

import fcntl
import json
import os
import random
import socket
import sys

DESCRIPTOR = int(sys.argv[1])
sys.path[:0] = sys.argv[2:]

import numpy as np

from milestones.sandbox import protocol
from milestones.student.components import Components
from milestones.student.deployment import Deployment
from milestones.student.features import Features
from milestones.student.language import Language
from milestones.student.language_training import LanguageTraining
from milestones.student.loading import Loading
from milestones.student.losses import Losses
from milestones.student.models import Models
from milestones.student.operations import Fault
from milestones.student.optimisation import Optimisation
from milestones.student.optimizers import Optimizers
from milestones.student.parts import Parts
from milestones.student.performance import Performance
from milestones.student.state import State
from milestones.student.trainers import Trainers
from milestones.student.training import Training
from milestones.student.values import StudentFault

DESKS = (
    Loading,
    Components,
    Models,
    Training,
    Features,
    Losses,
    Optimizers,
    Trainers,
    Performance,
    Deployment,
    Optimisation,
    Parts,
    Language,
    LanguageTraining,
)


class Harness:
    """Takes each question to the desk that answers it."""

    def __init__(self):
        self.state = State()
        desks = [desk(self.state) for desk in DESKS]
        self._answers = {
            operation: getattr(desk, name) for desk in desks for operation, name in desk.operations.items()
        }

    def answer(self, operation, arrays):
        """The arrays that answer a question. ``arrays[0]`` is the settings' JSON text; raises what the student's code raises."""
        settings = json.loads(protocol.array_to_text(arrays[0], 1 << 20))
        seed = settings.get("seed", 0) % (1 << 32)
        random.seed(seed)
        np.random.seed(seed)
        return self._answers[operation](settings, *arrays[1:])

    def fault_of(self, error):
        """(fault code, numbers, text) that tell the grader of an exception."""
        if isinstance(error, StudentFault):
            return error.fault, error.numbers, error.text
        package = self.state.package
        text = package.describe(error) if package else f"{type(error).__name__}: {error}"
        return Fault.NOT_IMPLEMENTED if isinstance(error, NotImplementedError) else Fault.RAISED, (), text


def main():
    connection = _own_socket()
    harness = Harness()
    _leave_no_names()
    while True:
        request = protocol.read_frame(connection)
        reply = {"operation": request.operation, "request_id": request.request_id}
        try:
            arrays = harness.answer(request.operation, request.arrays)
            frame = protocol.Frame(protocol.Kind.ANSWER, **reply, arrays=tuple(arrays))
        except BaseException as error:
            # SystemExit and KeyboardInterrupt raised by student code are the student's mistakes like any other.
            code, values, text = harness.fault_of(error)
            frame = protocol.fault_frame(**reply, code=code, numbers=values, text=text)
        protocol.write_frame(connection, frame)


def _own_socket():
    """The connection under a number that no student's ``os.close(3)`` is likely to hit."""
    high = fcntl.fcntl(DESCRIPTOR, fcntl.F_DUPFD_CLOEXEC, 200)
    os.close(DESCRIPTOR)
    return socket.socket(fileno=high)


def _leave_no_names():
    """Let ``import milestones`` in the student's code find the student's own, if there is one."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "milestones"]:
        del sys.modules[name]
    sys.path.remove(sys.argv[2])


if __name__ == "__main__":
    main()
