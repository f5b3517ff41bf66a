"""Models and training made of the student's own components: the student's ``build_model()`` where there is one, otherwise
the standard recipe, a chain of the student's dense layers trained with the student's autograd and optimizer."""

import itertools

import numpy as np

from milestones.student.adapter import accepts
from milestones.student.operations import INPUT_SHAPES, Fault
from milestones.student.package import SINGLE
from milestones.student.values import (
    StudentFault,
    clear_gradient,
    gradient_of,
    parameters_of,
    require_gradient,
    to_array,
    write_array,
)

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
                return (answer[:, None] == np.arange(max(int(answer.max(initial=0)) + 1, 10))).astype(np.float32)
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
    module = submission or (adapter.package.modules.get(SINGLE) if single else None)
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

    The student's loss, autograd and optimizer do the work. Where the loss is missing or does not send the gradient of
    softmax cross-entropy back, that gradient is handed to the student's ``backward``; where SGD is missing or does not
    make its one step rightly, that line is done here. ``manner`` says which, for the report: a broken loss or optimizer
    is a later milestone's matter.
    """

    def __init__(self, model, images, labels):
        self.model = model
        self.adapter = model.adapter
        self.images = images
        self.labels = labels
        self.loss = None
        self.loss_name = ""
        self.why_not_theirs = []
        self.optimizer = None
        self._pass = None
        self.road = self.adapter.road
        self._to_zero = self.adapter.gradients_start_at_zero()
        if self.road.through_variables:
            self.adapter.wrap_parameters(model.network)
            model.wrap = lambda array: self.road.input(self.adapter, array)
        self.holders = parameters_of(model.network)
        if not self.holders:
            raise StudentFault(Fault.MISSING, "no trainable parameters were found in the model")
        for holder in self.holders:
            require_gradient(holder)

    def slice(self, *, first, steps, batch, rate, order):
        """Train ``steps`` steps from step ``first`` on and return their losses as claimed by the student's loss.

        ``order`` seeds the order of images in each pass; the first pass takes them as they were sent.
        """
        per_pass = max(len(self.labels) // batch, 1)
        losses = []
        for step in range(first, first + steps):
            epoch, position = divmod(step, per_pass)
            chosen = self._order(epoch, order)[position * batch : (position + 1) * batch]
            images = self.images[chosen].astype(np.float32) / np.float32(255)
            losses.append(self._step(images, self.labels[chosen], rate))
        return losses

    def _order(self, epoch, seed):
        if self._pass is None or self._pass[0] != epoch:
            count = len(self.labels)
            self._pass = (epoch, np.random.RandomState(seed + epoch).permutation(count) if epoch else np.arange(count))
        return self._pass[1]

    def _step(self, images, labels, rate):
        if self.loss is None:
            self.loss = self._choose_loss(images, labels)
        self._clear()
        value = self.loss(self.model.forward(images), labels)
        if self.optimizer is None:
            self.optimizer = self._choose_optimizer(rate)
        else:
            self.optimizer.step()
        return value

    def _clear(self):
        for holder in self.holders:
            clear_gradient(holder, to_zero=self._to_zero)

    # -- loss ------------------------------------------------------------------------------------------------------

    def _choose_loss(self, images, labels):
        """The student's cross-entropy, in the form of labels that it takes, if it sends the right gradient back; otherwise
        that gradient itself. Where the gradient can't be handed over, any loss that sends one back is taken."""
        wanted, obstacle = [], None
        try:
            self._clear()
            self._hand_gradient(self.model.forward(images), labels)
            wanted = self._gradients()
        except Exception as error:
            obstacle = error
        refused, wrong = "", ""
        for name, loss in self._losses():
            try:
                self._clear()
                value = loss(self.model.forward(images), labels)
                found = self._gradients()
            except Exception as error:
                obstacle = obstacle or error
                refused = refused or f"your {name}: {self._short(error)}"
                continue
            if np.isfinite(value) and found and (not wanted or _alike(found, wanted)):
                self.loss_name = f"your {name}"
                return loss
            wrong = wrong or f"your {name} sends {'another' if found else 'no'} gradient back"
        if wanted:
            self.why_not_theirs.append(wrong or refused or "there is no CrossEntropyLoss")
            self.loss_name = "the gradient of softmax cross-entropy, handed to your backward()"
            return self._hand_gradient
        if obstacle is not None:
            raise obstacle
        raise StudentFault(Fault.NO_GRADIENT, "backward() ran, but no gradient arrived at the parameters")

    def _gradients(self):
        """Copies of the gradients that have arrived."""
        return [gradient.copy() for gradient in map(gradient_of, self.holders) if gradient is not None]

    def _losses(self):
        """(name, loss function of logits and labels) for each form in which the student's loss may take labels."""
        adapter = self.adapter
        if not adapter.has("cross_entropy"):
            return
        criterion = adapter.find("cross_entropy")()
        wraps = [adapter.tensor, lambda array: array]
        if self.road.through_variables:
            wraps.insert(0, lambda array: adapter.variable(array, requires_grad=False))
        for one_hot in (False, True):
            for wrap in wraps:

                def through_loss(logits, labels, wrap=wrap, one_hot=one_hot):
                    given = _one_hot(labels, np.shape(to_array(logits))[1]) if one_hot else labels
                    loss = adapter.call(criterion, logits, wrap(given))
                    value = float(np.asarray(to_array(loss)).reshape(-1)[0])
                    loss.backward()
                    return value

                yield type(criterion).__name__, through_loss

    def _hand_gradient(self, logits, labels):
        """Send the gradient of softmax cross-entropy back from the model's scores; for a model that ends in a softmax, the
        gradient of cross-entropy by its probabilities. Returns the loss."""
        values = np.asarray(to_array(logits), dtype=np.float64)
        truth = _one_hot(labels, values.shape[1])
        with np.errstate(all="ignore"):
            if (values >= 0).all() and np.allclose(values.sum(axis=1), 1, atol=1e-3):
                log_probabilities = np.log(np.maximum(values, 1e-7))
                upstream = -truth / np.maximum(values, 1e-7)
            else:
                shifted = values - values.max(axis=1, keepdims=True)
                log_probabilities = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
                upstream = np.exp(log_probabilities) - truth
        self.road.back(self.adapter, logits, upstream / len(labels))
        return float(-(log_probabilities * truth).sum() / len(labels))

    # -- optimizer -------------------------------------------------------------------------------------------------

    def _choose_optimizer(self, rate):
        """Make the first update: with the student's SGD if that moves the parameters as SGD does."""
        plain = PlainUpdate(self.holders, rate)
        before = [to_array(holder).copy() for holder in self.holders]
        moves = plain.moves()
        try:
            optimizer = self._make_optimizer(rate)
            optimizer.step()
            after = map(to_array, self.holders)
            if all(_close(new - old, move) for new, old, move in zip(after, before, moves, strict=True)):
                return optimizer
            reason = f"your {type(optimizer).__name__} does not move parameters by rate times gradient"
        except StudentFault:
            reason = "there is no SGD"
        except Exception as error:
            reason = f"your SGD: {self._short(error)}"
        self.why_not_theirs.append(reason)
        for holder, old, move in zip(self.holders, before, moves, strict=True):
            write_array(holder, (old + move).astype(old.dtype))
        return plain

    def _make_optimizer(self, rate):
        sgd = self.adapter.find("sgd")
        keyword = next((name for name in ("lr", "learning_rate") if accepts(sgd, name)), None)
        # What a student's SGD adds to a plain step by default belongs to a later milestone.
        without = {name: 0.0 for name in ("momentum", "weight_decay") if accepts(sgd, name, by_name=True)}
        return sgd(self.holders, **{keyword: rate}, **without) if keyword else sgd(self.holders, rate, **without)

    @property
    def manner(self):
        """By what means it trains, and why not by the student's own, as a phrase for a report."""
        ours = isinstance(self.optimizer, PlainUpdate)
        update = "a plain update of the grader" if ours else f"your {type(self.optimizer).__name__}"
        reasons = f" ({'; '.join(self.why_not_theirs)})" if self.why_not_theirs else ""
        return f"{self.loss_name} and {update}{reasons}"

    def _short(self, error):
        return error.text if isinstance(error, StudentFault) else self.adapter.package.describe(error)[:160]


