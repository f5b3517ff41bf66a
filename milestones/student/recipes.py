"""Models and training made of the student's own components: the student's ``build_model()`` where there is one, otherwise
the standard recipe, a chain of the student's dense layers trained with the student's autograd and optimizer."""

import itertools

import numpy as np

from milestones.student.adapter import (
    StudentFault,
    clear_gradient,
    gradient_of,
    layers_of,
    parameters_of,
    require_gradient,
    to_array,
    write_array,
)
from milestones.student.operations import BIAS_NAMES, INPUT_SHAPES, WEIGHT_NAMES, Fault

BATCH_OF_PREDICTIONS = 500


class Model:
    """One model under assessment and how its inputs have to be shaped."""

    def __init__(self, adapter, network, *, own, used_sequential, predict=None):
        self.adapter = adapter
        self.network = network
        self.own = own
        self.used_sequential = used_sequential
        self.predict = predict
        self.input_shape = None
        # How a batch is handed to the network: a plain tensor, until training puts Variables into it.
        self.wrap = adapter.tensor

    def shaped(self, images):
        """``images``, (n, features) float32, in the shape this model takes."""
        side = round(images.shape[1] ** 0.5)
        if self.input_shape == "flat" or side * side != images.shape[1]:
            return images
        return images.reshape((-1, 1, side, side) if self.input_shape == "channel" else (-1, side, side))

    def find_input_shape(self, features, classes):
        """Try the shapes a model may want on two blank images; the first that gives (2, classes) is kept."""
        first_error = None
        for shape in INPUT_SHAPES:
            self.input_shape = shape
            try:
                if self.scores(np.zeros((2, features), dtype=np.float32), raw=True).shape == (2, classes):
                    return
                raise StudentFault(Fault.UNSUITABLE, f"the model does not answer {classes} values per image")
            except Exception as error:
                first_error = first_error or error
        self.input_shape = None
        raise first_error

    def scores(self, images, *, raw=False):
        """One row of class scores per image. Labels from the student's own ``predict`` become one-hot rows."""
        if self.predict is not None and not raw:
            answer = np.asarray(to_array(self.predict(self.network, self.shaped(images))))
            if answer.ndim == 1:
                return np.eye(max(int(answer.max(initial=0)) + 1, 10), dtype=np.float32)[answer.astype(np.int64)]
            return answer
        return np.asarray(to_array(self.forward(images)))

    def forward(self, images):
        """What the network answers to ``images``, as the student's own kind of tensor."""
        return self.adapter.call(self.network, self.wrap(self.shaped(images)))


def build(adapter, *, sizes, base, submission, single, weight_files):
    """The model to assess and the facts about it: ``(Model, supplied weights were used)``.

    ``build_model()`` of ``submission.py`` (or of a one-file framework) comes first. Without it, supplied weights decide
    the sizes of a chain of dense layers, and without those the standard ``sizes`` do.
    """
    module = submission or (adapter.loaded.modules.get("student_framework") if single else None)
    maker = getattr(module, "build_model", None)
    predict = getattr(module, "predict", None)
    if callable(maker):
        network = maker()
        if network is None:
            raise StudentFault(Fault.NOT_IMPLEMENTED, "build_model() returned None")
        return Model(
            adapter, network, own=True, used_sequential=_is_sequential(adapter, network), predict=predict
        ), False
    arrays = _supplied(base, weight_files)
    chain = _dense_chain(arrays, sizes[0], sizes[-1]) if arrays else None
    layer_sizes = [sizes[0], *(weight.shape[1] for weight, _ in chain)] if chain else sizes
    layers = []
    for position, (inputs, outputs) in enumerate(itertools.pairwise(layer_sizes)):
        layer = adapter.dense(inputs, outputs)
        if chain:
            weight, bias = chain[position]
            adapter.set_dense(layer, weight, bias if bias is not None else np.zeros(outputs, dtype=np.float32))
        layers.append(layer)
        if position + 2 < len(layer_sizes):
            layers.append(adapter.activation("relu"))
    network, used = adapter.sequential(layers)
    return Model(adapter, network, own=False, used_sequential=used), bool(chain)


def _is_sequential(adapter, network):
    return adapter.has("sequential") and isinstance(network, adapter.find("sequential"))


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


