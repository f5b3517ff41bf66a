"""How the student's code saves a model and loads it again: functions, methods of the model, state dictionaries, a Trainer."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from milestones.student.operations import Fault
from milestones.student.values import StudentFault, parameters_of, to_array, write_array

# Pairs of names, the plainest first.
PAIRS = (
    ("save_model", "load_model"),
    ("save_weights", "load_weights"),
    ("save_parameters", "load_parameters"),
    ("save", "load"),
    ("save_checkpoint", "load_checkpoint"),
    ("save_checkpoints", "load_checkpoints"),
)
PATH_NAMES = ("path", "file", "filename", "filepath", "file_path", "checkpoint_path", "fname")


@dataclass(frozen=True)
class Road:
    """``save(model, path)`` writes, ``load(model, path)`` reads into ``model`` or returns the model that it read."""

    name: str
    save: Callable
    load: Callable


def find(state):
    """The way that the student's code has. Raises StudentFault MISSING, saying what was looked for."""
    for look in (_hooks, _methods, _state_dictionary, _functions, _trainer):
        road = look(state)
        if road is not None:
            return road
    raise StudentFault(
        Fault.MISSING,
        "no way to save a model was found: no save_model(model, path) and load_model(model, path) in submission.py or the "
        "package, no save(path) and load(path) of the model, no state_dict(), no Trainer.save_checkpoint(path)",
    )


def is_model(thing):
    """Whether something that a load function returned can be used as the model."""
    return callable(thing) or hasattr(thing, "forward")


def _hooks(state):
    """Functions in submission.py."""
    return next((r for names in PAIRS if (r := _pair(*(state.hook(n) for n in names), "in submission.py"))), None)


def _functions(state):
    """Functions in the package."""
    package = state.opened()
    for names in PAIRS:
        for module in package.modules.values():
            found = [vars(module).get(name) for name in names]
            if all(inspect.isfunction(f) and package.is_students(f) for f in found):
                return _pair(*found, f"in {module.__name__}")
    return None


def _pair(save, load, place):
    if save is None or load is None:
        return None
    name = f"{save.__name__}() {place}"
    if _takes_a_dictionary(save):
        return Road(name, *_of_dictionaries(save, load))
    return Road(
        name,
        lambda model, path: save(**_by_names(save, model, path)),
        lambda model, path: load(**_by_names(load, model, path)),
    )


def _parameters(function):
    """The parameters that a call has to give."""
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return [p for p in inspect.signature(function).parameters.values() if p.kind in kinds]


def _by_names(function, model, path):
    """The arguments of a function of a model and a path, in whatever order it has them; one that reads takes the model or
    not."""
    needed = [p.name for p in _parameters(function) if p.default is p.empty]
    arguments = {}
    for name in needed:
        is_path = name.lower() in PATH_NAMES or name.lower().endswith(("path", "file", "filename"))
        arguments[name] = path if is_path or len(needed) == 1 else model
    return arguments


def _takes_a_dictionary(save):
    """Whether a function saves a dictionary and not a model."""
    needed = [p for p in _parameters(save) if p.default is p.empty]
    return bool(needed) and any(word in needed[0].name.lower() for word in ("dict", "state", "checkpoint"))


def _of_dictionaries(save, load):
    """Saving by a function that writes any dictionary: it gets the parameters, and they are put back from what it reads."""

    def write(model, path):
        save({f"parameter_{i}": to_array(holder).copy() for i, holder in enumerate(parameters_of(model))}, path)

    def read(model, path):
        _put_back(model, load(path))

    return write, read


def _put_back(model, arrays):
    for i, holder in enumerate(parameters_of(model)):
        write_array(holder, np.asarray(arrays[f"parameter_{i}"]))


def _methods(state):
    """Methods of the model."""
    network = state.built().network
    for first, second in PAIRS:
        save, load = getattr(network, first, None), getattr(network, second, None)
        if inspect.ismethod(save) and callable(load):
            return Road(
                f"{type(network).__name__}.{first}()",
                lambda model, path, name=first: getattr(model, name)(path),
                lambda model, path, name=second: getattr(model, name)(path),
            )
    return None


def _state_dictionary(state):
    """state_dict() and load_state_dict(): what they give is written plainly here."""
    network = state.built().network
    if not inspect.ismethod(getattr(network, "state_dict", None)) or not hasattr(network, "load_state_dict"):
        return None

    def write(model, path):
        np.savez(path, **{str(name): to_array(value) for name, value in model.state_dict().items()})

    def read(model, path):
        with np.load(path, allow_pickle=False) as archive:
            model.load_state_dict({name: archive[name] for name in archive.files})

    return Road(f"{type(network).__name__}.state_dict()", write, read)


def _trainer(state):
    """The checkpoints of a Trainer around the model."""
    adapter = state.components()
    if not adapter.has("trainer"):
        return None
    trainer_class = adapter.find("trainer")
    for first, second in PAIRS:
        if callable(getattr(trainer_class, first, None)) and callable(getattr(trainer_class, second, None)):
            return Road(
                f"{trainer_class.__name__}.{first}()",
                lambda model, path, name=first: getattr(_make_trainer(adapter, model), name)(path),
                lambda model, path, name=second: getattr(_make_trainer(adapter, model), name)(path),
            )
    return None


def _make_trainer(adapter, model):
    """A Trainer of the model with what else it wants."""
    trainer_class = adapter.find("trainer")
    loss = adapter.find("cross_entropy")() if adapter.has("cross_entropy") else None
    optimizer = adapter.find("sgd")(parameters_of(model)) if adapter.has("sgd") else None
    return trainer_class(model, optimizer, loss)
