"""The student's own Trainer: a pass over batches, an evaluation, a checkpoint and its reload; and the DataLoader."""

import inspect
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from milestones.sandbox import protocol
from milestones.student.components import make, numbers
from milestones.student.losses import one_hot, wrapped
from milestones.student.operations import (
    CHECKPOINT_BYTES,
    CHECKPOINT_FILES,
    STRUCTURE_BYTES,
    Evaluated,
    Fault,
    Operation,
)
from milestones.student.optimizers import make_optimizer
from milestones.student.state import Desk
from milestones.student.values import (
    StudentFault,
    bias_slot,
    gradient_of,
    parameters_of,
    require_gradient,
    to_array,
    weight_slot,
)

TRAIN_METHODS = ("train_epoch", "train_one_epoch", "fit", "train")
EVALUATE_METHODS = ("evaluate", "validate_epoch", "validate", "evaluate_epoch", "eval", "test")
SAVE_METHODS = ("save_checkpoint", "save_checkpoints", "save_model", "save", "checkpoint")
LOAD_METHODS = ("load_checkpoint", "load_checkpoints", "load_model", "load", "restore_checkpoint", "restore", "resume")
# Names under which checkpoints are saved, until one is: np.savez and np.save add their own ending to others.
CHECKPOINT_NAMES = ("checkpoint.npz", "checkpoint.npy", "checkpoint.pkl")


class Trainers(Desk):
    """Questions about the Trainer. The one asked last is kept, so that its checkpoint can be asked for."""

    operations = {
        Operation.TRAINER: "run",
        Operation.SAVE_CHECKPOINT: "save",
        Operation.RELOAD_CHECKPOINT: "reload",
        Operation.DATA_LOADER: "data_loader",
    }

    def __init__(self, state):
        super().__init__(state)
        self.workplace = None

    def run(self, settings, *arrays):
        """One pass of training and one evaluation of a fresh Trainer: the parameters after each, what it claims (loss and
        accuracy), how often the optimizer stepped and stepped with gradients, how evaluating went, and words."""
        *parameters, inputs, labels, unseen, unseen_labels = arrays
        adapter, words = self.state.components(), ""
        try:
            place, method = _trained(Workplace(adapter, settings, parameters), inputs, labels)
        except Exception as error:
            if not adapter.has("accuracy"):
                raise
            # A metric that fails must not hide what the Trainer does without it.
            place, method = _trained(Workplace(adapter, settings, parameters, metrics=False), inputs, labels)
            words = self._words(error)
        self.workplace = place
        trained = place.parameters(parameters)
        claims, outcome = [np.nan, np.nan], Evaluated.METRIC_RAISED if words else Evaluated.WHOLLY
        evaluate = _method(place.trainer, EVALUATE_METHODS)
        if evaluate is None:
            outcome = Evaluated.MISSING
        else:
            try:
                claims = _claims(evaluate(place.batches(unseen, unseen_labels)))
            except Exception as error:
                words, outcome = self._words(error), Evaluated.RAISED
        counts = np.asarray([place.steps, place.steps_with_gradients, outcome], dtype=np.int64)
        words = words or f"{method.__name__} and {evaluate.__name__ if evaluate else 'no evaluate'}"
        return [
            *trained,
            *place.parameters(parameters),
            np.asarray(claims, dtype=np.float64),
            counts,
            protocol.text_to_array(words)[:STRUCTURE_BYTES],
        ]

    def _words(self, error):
        return error.text if isinstance(error, StudentFault) else self.state.opened().describe(error)

    def save(self, settings):
        """The files of the checkpoint that the Trainer asked last writes."""
        place = self.workplace
        if place is None:
            raise StudentFault(Fault.BAD_REQUEST, "a checkpoint was asked for before its Trainer")
        method = place.method(SAVE_METHODS, "save_checkpoint")
        for name in CHECKPOINT_NAMES:
            folder = Path(tempfile.mkdtemp())
            _call_with_path(method, folder / name, place)
            if (folder / name).is_file():
                break
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        contents = [path.read_bytes() for path in files]
        if not files:
            raise StudentFault(Fault.UNSUITABLE, f"{method.__name__} wrote no file where it was told to")
        if len(files) > CHECKPOINT_FILES or sum(map(len, contents)) > CHECKPOINT_BYTES:
            raise StudentFault(Fault.UNSUITABLE, f"the checkpoint of a tiny network is {sum(map(len, contents))} bytes")
        return [
            protocol.text_to_array("\n".join(path.relative_to(folder).as_posix() for path in files))[:STRUCTURE_BYTES],
            np.asarray([len(content) for content in contents], dtype=np.int64),
            np.frombuffer(b"".join(contents), dtype=np.uint8),
        ]

    def reload(self, settings, *arrays):
        """What a fresh model answers once the checkpoint was loaded into it."""
        *parameters, names, lengths, content, inputs = arrays
        place = Workplace(self.state.components(), settings, parameters)
        method = place.method(LOAD_METHODS, "load_checkpoint")
        folder, start = Path(tempfile.mkdtemp()), 0
        names = protocol.array_to_text(names, STRUCTURE_BYTES).split("\n")
        for name, length in zip(names, lengths, strict=True):
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content[start : start + length].tobytes())
            start += length
        usual = next((name for name in CHECKPOINT_NAMES if name in names), CHECKPOINT_NAMES[0])
        returned = _call_with_path(method, folder / usual, place)
        model = getattr(place.trainer, "model", place.network)
        if callable(returned) and hasattr(returned, "forward"):
            model = returned
        return [numbers(place.adapter.call(model, place.input(inputs)))]

    def data_loader(self, settings, inputs, labels):
        """All that the student's DataLoader yields in one pass, and the sizes of its batches."""
        adapter = self.state.components()
        loader = adapter.find("data_loader")
        tensors = [adapter.tensor(inputs), adapter.tensor(labels)]
        dataset = (
            adapter.find("tensor_dataset")(*tensors)
            if adapter.has("tensor_dataset")
            else Pairs(adapter, inputs, labels)
        )
        batches = loader(dataset, batch_size=settings["batch"], shuffle=settings["shuffle"])
        seen = [[], []]
        for batch in batches:
            for part, value in zip(seen, batch, strict=True):
                part.append(np.asarray(to_array(value), dtype=np.float64))
            if sum(map(len, seen[0])) > 2 * len(inputs):
                raise StudentFault(
                    Fault.UNSUITABLE, f"one pass over {len(inputs)} items yields more than twice as many"
                )
        if not seen[0]:
            raise StudentFault(Fault.UNSUITABLE, "one pass yields no batch at all")
        sizes = np.asarray([len(part) for part in seen[0]], dtype=np.int64)
        return [np.concatenate(seen[0]), np.concatenate(seen[1]).reshape(-1), sizes]


