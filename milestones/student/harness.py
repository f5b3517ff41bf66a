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
from milestones.student import recipes
from milestones.student.adapter import Adapter
from milestones.student.operations import (
    COMPONENT_NAMES,
    FACTS,
    NEEDED,
    REPORT_BYTES,
    STRUCTURE_BYTES,
    Fact,
    Fault,
    Operation,
)
from milestones.student.package import SUBMISSION, Package
from milestones.student.values import (
    StudentFault,
    bias_slot,
    gradient_of,
    layers_of,
    parameters_of,
    require_gradient,
    to_array,
    weight_slot,
)

NOTHING = np.empty(0, dtype=np.float64)


class Harness:
    """Answers one question after the other; holds what was loaded, built and trained so far."""

    def __init__(self):
        self.package = None
        self.adapter = None
        self.settings = {}
        self.model = None
        self.trainer = None
        self._operations = {
            Operation.LOAD: self.load,
            Operation.IMPORT: self.import_module,
            Operation.REPORT: self.report,
            Operation.FORWARD: self.forward,
            Operation.GRADIENT: self.gradient,
            Operation.BUILD: self.build,
            Operation.LOGITS: self.logits,
            Operation.TRAIN_DATA: self.train_data,
            Operation.TRAIN_SLICE: self.train_slice,
            Operation.TRAIN_OWN: self.train_own,
        }

    def answer(self, operation, arrays):
        """The arrays that answer a question. ``arrays[0]`` is the settings' JSON text; raises what the student's code raises."""
        settings = json.loads(protocol.array_to_text(arrays[0], 1 << 20))
        seed = settings.get("seed", 0) % (1 << 32)
        random.seed(seed)
        np.random.seed(seed)
        return self._operations[operation](settings, *arrays[1:])

    # -- the package -------------------------------------------------------------------------------------------------

    def load(self, settings):
        """Open the package; nothing of it runs yet."""
        self.settings = settings
        package = Package(
            base=settings["base"],
            root=settings["root"],
            single=settings["single"],
            exports=settings["notebooks"] or settings["sources"],
            whole=bool(settings["notebooks"]),
            submission=settings["submission"],
            blocked=settings["blocked"],
            import_seconds=settings["import_seconds"],
        )
        if not package.order and not package.report:
            raise StudentFault(Fault.MISSING, "the notebooks hold no cells marked for export (#| export)")
        self.package = package
        return [protocol.text_to_array("\n".join(dotted for dotted, _ in package.order))[:REPORT_BYTES]]

    def import_module(self, settings):
        self._opened().import_at(settings["module"])
        return [np.zeros(1, dtype=np.int64)]

    def report(self, settings):
        """How the imports went, and which component is which class of the student's."""
        package = self._opened()
        package.finish([COMPONENT_NAMES[component] for component in NEEDED])
        self.adapter = Adapter(package)
        rows = [*package.report, ("precision:", self.adapter.precision(), "")]
        for component in COMPONENT_NAMES:
            try:
                found = self.adapter.find(component)
                rows.append((f"component:{component}", "ok", f"{found.__module__}.{found.__qualname__}"))
            except StudentFault as fault:
                rows.append((f"component:{component}", "missing", fault.text))
        lines = ["\t".join(" ".join(str(part).split()) for part in row) for row in rows]
        # Components come first, so that they are not cut off by what a hundred broken modules have to say.
        lines.sort(key=lambda line: not line.startswith(("component:", "precision:")))
        return [protocol.text_to_array("\n".join(lines))[:REPORT_BYTES]]

    def _opened(self):
        if self.package is None:
            raise StudentFault(Fault.BAD_REQUEST, "no package was opened")
        return self.package

    def _components(self):
        if self.adapter is None:
            raise StudentFault(Fault.BAD_REQUEST, "the package was not imported")
        return self.adapter

    # -- single components -------------------------------------------------------------------------------------------

    def forward(self, settings, inputs, *parameters):
        component = self._component(settings, parameters)
        return [numbers(self.adapter.call(component, self.adapter.tensor(inputs)))]

    def gradient(self, settings, inputs, upstream, *parameters):
        """Gradients of sum(output * upstream) by inputs, weight and bias; an empty array where none arrived."""
        component = self._component(settings, parameters)
        road = self.adapter.road
        if road.through_variables:
            self.adapter.wrap_parameters(component)
        start = road.input(self.adapter, inputs, requires_grad=True)
        holders = [start]
        for slot in (weight_slot(component, parameters[0].shape), bias_slot(component, len(parameters[-1]))):
            if slot is not None:
                require_gradient(slot.held)
                holders.append(slot.held)
        road.back(self.adapter, self.adapter.call(component, start), upstream)
        answers = [gradient_of(held) for held in holders]
        if all(answer is None for answer in answers):
            raise StudentFault(Fault.NO_GRADIENT, "backward() ran, but no gradient arrived anywhere")
        return [NOTHING if answer is None else numbers(answer) for answer in answers]

    def _component(self, settings, parameters):
        """Make the component that ``settings`` describe and give it ``parameters``."""
        self._components()
        kind = settings["component"]
        parameters = list(parameters)
        if kind == "dense":
            return self._dense(settings["inputs"], settings["outputs"], settings["bias"], parameters)
        if kind == "network":
            layers = []
            for layer in settings["layers"]:
                if layer["component"] == "dense":
                    layers.append(self._dense(layer["inputs"], layer["outputs"], layer["bias"], parameters))
                else:
                    layers.append(self.adapter.activation(layer["component"]))
            network, used = self.adapter.sequential(layers)
            if settings.get("own_sequential") and not used:
                self.adapter.find("sequential")
                raise StudentFault(
                    Fault.UNSUITABLE, "Sequential takes neither a list of layers nor the layers themselves"
                )
            return network
        return self.adapter.activation(kind)

    def _dense(self, inputs, outputs, bias, parameters):
        layer = self.adapter.dense(inputs, outputs, bias=bias)
        if parameters:
            weight = parameters.pop(0)
            self.adapter.set_dense(layer, weight, parameters.pop(0) if bias else None)
        return layer

    # -- whole models ------------------------------------------------------------------------------------------------

    def build(self, settings):
        model, supplied = recipes.build(
            self._components(),
            sizes=settings["sizes"],
            base=self.settings["base"],
            submission=self._submission(),
            single=self.settings["single"],
            weight_files=self.settings["weights"],
        )
        model.find_input_shape(settings["sizes"][0], settings["sizes"][-1])
        self.model = model
        self.trainer = None
        held = [to_array(holder) for holder in parameters_of(model.network)]
        layers = layers_of(model.network)
        facts = np.full(FACTS, -1, dtype=np.int64)
        facts[Fact.PARAMETER_COUNT] = sum(array.size for array in held)
        facts[Fact.PARAMETER_ARRAYS] = len(held)
        facts[Fact.OWN_MODEL] = model.own
        facts[Fact.SUPPLIED_WEIGHTS] = supplied or bool(model.own and self.settings["weights"])
        facts[Fact.OWN_TRAIN] = callable(getattr(self._submission(), "train", None))
        facts[Fact.DENSE_ONLY] = all(array.ndim <= 2 for array in held)
        facts[Fact.HAS_AUTOGRAD] = hasattr(self.adapter.find("tensor"), "backward") or self.adapter.has("variable")
        facts[Fact.USED_SEQUENTIAL] = model.used_sequential
        names = " -> ".join(type(layer).__name__ for layer in layers) or type(model.network).__name__
        return [facts, protocol.text_to_array(names)[:STRUCTURE_BYTES]]

    def logits(self, settings, images):
        """Class scores of float32 ``images`` (n, features), in batches so that memory stays small."""
        rows = []
        for start in range(0, len(images), recipes.BATCH_OF_PREDICTIONS):
            batch = images[start : start + recipes.BATCH_OF_PREDICTIONS]
            scores = self._model().scores(batch, raw=settings.get("raw", False))
            if scores.ndim != 2 or scores.shape[0] != len(batch):
                raise StudentFault(
                    Fault.UNSUITABLE,
                    f"{len(batch)} images gave an answer of shape {scores.shape}, not one row of scores per image",
                    scores.shape[:4],
                )
            rows.append(np.asarray(scores, dtype=np.float32))
        widths = {row.shape[1] for row in rows}
        if widths != {settings["classes"]}:
            raise StudentFault(Fault.UNSUITABLE, f"each image needs {settings['classes']} scores, got {sorted(widths)}")
        return [np.concatenate(rows)]

    def train_data(self, settings, images, labels):
        self.trainer = recipes.Trainer(self._model(), images, labels)
        return [np.asarray([len(labels)], dtype=np.int64)]

    def train_slice(self, settings):
        if self.trainer is None:
            raise StudentFault(Fault.BAD_REQUEST, "training was asked for before its data")
        losses = self.trainer.slice(
            first=settings["first"],
            steps=settings["steps"],
            batch=settings["batch"],
            rate=settings["rate"],
            order=settings["order"],
        )
        return [np.asarray(losses, dtype=np.float64), protocol.text_to_array(self.trainer.manner)[:STRUCTURE_BYTES]]

    def train_own(self, settings, images, labels):
        """Let the student's ``train(model, images, labels, budget)`` work; what it returns replaces the model if it is one."""
        train = self._submission().train
        model = self._model()
        shaped = model.shaped(images.astype(np.float32) / np.float32(255))
        returned = train(model.network, shaped, labels, settings["budget"])
        if returned is not None and (callable(returned) or hasattr(returned, "forward")):
            model.network = returned
        return [np.zeros(1, dtype=np.int64)]

    def fault_of(self, error):
        """(fault code, numbers, text) that tell the grader of an exception."""
        if isinstance(error, StudentFault):
            return error.fault, error.numbers, error.text
        text = self.package.describe(error) if self.package else f"{type(error).__name__}: {error}"
        return Fault.NOT_IMPLEMENTED if isinstance(error, NotImplementedError) else Fault.RAISED, (), text

    def _submission(self):
        return self._opened().modules.get(SUBMISSION)

    def _model(self):
        if self.model is None:
            raise StudentFault(Fault.BAD_REQUEST, "no model was built")
        return self.model


def numbers(value):
    """A student's answer as float32 or float64, at most four dimensions, ready for the wire."""
    array = np.asarray(to_array(value))
    if array.ndim > 4:
        raise StudentFault(Fault.UNSUITABLE, f"the answer has {array.ndim} dimensions", array.shape[:8])
    return np.ascontiguousarray(array, dtype=array.dtype if array.dtype in (np.float32, np.float64) else np.float64)


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
