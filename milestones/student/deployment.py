"""The model in use: saving it and loading it again, inputs that it can't answer, and making it smaller."""

import os
import shutil
import tempfile

import numpy as np

from milestones.sandbox import protocol
from milestones.student import saving
from milestones.student.operations import (
    NAMES_BYTES,
    SAVED_BYTES,
    STRUCTURE_BYTES,
    Fault,
    Operation,
    Outcome,
)
from milestones.student.state import Desk
from milestones.student.values import StudentFault, parameters_of, to_array, write_array

# Name of the file that a model is saved under; whatever else lies beside it afterwards is kept as well.
FILE = "model.npz"


class Deployment(Desk):
    """Questions about the built model as a thing that is handed on."""

    operations = {
        Operation.DISTURB: "disturb",
        Operation.SAVE: "save",
        Operation.LOAD_SAVED: "load_saved",
        Operation.BAD_INPUT: "bad_input",
    }

    def disturb(self, settings):
        """Change every parameter a little, so that the model is like no other: what was saved of it can be told."""
        random = np.random.RandomState(settings["disturbance"])
        for holder in parameters_of(self.state.built().network):
            array = to_array(holder)
            size = float(np.std(array)) or 0.1
            moved = array + settings["amplitude"] * size * random.standard_normal(array.shape)
            if not write_array(holder, moved.astype(array.dtype)):
                raise StudentFault(Fault.UNSUITABLE, f"a parameter of shape {array.shape} can't be written to")
        return [np.zeros(1, dtype=np.int64)]

    def save(self, settings):
        """Have the model saved; the files that this made, as one row of bytes."""
        road = saving.find(self.state)
        with _folder() as folder:
            road.save(self.state.built().network, os.path.join(folder, FILE))
            files = _files_in(folder)
            if not files:
                raise StudentFault(Fault.UNSUITABLE, f"{road.name} wrote no file")
            sizes = [(name, os.path.getsize(os.path.join(folder, name))) for name in files]
            if sum(size for _, size in sizes) > SAVED_BYTES:
                raise StudentFault(Fault.UNSUITABLE, f"{road.name} wrote more than {SAVED_BYTES // 1_000_000} MB")
            content = b""
            for name in files:
                with open(os.path.join(folder, name), "rb") as file:
                    content += file.read()
        names = protocol.text_to_array("\n".join(f"{size}\t{name}" for name, size in sizes))
        means = protocol.text_to_array(road.name)[:STRUCTURE_BYTES]
        return [names[:NAMES_BYTES], np.frombuffer(content, dtype=np.uint8), means]

    def load_saved(self, settings, names, content):
        """Load the model that such files hold into the built one, or in its place."""
        road = saving.find(self.state)
        model = self.state.built()
        with _folder() as folder:
            start = 0
            for line in protocol.array_to_text(names, NAMES_BYTES).split("\n"):
                size, _, name = line.partition("\t")
                path = os.path.realpath(os.path.join(folder, name))
                if not path.startswith(os.path.realpath(folder) + os.sep):
                    raise StudentFault(Fault.UNSUITABLE, "a file of the saved model lies outside its folder")
                os.makedirs(os.path.dirname(path), exist_ok=True)
                with open(path, "wb") as file:
                    file.write(content[start : start + int(size)].tobytes())
                start += int(size)
            loaded = road.load(model.network, os.path.join(folder, FILE))
            if loaded is not None and saving.is_model(loaded):
                model.network = loaded
        return [protocol.text_to_array(road.name)[:STRUCTURE_BYTES]]

    def bad_input(self, settings):
        """What becomes of an input that no model for images can answer."""
        model, adapter = self.state.built(), self.state.components()
        channels, height, width = model.image
        inputs = {
            "channels": lambda: adapter.tensor(np.ones((2, channels + 2, height, width), dtype=np.float32)),
            "row": lambda: adapter.tensor(np.ones(7, dtype=np.float32)),
            "words": lambda: adapter.find("tensor")(["a photograph", "of a cat"]),
            "nothing": lambda: None,
        }
        try:
            answer = adapter.call(model.network, inputs[settings["kind"]]())
            return [
                _outcome(Outcome.ANSWERED),
                protocol.text_to_array(f"an answer of shape {np.shape(to_array(answer))}"),
            ]
        except (SystemExit, KeyboardInterrupt) as error:
            return [_outcome(Outcome.ENDED), protocol.text_to_array(type(error).__name__)]
        except Exception as error:
            text = error.text if isinstance(error, StudentFault) else self.state.opened().describe(error)
            return [_outcome(Outcome.RAISED), protocol.text_to_array(text)[:STRUCTURE_BYTES]]


def _outcome(code):
    return np.asarray([code], dtype=np.int64)


class _folder:
    """A folder of its own for the time of a question."""

    def __enter__(self):
        self.path = tempfile.mkdtemp(prefix="model-")
        return self.path

    def __exit__(self, *error):
        shutil.rmtree(self.path, ignore_errors=True)


def _files_in(folder):
    """The files below a folder, relative, in order."""
    found = []
    for place, _, names in os.walk(folder):
        found += [os.path.relpath(os.path.join(place, name), folder) for name in names]
    return sorted(found)