class Workplace:
    """A network with the grader's parameters and the student's optimizer, loss and Trainer around it."""

    def __init__(self, adapter, settings, parameters, *, metrics=True):
        self.adapter = adapter
        self.metrics = metrics
        self.settings = settings
        trainer_class = adapter.find("trainer")
        # Some optimizers change the arrays that they are given in place.
        given = [parameter.copy() for parameter in parameters]
        self.layers = [make(adapter, layer, given) for layer in settings["layers"]]
        self.network, _ = adapter.sequential(self.layers)
        if adapter.road.through_variables:
            adapter.wrap_parameters(self.network)
        self.holders = parameters_of(self.network)
        for holder in self.holders:
            require_gradient(holder)
        self.optimizer = make_optimizer(adapter, "sgd", self.holders, {"rate": settings["rate"], "momentum": 0.0})
        self.steps = self.steps_with_gradients = 0
        self._count_steps()
        self.loss = adapter.find("cross_entropy")()
        self.trainer = self._trainer(trainer_class)

    def _count_steps(self):
        """Note when the optimizer steps and whether there are gradients then: it tells a missing backward() from a missing
        step()."""
        step = self.optimizer.step

        def counted(*arguments, **more):
            self.steps += 1
            self.steps_with_gradients += any(gradient_of(holder) is not None for holder in self.holders)
            return step(*arguments, **more)

        self.optimizer.step = counted

    def _trainer(self, trainer_class):
        parts = {"model": self.network, "net": self.network, "optim": self.optimizer, "opt": self.optimizer}
        parts |= {"loss": self.loss, "criterion": self.loss}
        if self.metrics and self.adapter.has("accuracy"):
            parts["metrics"] = [self.adapter.find("accuracy")()]
        named, missing = _by_name(trainer_class, parts)
        if len(named) < 3 or missing:
            return trainer_class(self.network, self.optimizer, self.loss)
        return trainer_class(**named)

    def batches(self, inputs, labels):
        """The data in batches, in the form that is tried, as a list: it can be passed over again and has a length."""
        wrap, target_wrap, hot = self.settings["form"]
        targets = one_hot(labels, self.settings["layers"][-1]["outputs"]) if hot else labels
        size = self.settings["batch"]
        return [
            (
                wrapped(self.adapter, inputs[start : start + size], wrap),
                wrapped(self.adapter, targets[start : start + size], target_wrap),
            )
            for start in range(0, len(inputs), size)
        ]

    def input(self, inputs):
        """A batch as the network takes it."""
        return self.adapter.road.input(self.adapter, inputs)

    def parameters(self, like):
        """The parameters as they are now, (inputs, outputs) for a weight, as float64 of the shapes of ``like``."""
        slots = [
            slot(layer)
            for layer, table in zip(self.layers, self.settings["layers"], strict=True)
            if table["component"] == "dense"
            for slot in (weight_slot, bias_slot)
        ]
        found = []
        for slot, wanted in zip(slots, like, strict=True):
            array = np.asarray(to_array(slot.held), dtype=np.float64)
            if array.size != wanted.size:
                raise StudentFault(
                    Fault.UNSUITABLE, f"after training a parameter of shape {wanted.shape} has shape {array.shape}"
                )
            flipped = array.ndim == 2 and array.shape != wanted.shape and array.shape == wanted.shape[::-1]
            found.append(np.ascontiguousarray(array.T if flipped else array.reshape(wanted.shape)).copy())
        return found

    def method(self, names, usual):
        """A method of the Trainer or of the model, under one of these names."""
        method = _method(self.trainer, names) or _method(self.network, names)
        if method is None:
            raise StudentFault(Fault.MISSING, f"neither {type(self.trainer).__name__} nor the model has {usual}")
        return method