class PlainUpdate:
    """One step of plain SGD: every parameter minus rate times its gradient."""

    def __init__(self, holders, rate):
        self.holders = holders
        self.rate = rate

    def moves(self):
        """What one step adds to each parameter. A gradient that does not fit its parameter is the student's fault."""
        moves = []
        for holder in self.holders:
            current, gradient = to_array(holder), gradient_of(holder)
            if gradient is not None and gradient.size != current.size:
                raise StudentFault(
                    Fault.UNSUITABLE,
                    f"a parameter of shape {current.shape} got a gradient of shape {gradient.shape} in training",
                )
            moves.append(np.zeros_like(current) if gradient is None else -self.rate * gradient.reshape(current.shape))
        return moves

    def step(self):
        for holder, move in zip(self.holders, self.moves(), strict=True):
            current = to_array(holder)
            write_array(holder, (current + move).astype(current.dtype))


def _one_hot(labels, classes):
    return (np.asarray(labels)[:, None] == np.arange(classes)).astype(np.float32)


def _alike(found, wanted):
    return len(found) == len(wanted) and all(map(_close, found, wanted))


def _close(one, other):
    """Equal within a hundredth of the largest entry: float32 rounding passes, a wrong factor does not."""
    if np.size(one) != np.size(other):
        return False
    difference = np.abs(np.ravel(one) - np.ravel(other)).max(initial=0)
    return bool(difference <= 1e-2 * np.abs(other).max(initial=0) + 1e-7)
