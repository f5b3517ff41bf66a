"""The loop inside the sandbox: read a question, let the student's code answer it, send the numbers back.

Run as a script by a bare interpreter (``-I -S``): its arguments are the descriptor of the socket and then the folders to
import from. Student code shares this process and can do anything to it; that is expected. Whatever leaves through
the socket means only "my output for that question", and the grader compares it with what only the grader knows.
"""

import json
import random
import socket
import sys

DESCRIPTOR = int(sys.argv[1])
sys.path[:0] = sys.argv[2:]

import numpy as np

from milestones.sandbox import protocol
from milestones.student import notebooks, package, recipes
from milestones.student.adapter import (
    Adapter,
    StudentFault,
    gradient_of,
    parameter,
    parameters_of,
    to_array,
)
from milestones.student.operations import BIAS_NAMES, FACTS, INPUT_SHAPES, WEIGHT_NAMES, Fact, Fault, Operation

EXPORT_FOLDER = "/tmp/export"
NOTHING = np.empty(0, dtype=np.float64)


class Harness:
    """Answers one question after the other; holds what was loaded, built and trained so far."""

    def __init__(self):
        self.adapter = None
        self.settings = {}
        self.model = None
        self.images = self.labels = None
        self.trainer = None

    def answer(self, operation, arrays):
        """The arrays that answer a question. ``arrays[0]`` is the settings' JSON text; raises what the student's code raises."""
        settings = json.loads(protocol.array_to_text(arrays[0], 1 << 20))
        seed = settings.get("seed", 0) % (1 << 32)
        random.seed(seed)
        np.random.seed(seed)
        return getattr(self, Operation(operation).name.lower())(settings, *arrays[1:])

    # -- the package -------------------------------------------------------------------------------------------------

    def load(self, settings):
        self.settings = settings
        base, root = settings["base"], settings["root"]
        if settings["notebooks"]:
            written = notebooks.export(base, settings["notebooks"], EXPORT_FOLDER)
            if not written:
                raise StudentFault(Fault.MISSING, "the notebooks hold no cells marked for export (#| export)")
            loaded = package.load(base=EXPORT_FOLDER, root="tinytorch", name="tinytorch")
        else:
            loaded = package.load(
                base=base,
                root=root,
                name="tinytorch",
                single=settings["single"],
                submission=settings["submission"],
            )
        self.adapter = Adapter(loaded)
        loaded.report.append(("precision:", self.adapter.precision(), ""))
        lines = ["\t".join(part.replace("\t", " ").replace("\n", " ") for part in row) for row in loaded.report]
        for component in settings["components"]:
            try:
                found = self.adapter.find(component)
                lines.append(f"component:{component}\tok\t{found.__module__}.{found.__name__}")
            except StudentFault as fault:
                lines.append(f"component:{component}\tmissing\t{fault.text}")
        return [protocol.text_to_array("\n".join(lines)[:60_000])]

    # -- single components -------------------------------------------------------------------------------------------

    def forward(self, settings, *arrays):
        component = self._component(settings, arrays)
        output = self.adapter.call(component, self.adapter.tensor(arrays[0]))
        return [numbers(output)]

    def gradient(self, settings, inputs, upstream, *parameters):
        """Gradients of sum(output * upstream) by inputs, weight and bias; an empty array where none arrived."""
        component = self._component(settings, (inputs, *parameters))
        holders = [held for names in (WEIGHT_NAMES, BIAS_NAMES) if (held := parameter(component, names)) is not None]
        trainer_view = recipes.Model(self.adapter, component, own=False, used_sequential=False)
        if self.adapter.has("variable") or any(not hasattr(held, "grad") for held in holders):
            holders = recipes.Trainer(trainer_view, inputs, None).holders if holders else []
        for held in holders:
            recipes.require_gradient(held)
        start = self.adapter.tensor(inputs, requires_grad=True)
        try:
            output = self.adapter.call(component, start)
        except Exception as error:
            # What carries gradients is not accepted by a layer that works on plain tensors: a forward-only package.
            reason = package.describe(error, "/submission")
            raise StudentFault(
                Fault.NO_GRADIENT, f"the layer takes no input that carries gradients ({reason})"
            ) from error
        self.adapter.backward(output, upstream.astype(to_array(output).dtype))
        answers = [gradient_of(held) for held in (start, *holders)]
        if all(answer is None for answer in answers):
            raise StudentFault(Fault.NO_GRADIENT, "backward() ran, but no gradient arrived anywhere")
        return [NOTHING if answer is None else numbers(answer) for answer in answers]

    def _component(self, settings, arrays):
        """Make the component that ``settings`` describe and give it the parameters in ``arrays`` (after the inputs)."""
        kind = settings["component"]
        parameters = list(arrays[1:])
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
            self.adapter,
            sizes=settings["sizes"],
            base=self.settings["base"],
            submission=self.adapter.loaded.submission_module,
            single=self.settings["single"],
            weight_files=self.settings["weights"],
        )
        model.find_input_shape(settings["sizes"][0], settings["sizes"][-1])
        self.model = model
        self.trainer = None
        held = [to_array(holder) for holder in parameters_of(model.network)]
        layers = recipes.layers_of(model.network)
        facts = np.full(FACTS, -1, dtype=np.int64)
        facts[Fact.PARAMETER_COUNT] = sum(array.size for array in held)
        facts[Fact.PARAMETER_ARRAYS] = len(held)
        facts[Fact.OWN_MODEL] = model.own
        facts[Fact.SUPPLIED_WEIGHTS] = supplied or bool(model.own and self.settings["weights"])
        facts[Fact.OWN_TRAIN] = callable(getattr(self.adapter.loaded.submission_module, "train", None))
        facts[Fact.DENSE_ONLY] = all(array.ndim <= 2 for array in held)
        facts[Fact.HAS_AUTOGRAD] = hasattr(self.adapter.find("tensor"), "backward") or self.adapter.has("variable")
        facts[Fact.INPUT_SHAPE] = INPUT_SHAPES.index(model.input_shape)
        facts[Fact.USED_SEQUENTIAL] = model.used_sequential
        names = " -> ".join(type(layer).__name__ for layer in layers) or type(model.network).__name__
        return [facts, protocol.text_to_array(names[:2000])]

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

    def parameters(self, settings):
        held = [to_array(holder) for holder in parameters_of(self._model().network)]
        shapes = np.full((len(held), 4), -1, dtype=np.int64)
        for row, array in enumerate(held):
            shapes[row, : min(array.ndim, 4)] = array.shape[:4]
        values = [np.asarray(array, dtype=np.float32).ravel() for array in held] or [np.empty(0, dtype=np.float32)]
        return [shapes, np.concatenate(values)]

    def train_data(self, settings, images, labels):
        self.images, self.labels = images, labels
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
        return [np.asarray(losses, dtype=np.float64), protocol.text_to_array(self.trainer.manner[:500])]

    def train_own(self, settings, images, labels):
        """Let the student's ``train(model, images, labels, budget)`` work; what it returns replaces the model if it is one."""
        train = self.adapter.loaded.submission_module.train
        model = self._model()
        shaped = model.shaped(images.astype(np.float32) / np.float32(255))
        returned = train(model.network, shaped, labels, settings["budget"])
        if returned is not None and (callable(returned) or hasattr(returned, "forward")):
            model.network = returned
        return [np.zeros(1, dtype=np.int64)]

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


def fault_of(error, root):
    if isinstance(error, StudentFault):
        return error.fault, error.numbers, error.text
    if isinstance(error, NotImplementedError):
        return Fault.NOT_IMPLEMENTED, (), package.describe(error, root)
    return Fault.RAISED, (), package.describe(error, root)


def main():
    connection = socket.socket(fileno=DESCRIPTOR)
    harness = Harness()
    while True:
        request = protocol.read_frame(connection)
        try:
            arrays = harness.answer(request.operation, request.arrays)
            kind = protocol.Kind.ANSWER
        except BaseException as error:
            # SystemExit and KeyboardInterrupt raised by student code are the student's mistakes like any other.
            fault, values, text = fault_of(error, "/submission")
            arrays = [np.asarray([fault, *values], dtype=np.int64), protocol.text_to_array(text[:4000])]
            kind = protocol.Kind.FAULT
        protocol.write_frame(
            connection,
            protocol.Frame(kind=kind, operation=request.operation, request_id=request.request_id, arrays=tuple(arrays)),
        )


if __name__ == "__main__":
    main()