class Trainer:
    """Plain SGD on a model, in slices: the grader asks for some steps at a time and looks at the model in between.

    The student's loss, autograd and optimizer do the work. Where the loss is missing or is not connected to the graph,
    the gradient of softmax cross-entropy is handed to the student's ``backward``; where SGD is missing or does not
    move the weights, its one line is done here. ``manner`` says which, for the report: a broken loss or optimizer is
    a later milestone's matter.
    """

    def __init__(self, model, images, labels):
        self.model = model
        self.adapter = model.adapter
        self.images = images
        self.labels = labels
        self.loss_name = None
        self.optimizer = None
        self.loss_call = None
        self._pass = None
        self.holders = self._prepare()

    def _prepare(self):
        adapter = self.adapter
        if adapter.has("variable"):
            self._wrap_in_variables()
            self.model.wrap = adapter.differentiable_input
            try:
                self.model.forward(np.zeros((2, self.images.shape[1]), dtype=np.float32))
            except Exception as error:
                raise StudentFault(
                    Fault.NO_GRADIENT,
                    f"the layers take no input that carries gradients ({type(error).__name__}: {error})",
                ) from error
        holders = parameters_of(self.model.network)
        if not holders:
            raise StudentFault(Fault.MISSING, "no trainable parameters were found in the model")
        for holder in holders:
            require_gradient(holder)
        return holders

    def _wrap_in_variables(self):
        """In the generation between, weights are Tensors and only Variables have gradients: wrap them, as its users do."""
        variable = self.adapter.find("variable")
        for layer in layers_of(self.model.network) or [self.model.network]:
            for name in (*WEIGHT_NAMES, *BIAS_NAMES):
                held = getattr(layer, name, None)
                if held is not None and not callable(held) and not hasattr(held, "backward"):
                    setattr(layer, name, variable(held, requires_grad=True))

    def slice(self, *, first, steps, batch, rate, order):
        """Train ``steps`` steps from step ``first`` on and return their losses as claimed by the student's loss.

        ``order`` seeds the order of images in each pass; the first pass takes them as they were sent.
        """
        per_pass = len(self.labels) // batch
        losses = []
        for step in range(first, first + steps):
            epoch, position = divmod(step, per_pass)
            chosen = self._order(epoch, order)[position * batch : (position + 1) * batch]
            images = self.images[chosen].astype(np.float32) / np.float32(255)
            losses.append(self.step(images, self.labels[chosen], rate))
        return losses

    def _order(self, epoch, seed):
        if self._pass is None or self._pass[0] != epoch:
            count = len(self.labels)
            self._pass = (epoch, np.random.RandomState(seed + epoch).permutation(count) if epoch else np.arange(count))
        return self._pass[1]

    def step(self, images, labels, rate):
        for holder in self.holders:
            clear_gradient(holder)
        logits = self.model.forward(images)
        loss = self._backward(logits, labels)
        self._update(rate)
        return loss

    def _backward(self, logits, labels):
        if self.loss_call is None:
            self.loss_call = self._choose_loss(logits, labels)
            if self.loss_call is not self._upstream:
                # Choosing went through the graph once; some generations free it, so the first step is done anew there.
                return float(self._last_loss)
            return self._upstream(logits, labels)
        return self.loss_call(logits, labels)

    def _choose_loss(self, logits, labels):
        if self.adapter.has("cross_entropy"):
            criterion = self.adapter.find("cross_entropy")()
            forms = [self.adapter.tensor, lambda y: y]
            if self.adapter.has("variable"):
                forms.insert(0, lambda y: self.adapter.find("variable")(self.adapter.tensor(y), requires_grad=False))
            for form in forms:

                def through_loss(logits, labels, form=form):
                    loss = self.adapter.call(criterion, logits, form(labels))
                    value = float(np.asarray(to_array(loss)).reshape(-1)[0])
                    loss.backward()
                    return value

                try:
                    value = through_loss(logits, labels)
                except Exception:
                    self._clear()
                    continue
                if np.isfinite(value) and self._gradients_arrived():
                    self._last_loss = value
                    self.loss_name = type(criterion).__name__
                    return through_loss
                self._clear()
        self.loss_name = "the gradient of softmax cross-entropy, handed to your backward()"
        return self._upstream

    def _upstream(self, logits, labels):
        values = np.asarray(to_array(logits), dtype=np.float64)
        shifted = values - values.max(axis=1, keepdims=True)
        log_probabilities = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
        rows = np.arange(len(labels))
        upstream = np.exp(log_probabilities)
        upstream[rows, labels] -= 1.0
        dtype = to_array(logits).dtype
        self.adapter.backward(logits, (upstream / len(labels)).astype(dtype if dtype.kind == "f" else np.float32))
        if not self._gradients_arrived():
            raise StudentFault(Fault.NO_GRADIENT, "backward() ran, but no gradient arrived at the parameters")
        return float(-log_probabilities[rows, labels].mean())

    def _gradients_arrived(self):
        return all(gradient_of(holder) is not None for holder in (self.holders[0], self.holders[-1]))

    def _clear(self):
        for holder in self.holders:
            clear_gradient(holder)

    def _update(self, rate):
        if self.optimizer is None:
            self.optimizer = self._make_optimizer(rate)
            if self.optimizer is not self:
                before = to_array(self.holders[0]).copy()
                try:
                    self.optimizer.step()
                except Exception:
                    self.optimizer = self
                else:
                    if not np.array_equal(before, to_array(self.holders[0])):
                        return
                    self.optimizer = self
        if self.optimizer is self:
            for holder in self.holders:
                gradient = gradient_of(holder)
                if gradient is not None:
                    current = to_array(holder)
                    write_array(holder, (current - rate * gradient).astype(current.dtype))
        else:
            self.optimizer.step()

    def _make_optimizer(self, rate):
        if self.adapter.has("sgd"):
            sgd = self.adapter.find("sgd")
            for keyword in ("lr", "learning_rate"):
                try:
                    return sgd(self.holders, **{keyword: rate})
                except Exception:
                    continue
        return self

    @property
    def manner(self):
        own = "a plain update of the grader's" if self.optimizer is self else f"your {type(self.optimizer).__name__}"
        loss = self.loss_name or "no loss yet"
        return f"{loss if loss.startswith('the ') else 'your ' + loss} and {own}"
