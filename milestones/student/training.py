"""Training the model under assessment: by the student's own ``train()``, or in slices with the student's loss, autograd and
optimizer."""

import numpy as np

from milestones.sandbox import protocol
from milestones.student.losses import one_hot
from milestones.student.operations import STRUCTURE_BYTES, Fault, Operation
from milestones.student.optimizers import make_optimizer
from milestones.student.state import Desk
from milestones.student.values import (
    StudentFault,
    clear_gradient,
    gradient_of,
    parameters_of,
    require_gradient,
    to_array,
    write_array,
)


class Training(Desk):
    """Questions that make the model learn."""

    operations = {
        Operation.TRAIN_DATA: "train_data",
        Operation.TRAIN_SLICE: "train_slice",
        Operation.TRAIN_OWN: "train_own",
    }

    def train_data(self, settings, images, labels):
        """Take what to learn from."""
        self.state.trainer = Trainer(self.state.built(), images, labels)
        return [np.asarray([len(labels)], dtype=np.int64)]

    def train_slice(self, settings):
        """Train some steps."""
        trainer = self.state.training()
        losses = trainer.slice(
            first=settings["first"],
            steps=settings["steps"],
            batch=settings["batch"],
            rate=settings["rate"],
            order=settings["order"],
        )
        return [np.asarray(losses, dtype=np.float64), protocol.text_to_array(trainer.manner)[:STRUCTURE_BYTES]]

    def train_own(self, settings, images, labels):
        """Let the student's ``train(model, images, labels, budget)`` work; what it returns replaces the model if it is one."""
        train = self.state.submission().train
        model = self.state.built()
        shaped = model.shaped(images.astype(np.float32) / np.float32(255))
        returned = train(model.network, shaped, labels, settings["budget"])
        if returned is not None and (callable(returned) or hasattr(returned, "forward")):
            model.network = returned
        return [np.zeros(1, dtype=np.int64)]


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
            images = self.model.scaled(self.images[chosen])
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
        for hot in (False, True):
            for wrap in wraps:

                def through_loss(logits, labels, wrap=wrap, hot=hot):
                    given = one_hot(labels, np.shape(to_array(logits))[1]) if hot else labels
                    loss = adapter.call(criterion, logits, wrap(given))
                    value = float(np.asarray(to_array(loss)).reshape(-1)[0])
                    loss.backward()
                    return value

                yield type(criterion).__name__, through_loss

    def _hand_gradient(self, logits, labels):
        """Send the gradient of softmax cross-entropy back from the model's scores; for a model that ends in a softmax, the
        gradient of cross-entropy by its probabilities. Returns the loss."""
        values = np.asarray(to_array(logits), dtype=np.float64)
        truth = one_hot(labels, values.shape[1])
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
            # What a student's SGD adds to a plain step by default belongs to a later milestone.
            optimizer = make_optimizer(self.adapter, "sgd", self.holders, {"rate": rate, "momentum": 0.0, "decay": 0.0})
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


def _alike(found, wanted):
    return len(found) == len(wanted) and all(map(_close, found, wanted))


def _close(one, other):
    """Equal within a hundredth of the largest entry: float32 rounding passes, a wrong factor does not."""
    if np.size(one) != np.size(other):
        return False
    difference = np.abs(np.ravel(one) - np.ravel(other)).max(initial=0)
    return bool(difference <= 1e-2 * np.abs(other).max(initial=0) + 1e-7)
