"""What the sandboxed side keeps from one question to the next, and what a desk is."""

from milestones.student.operations import Fault
from milestones.student.package import SINGLE, SUBMISSION
from milestones.student.values import StudentFault


class State:
    """What was loaded, built and trained so far. ``package`` and ``adapter`` are None until the package was opened, and
    then imported; ``model``, ``language`` (a GPT) and ``trainer`` until one was asked for."""

    def __init__(self):
        self.package = None
        self.adapter = None
        self.settings = {}
        self.model = None
        self.language = None
        self.trainer = None

    def opened(self):
        """The opened package."""
        return self._needed(self.package, "no package was opened")

    def components(self):
        """The adapter to the imported package."""
        return self._needed(self.adapter, "the package was not imported")

    def built(self):
        """The model under assessment."""
        return self._needed(self.model, "no model was built")

    def written(self):
        """The GPT under assessment."""
        return self._needed(self.language, "no GPT was built")

    def training(self):
        """The trainer at work."""
        return self._needed(self.trainer, "training was asked for before its data")

    @staticmethod
    def _needed(thing, otherwise):
        if thing is None:
            raise StudentFault(Fault.BAD_REQUEST, otherwise)
        return thing

    def submission(self):
        """The module ``submission``, or None."""
        return self.opened().modules.get(SUBMISSION)

    def hook(self, name):
        """A function of that name in ``submission.py``, or in a framework that is a single file; or None."""
        module = self.submission() or (self.opened().modules.get(SINGLE) if self.settings["single"] else None)
        function = getattr(module, name, None)
        return function if callable(function) else None


class Desk:
    """Answers the questions of one subject: ``operations`` maps each of them to the name of the method that answers it with
    arrays, given the settings and then the arrays that came with the question."""

    operations = {}

    def __init__(self, state):
        self.state = state
