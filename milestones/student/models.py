"""Whole models: the student's own ``build_model()`` where there is one, otherwise the standard network made of the student's
layers."""

import math

import numpy as np

from milestones.sandbox import protocol
from milestones.student.components import make
from milestones.student.operations import FACTS, INPUT_SHAPES, REPORT_BYTES, STRUCTURE_BYTES, Fact, Fault, Operation
from milestones.student.state import Desk
from milestones.student.values import StudentFault, layers_of, parameters_of, to_array

# What is predicted at once: at most so many images, and so many numbers in them, so that memory stays small.
BATCH_OF_PREDICTIONS = 500
NUMBERS_OF_A_BATCH = 400_000


class Model:
    """One model under assessment and how its inputs have to be shaped. ``image`` is the shape of one image, (C, H, W)."""

    def __init__(self, adapter, network, *, image, own, used_sequential, predict=None, layers=()):
        self.adapter = adapter
        self.network = network
        # The layers one by one, where the network is a standard one.
        self.layers = list(layers)
        self.image = tuple(image)
        self.own = own
        self.used_sequential = used_sequential
        self.predict = predict
        self.input_shape = None
        # How a batch is handed to the network: a plain tensor, until training puts Variables into it.
        self.wrap = adapter.tensor

    def scaled(self, images):
        """uint8 images as the network takes them."""
        return images.astype(np.float32) / np.float32(255)

    def shaped(self, images):
        """``images``, (n, features) float32, in the shape this model takes."""
        channels, height, width = self.image
        if self.input_shape == "channels":
            return images.reshape((-1, channels, height, width))
        if self.input_shape == "plane":
            return images.reshape((-1, height, width))
        return images

    def find_input_shape(self, classes):
        """Try the shapes a model may want on two blank images; the first that gives (2, classes) is kept."""
        first_error = None
        for shape in INPUT_SHAPES if self.image[0] == 1 else INPUT_SHAPES[:-1]:
            self.input_shape = shape
            try:
                blank = np.zeros((2, math.prod(self.image)), dtype=np.float32)
                if self.scores(blank, raw=True).shape == (2, classes):
                    return
                raise StudentFault(Fault.UNSUITABLE, f"the model does not answer {classes} values per image")
            except (Exception, SystemExit) as error:
                first_error = first_error or error
        self.input_shape = None
        raise first_error

    def scores(self, images, *, raw=False):
        """One row of class scores per image. Labels from the student's own ``predict`` become one-hot rows."""
        if self.predict is not None and not raw:
            answer = np.asarray(to_array(self.predict(self.network, self.shaped(images))))
            if answer.ndim == 1:
                return (answer[:, None] == np.arange(max(int(answer.max(initial=0)) + 1, 10))).astype(np.float32)
            return answer
        return np.asarray(to_array(self.forward(images)))

    def forward(self, images):
        """What the network answers to ``images``, as the student's own kind of tensor."""
        return self.adapter.call(self.network, self.wrap(self.shaped(images)))


