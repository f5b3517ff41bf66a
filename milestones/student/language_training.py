"""Training a GPT on text, in slices, with the student's loss, autograd and Adam."""

import numpy as np

from milestones.sandbox import protocol
from milestones.student.adapter import accepts
from milestones.student.operations import STRUCTURE_BYTES, Operation
from milestones.student.state import Desk
from milestones.student.training import PlainUpdate, Trainer, _close
from milestones.student.values import StudentFault, gradient_of, to_array, write_array

RATE_NAMES = ("lr", "learning_rate", "rate", "alpha")


class LanguageTraining(Desk):
    """Questions that make the GPT learn."""

    operations = {Operation.TEXT_DATA: "text_data", Operation.TEXT_SLICE: "text_slice"}

    def text_data(self, settings, ids):
        """Take the text to learn from."""
        self.state.trainer = TextTrainer(Rows(self.state.written()), ids)
        return [np.asarray([len(ids)], dtype=np.int64)]

    def text_slice(self, settings):
        """Train some steps."""
        trainer = self.state.training()
        losses = trainer.learn(
            first=settings["first"],
            rates=settings["rates"],
            batch=settings["batch"],
            length=settings["length"],
            order=settings["order"],
        )
        return [np.asarray(losses, dtype=np.float64), protocol.text_to_array(trainer.manner)[:STRUCTURE_BYTES]]


class Rows:
    """A GPT as a classifier of every single position: scores (texts times length, vocabulary)."""

    def __init__(self, model):
        self.adapter = model.adapter
        self.network = model.network
        self._model = model

    @property
    def wrap(self):
        """How ids are handed to the network."""
        return self._model.wrap

    @wrap.setter
    def wrap(self, wrap):
        self._model.wrap = wrap

    def forward(self, ids):
        """The scores in rows, by the student's own reshape, so that gradients pass."""
        scores = self._model.forward(ids)
        return scores.reshape(ids.size, np.shape(to_array(scores))[-1])


class TextTrainer(Trainer):
    """Adam with a rate given for each step. The student's Adam does the work if it makes the first step rightly."""

    def __init__(self, model, ids):
        super().__init__(model, ids, ids)
        self.ids = ids

    def learn(self, *, first, rates, batch, length, order):
        """One step for each rate, on texts that begin where ``order`` says; the losses that the student's loss claims."""
        losses = []
        for step, rate in enumerate(rates, first):
            begins = np.random.RandomState(order + step).randint(0, len(self.ids) - length, size=batch)
            texts = self.ids[begins[:, None] + np.arange(length + 1)]
            if self.optimizer is not None:
                set_rate(self.optimizer, rate)
            losses.append(self._step(np.ascontiguousarray(texts[:, :-1]), texts[:, 1:].reshape(-1), rate))
        return losses

    def _choose_optimizer(self, rate):
        """Make the first update: with the student's Adam if that moves the parameters as Adam does."""
        plain = PlainAdam(self.holders, rate)
        before = [to_array(holder).copy() for holder in self.holders]
        moves = plain.moves()
        try:
            maker = self.adapter.find("adam")
            keyword = next((name for name in RATE_NAMES if accepts(maker, name, by_name=True)), None)
            optimizer = maker(self.holders, **{keyword: rate}) if keyword else maker(self.holders, rate)
            optimizer.step()
            after = map(to_array, self.holders)
            if all(_close(new - old, move) for new, old, move in zip(after, before, moves, strict=False)):
                return optimizer
            reason = f"the first step of your {type(optimizer).__name__} is not that of Adam"
        except StudentFault:
            reason = "there is no Adam"
        except Exception as error:
            reason = f"your Adam: {self._short(error)}"
        self.why_not_theirs.append(reason)
        for holder, old, move in zip(self.holders, before, moves, strict=False):
            write_array(holder, (old + move).astype(old.dtype))
        return plain


class PlainAdam(PlainUpdate):
    """Adam (Kingma and Ba, 2015) of the grader, for packages without one that works."""

    betas = (0.9, 0.999)
    eps = 1e-8

    def __init__(self, holders, rate):
        super().__init__(holders, rate)
        self.steps = 0
        self.means = [0.0 for _ in holders]
        self.squares = [0.0 for _ in holders]

    def moves(self):
        """What the next step adds to each parameter."""
        self.steps += 1
        moves = []
        for number, holder in enumerate(self.holders):
            current, gradient = to_array(holder), gradient_of(holder)
            gradient = np.zeros_like(current) if gradient is None else gradient.reshape(current.shape)
            for kept, beta, new in (
                (self.means, self.betas[0], gradient),
                (self.squares, self.betas[1], gradient * gradient),
            ):
                kept[number] = beta * kept[number] + (1 - beta) * new
            mean = self.means[number] / (1 - self.betas[0] ** self.steps)
            square = self.squares[number] / (1 - self.betas[1] ** self.steps)
            moves.append(-self.rate * mean / (np.sqrt(square) + self.eps))
        return moves


def set_rate(optimizer, rate):
    """Change the rate of an optimizer, under whatever name it keeps it."""
    for name in RATE_NAMES:
        if isinstance(getattr(optimizer, name, None), (int, float)):
            setattr(optimizer, name, rate)
            return