class Pairs:
    """A data set of (inputs, label) pairs of the student's tensors, for packages that have a DataLoader and no such set."""

    def __init__(self, adapter, inputs, labels):
        self.adapter = adapter
        self.inputs = inputs
        self.labels = labels

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        return self.adapter.tensor(self.inputs[index]), self.adapter.tensor(self.labels[index : index + 1][0])


def _method(thing, names):
    return next((method for name in names if callable(method := getattr(thing, name, None))), None)


def _by_name(function, parts):
    """({parameter: part} by the beginning of what parameters are called, required parameters that no part fits)."""
    named, missing = {}, []
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return {}, ["unknown"]
    for parameter in parameters:
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        part = next((part for word, part in parts.items() if parameter.name.lower().startswith(word)), None)
        if part is not None:
            named[parameter.name] = part
        elif parameter.default is parameter.empty:
            missing.append(parameter.name)
    return named, missing


def _trained(place, inputs, labels):
    """The workplace after one pass of its Trainer, and by which method: one that can make several is told so, and to be
    quiet."""
    method = _method(place.trainer, TRAIN_METHODS)
    if method is None:
        wanted = " or ".join(TRAIN_METHODS[:3])
        raise StudentFault(Fault.MISSING, f"{type(place.trainer).__name__} has no method {wanted}")
    once, _ = _by_name(method, {"epochs": 1, "num_epochs": 1, "n_epochs": 1})
    method(place.batches(inputs, labels), **once, **_by_name(method, {"verbose": False})[0])
    return place, method


def _claims(answer):
    """[loss, accuracy] that an evaluation claims; NaN for what it does not say. A pair is taken in the order it has."""
    if isinstance(answer, Mapping):
        found = {word: v for word in ("loss", "acc") for key, v in answer.items() if word in str(key).lower()}
        return [_number(found.get("loss")), _number(found.get("acc"))]
    if isinstance(answer, (tuple, list)) and len(answer) >= 2:
        return [_number(answer[0]), _number(answer[1])]
    return [np.nan, _number(answer)] if answer is not None else [np.nan, np.nan]


def _number(value):
    if isinstance(value, list) and value:
        value = value[-1]
    try:
        return float(np.asarray(to_array(value)).reshape(-1)[0])
    except (StudentFault, IndexError, TypeError, ValueError):
        return np.nan


def _call_with_path(method, path, place):
    """Call a method that saves or loads with the path, and with the model and the optimizer where it asks for them."""
    parts = {"path": str(path), "file": str(path), "model": place.network, "optim": place.optimizer, "epoch": 1}
    named, missing = _by_name(method, parts)
    if missing and str(path) not in named.values():
        named[missing.pop(0)] = str(path)
    return method(**named) if not missing and named else method(str(path))