class Models(Desk):
    """Questions about the model under assessment."""

    operations = {
        Operation.BUILD: "build",
        Operation.LOGITS: "logits",
        Operation.PARAMETER_SHAPES: "parameter_shapes",
    }

    def build(self, settings):
        """Build the model, and say what it is."""
        state = self.state
        model, supplied = self._model(settings)
        model.find_input_shape(settings["classes"])
        state.model = model
        state.trainer = None
        held = [to_array(holder) for holder in parameters_of(model.network)]
        layers = layers_of(model.network)
        facts = np.full(FACTS, -1, dtype=np.int64)
        facts[Fact.PARAMETER_COUNT] = sum(array.size for array in held)
        facts[Fact.PARAMETER_ARRAYS] = len(held)
        facts[Fact.OWN_MODEL] = model.own
        facts[Fact.SUPPLIED_WEIGHTS] = supplied or bool(model.own and state.settings["weights"])
        facts[Fact.OWN_TRAIN] = callable(getattr(state.submission(), "train", None))
        facts[Fact.DENSE_ONLY] = all(array.ndim <= 2 for array in held)
        facts[Fact.HAS_AUTOGRAD] = hasattr(state.adapter.find("tensor"), "backward") or state.adapter.has("variable")
        facts[Fact.USED_SEQUENTIAL] = model.used_sequential
        names = " -> ".join(type(layer).__name__ for layer in layers) or type(model.network).__name__
        return [facts, protocol.text_to_array(names)[:STRUCTURE_BYTES]]

    def parameter_shapes(self, settings):
        """The class of each layer with the shapes of its parameters; what belongs to no layer stands under the network."""
        network = self.state.built().network
        lines, listed = [], set()
        for layer in [*layers_of(network), network]:
            for holder in parameters_of(layer):
                if id(holder) not in listed:
                    listed.add(id(holder))
                    lines.append(f"{type(layer).__name__}\t{' × '.join(map(str, to_array(holder).shape)) or '1'}")
        return [protocol.text_to_array("\n".join(lines))[:REPORT_BYTES]]

    def _model(self, settings):
        """(the model to assess, whether its weights were supplied).

        ``build_model()`` comes first. Without it, supplied weights decide the sizes of a chain of dense layers where the
        standard network is one, and without those the standard network is built as it is described.
        """
        adapter = self.state.components()
        maker = self.state.hook("build_model")
        if maker is not None:
            network = maker()
            if network is None:
                raise StudentFault(Fault.NOT_IMPLEMENTED, "build_model() returned None")
            used = adapter.has("sequential") and isinstance(network, adapter.find("sequential"))
            predict = self.state.hook("predict")
            image = settings["own_image"]
            return Model(adapter, network, image=image, own=True, used_sequential=used, predict=predict), False
        layers, image, chain = settings["layers"], settings["image"], None
        if all(layer["component"] in ("dense", "relu") for layer in layers):
            arrays = _supplied(self.state.settings["base"], self.state.settings["weights"])
            chain = _dense_chain(arrays, math.prod(image), settings["classes"]) if arrays else None
        parameters = []
        if chain:
            layers = []
            for weight, bias in chain:
                inputs, outputs = weight.shape
                layers += [{"component": "relu"}] if layers else []
                layers.append({"component": "dense", "inputs": inputs, "outputs": outputs, "bias": True})
                parameters += [weight, np.zeros(outputs, dtype=np.float32) if bias is None else bias]
        parts = [make(adapter, layer, parameters) for layer in layers]
        network, used = adapter.sequential(parts)
        return Model(adapter, network, image=image, own=False, used_sequential=used, layers=parts), bool(chain)

    def logits(self, settings, images):
        """Class scores of float32 ``images`` (n, features), in batches: of the size that was asked for, else so that memory
        stays small."""
        rows = []
        size = settings.get("batch") or min(BATCH_OF_PREDICTIONS, max(1, NUMBERS_OF_A_BATCH // images.shape[1]))
        for start in range(0, len(images), size):
            batch = images[start : start + size]
            scores = self.state.built().scores(batch, raw=settings.get("raw", False))
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


def _supplied(base, names):
    arrays = []
    for name in names:
        try:
            with np.load(f"{base}/{name}", allow_pickle=False) as archive:
                arrays.extend(np.asarray(archive[key], dtype=np.float32) for key in archive.files)
        except (OSError, ValueError, KeyError) as error:
            raise StudentFault(Fault.RAISED, f"the supplied weights {name} can't be read: {error}") from error
    return arrays


def _dense_chain(arrays, inputs, outputs):
    """Arrays of supplied weights as [(weight (in, out), bias or None)] from ``inputs`` to ``outputs``, or None."""
    matrices = [array for array in arrays if array.ndim == 2]
    vectors = [array for array in arrays if array.ndim == 1]
    chain, width = [], inputs
    while matrices:
        found = next((m for m in matrices if width in m.shape), None)
        if found is None:
            return None
        matrices = [m for m in matrices if m is not found]
        weight = found if found.shape[0] == width else found.T
        width = weight.shape[1]
        bias = next((v for v in vectors if v.shape == (width,)), None)
        vectors = [v for v in vectors if v is not bias]
        chain.append((weight, bias))
    return chain if chain and width == outputs else None
