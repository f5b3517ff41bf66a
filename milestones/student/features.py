"""The convolutions inside the model under assessment: their features, learnt from once for many images, their weights, their
speed."""

import time

import numpy as np

from milestones.student.components import make
from milestones.student.models import BATCH_OF_PREDICTIONS, Model
from milestones.student.operations import MOST_WEIGHTS, Fault, Operation
from milestones.student.state import Desk
from milestones.student.training import Trainer
from milestones.student.values import StudentFault, layers_of, parameters_of, to_array, weight_slot, write_array
from milestones.student.yardstick import convolve_by_loops

# How long each kind of convolution is at work when their speeds are compared, in CPU seconds.
SPEED_SECONDS = 0.05
SPEED_IMAGES = 4


class Features(Desk):
    """Questions about the convolutional part of a model. ``depth`` is the number of its layers that make the features."""

    operations = {
        Operation.FEATURES: "features",
        Operation.TRAIN_HEAD_DATA: "train_head_data",
        Operation.CONVOLUTION_WEIGHTS: "convolution_weights",
        Operation.SHUFFLE_CONVOLUTIONS: "shuffle_convolutions",
        Operation.CONVOLUTION_SPEED: "convolution_speed",
        Operation.CONVOLUTION_PARAMETERS: "convolution_parameters",
    }

    def __init__(self, state):
        super().__init__(state)
        self._kept = []

    def features(self, settings, images):
        """Compute the features of some images and keep them for training the head."""
        model = self.state.built()
        if settings["anew"]:
            self._kept = []
        for start in range(0, len(images), BATCH_OF_PREDICTIONS):
            batch = model.scaled(images[start : start + BATCH_OF_PREDICTIONS])
            self._kept.append(_features(model, settings["depth"], batch))
        return [np.asarray([sum(map(len, self._kept))], dtype=np.int64)]

    def train_head_data(self, settings, labels):
        """Take the kept features as what the layers after ``depth`` learn from. From here on the model's first layers only
        go forward."""
        model = self.state.built()
        kept = np.concatenate(self._kept) if self._kept else np.empty((0, 0), dtype=np.float32)
        self._kept = [kept]
        if len(kept) != len(labels):
            raise StudentFault(Fault.BAD_REQUEST, "features and labels are not equally many")
        self.state.model = split = SplitModel(model, settings["depth"])
        self.state.trainer = Trainer(split.head, kept, labels)
        return [np.asarray([len(labels)], dtype=np.int64)]

    def convolution_weights(self, settings):
        """What the convolutions of the model have learnt so far."""
        held = [np.ravel(to_array(holder)).astype(np.float64) for holder in self._kernels()]
        return [np.concatenate(held)[:MOST_WEIGHTS] if held else np.empty(0)]

    def shuffle_convolutions(self, settings):
        """Put the weights of each convolution into another order, each where it is: the same numbers, and no sense left."""
        kernels = self._kernels()
        for holder in kernels:
            array = to_array(holder)
            mixed = np.random.RandomState(3).permutation(array.ravel()).reshape(array.shape)
            if holder is array:
                array[...] = mixed
            else:
                write_array(holder, mixed)
        return [np.asarray([len(kernels)], dtype=np.int64)]

    def _kernels(self):
        """The weights of the model's convolutions. A convolution is what the package calls one; any other parameter with four
        axes is that of one as well."""
        adapter, model = self.state.components(), self.state.built()
        called_one = adapter.find("convolution") if adapter.has("convolution") else ()
        layers = model.layers or layers_of(model.network)
        slots = [weight_slot(layer) for layer in layers if isinstance(layer, called_one)]
        found = [slot.held for slot in slots if slot]
        found += [holder for holder in parameters_of(model.network) if np.ndim(to_array(holder)) == 4]
        return list({id(holder): holder for holder in found}.values())

    def convolution_parameters(self, settings):
        """How many numbers a fresh convolution learns."""
        layer = make(self.state.components(), settings, [])
        held = parameters_of(getattr(layer, "layer", layer))
        return [np.asarray([sum(to_array(holder).size for holder in held)], dtype=np.int64)]

    def convolution_speed(self, settings):
        """CPU seconds per multiply-add of the student's convolution, of plain loops and of one matrix product, here and now."""
        adapter = self.state.components()
        layer = make(adapter, settings, [])
        inputs, outputs, kernel = settings["inputs"], settings["outputs"], settings["kernel"]
        random = np.random.RandomState(4)
        images = random.normal(size=(SPEED_IMAGES, inputs, settings["side"], settings["side"])).astype(np.float32)
        weight = random.normal(size=(outputs, inputs, kernel, kernel)).astype(np.float32)
        places = (settings["side"] - kernel + 1) ** 2
        adapter.call(layer, adapter.tensor(images[:1]))
        works = (
            lambda: adapter.call(layer, adapter.tensor(images)),
            lambda: convolve_by_loops(images, weight, np.zeros(outputs)),
            lambda: one_product(images, weight),
        )
        seconds = np.asarray([_seconds(work) for work in works])
        return [seconds / (len(images) * places * outputs * inputs * kernel**2)]


class Head:
    """The layers of a model after its features, as a model to train."""

    def __init__(self, adapter, layers):
        self.adapter = adapter
        self.network, _ = adapter.sequential(layers)
        self.wrap = adapter.tensor

    def scaled(self, features):
        """Features are what they are."""
        return features

    def forward(self, features):
        """Class scores of features."""
        return self.adapter.call(self.network, self.wrap(features))


class SplitModel(Model):
    """A model whose first layers only go forward, and whose head was trained on their features."""

    def __init__(self, model, depth):
        super().__init__(
            model.adapter,
            model.network,
            image=model.image,
            own=model.own,
            used_sequential=model.used_sequential,
            layers=model.layers,
        )
        self.input_shape = model.input_shape
        self.depth = depth
        self.head = Head(model.adapter, model.layers[depth:])

    def forward(self, images):
        return self.head.forward(_features(self, self.depth, images))


def _features(model, depth, images):
    """What the first ``depth`` layers make of float32 images, one row each."""
    value = model.adapter.tensor(model.shaped(images))
    for layer in model.layers[:depth]:
        value = model.adapter.call(layer, value)
    rows = np.asarray(to_array(value), dtype=np.float32)
    if rows.ndim != 2 or len(rows) != len(images):
        raise StudentFault(
            Fault.UNSUITABLE, f"the features of {len(images)} images have shape {rows.shape}", rows.shape[:4]
        )
    return rows


def _seconds(work):
    """CPU seconds of ``work()``: of as many rounds as the time for it takes, doubling, because clocks may be coarse."""
    rounds = 1
    while True:
        started = time.process_time()
        for _ in range(rounds):
            work()
        taken = time.process_time() - started
        if taken > SPEED_SECONDS or rounds > 1_000:
            return taken / rounds
        rounds *= 2


def one_product(images, weight):
    """A convolution by one product of matrices (im2col)."""
    outputs, _, kernel, _ = weight.shape
    seen = np.lib.stride_tricks.sliding_window_view(images, (kernel, kernel), axis=(2, 3))
    count, _, rows, columns = seen.shape[:4]
    patches = seen.transpose(0, 2, 3, 1, 4, 5).reshape(count * rows * columns, -1)
    return (patches @ weight.reshape(outputs, -1).T).reshape(count, rows, columns, outputs).transpose(0, 3, 1, 2)
