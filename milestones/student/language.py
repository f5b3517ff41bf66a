"""A whole GPT of the student's: built, asked, changed here and there, and sent backward through."""

import contextlib
import inspect
import sys
from collections import Counter

import numpy as np

from milestones.sandbox import protocol
from milestones.student.adapter import accepts
from milestones.student.operations import GPT_FACTS, REPORT_BYTES, Fault, GPTFact, Operation
from milestones.student.parts import (
    FUSED,
    OUTPUTS,
    QUERIES,
    has_gradients,
    is_number_holder,
    make_by_meaning,
    named_part,
)
from milestones.student.state import Desk
from milestones.student.values import (
    StudentFault,
    bias_slot,
    clear_gradient,
    gradient_of,
    is_layer,
    parameters_of,
    require_gradient,
    slot_named,
    to_array,
    weight_slot,
    write_array,
)

USUAL_ORDER = ("vocabulary", "dim", "layers", "heads", "context")
COUNT_NAMES = ("max_new_tokens", "num_tokens", "n_tokens", "num_new_tokens", "max_tokens", "max_length", "length", "n")
CONTEXT_NAMES = ("max_seq_len", "max_length", "context_length", "block_size", "max_len", "context_size", "seq_len")
DEEPEST = 8
BATCH_OF_TEXTS = 64
# Calls after which counting ends: a small GPT makes some thousands.
MOST_CALLS = 400_000


class LanguageModel:
    """One GPT under assessment. ``shape`` is (vocabulary, context)."""

    def __init__(self, state, network, *, vocabulary, context, own):
        self.adapter = state.components()
        self.network = network
        self.vocabulary = vocabulary
        self.context = context
        self.own = own
        self.score = state.hook("logits") if own else None
        self.continue_text = state.hook("generate") if own else None
        self.start = None
        # How ids are handed to the network; training may put them into Variables.
        self.wrap = self.adapter.tensor

    def forward(self, ids):
        """Scores (n, length, vocabulary) as the student's own kind of tensor, ready to go backward from."""
        return self.adapter.call(self.network, self.wrap(ids))

    def scores(self, ids):
        """Scores as an array, of the shape that they have to have."""
        found = self.forward(ids) if self.score is None else self.score(self.network, ids)
        answer = np.asarray(to_array(found))
        if answer.shape != (*ids.shape, self.vocabulary):
            raise StudentFault(
                Fault.UNSUITABLE,
                f"{len(ids)} texts of {ids.shape[1]} tokens gave scores of shape {answer.shape}, "
                f"not {(*ids.shape, self.vocabulary)}",
                answer.shape[:4],
            )
        return answer

    def holders(self):
        """Its parameters, once each."""
        return parameters_of(self.network)


class _Enough(BaseException):
    """So many calls were counted that more would tell nothing new."""


class Language(Desk):
    """Questions about the GPT under assessment."""

    operations = {
        Operation.GPT_BUILD: "build",
        Operation.GPT_LOGITS: "logits",
        Operation.GPT_SHAKE: "shake",
        Operation.GPT_CHANGE: "change",
        Operation.GPT_GRADIENT: "gradient",
        Operation.GPT_NUDGE: "nudge",
        Operation.GENERATE: "generate",
        Operation.TOKENIZE: "tokenize",
        Operation.CALLS: "calls",
    }

    def build(self, settings):
        """Build the GPT, and say what it is made of."""
        state = self.state
        model = self._model(settings)
        state.language = model
        state.trainer = None
        held = model.holders()
        names = names_within(model.network)
        facts = np.full(GPT_FACTS, -1, dtype=np.int64)
        facts[GPTFact.PARAMETER_ARRAYS] = len(held)
        facts[GPTFact.OWN_MODEL] = model.own
        facts[GPTFact.SUPPLIED_WEIGHTS] = bool(model.own and state.settings["weights"])
        facts[GPTFact.HAS_AUTOGRAD] = has_gradients(state.components())
        left_out = [name for holder, name in _wanting(model.network, held, names)]
        facts[GPTFact.LEFT_OUT] = len(left_out)
        facts[GPTFact.CONTEXT] = model.context
        sizes = np.asarray([to_array(holder).size for holder in held], dtype=np.int64)
        lines = [names.get(id(holder), f"parameter {number}") for number, holder in enumerate(held)]
        return [facts, sizes, protocol.text_to_array("\n".join([*lines, *left_out]))[:REPORT_BYTES]]

    def _model(self, settings):
        vocabulary, context = settings["vocabulary"], settings["context"]
        maker = self.state.hook("build_model")
        if maker is not None and settings["own"]:
            network = maker(vocabulary)
            if network is None:
                raise StudentFault(Fault.NOT_IMPLEMENTED, "build_model() returned None")
            known = slot_named(network, CONTEXT_NAMES)
            stated = next((getattr(network, n) for n in CONTEXT_NAMES if isinstance(getattr(network, n, 0), int)), 0)
            context = min(stated, context) if stated and known is None else context
            return LanguageModel(self.state, network, vocabulary=vocabulary, context=context, own=True)
        meant = {
            "vocabulary": vocabulary,
            "dim": settings["dim"],
            "layers": settings["layers"],
            "heads": settings["heads"],
            "context": context,
            "hidden": 4 * settings["dim"],
            "dropout": 0.0,
        }
        network = make_by_meaning(self.state.components().find("gpt"), meant, USUAL_ORDER)
        return LanguageModel(self.state, network, vocabulary=vocabulary, context=context, own=False)

    def logits(self, settings, ids):
        """Scores of ``ids``, in batches so that memory stays small."""
        model = self.state.written()
        rows = [model.scores(ids[start : start + BATCH_OF_TEXTS]) for start in range(0, len(ids), BATCH_OF_TEXTS)]
        return [_floats(np.concatenate(rows))]

    # -- changing it -----------------------------------------------------------------------------------------------

    def shake(self, settings):
        """Move every parameter by random numbers, so that nothing is zero or one that was only begun with; remember that."""
        model = self.state.written()
        random = np.random.RandomState(settings["draw"])
        holders = model.holders()
        model.start = []
        for holder in holders:
            array = to_array(holder)
            moved = array + settings["far"] * random.normal(size=array.shape)
            write_array(holder, moved.astype(settings["precision"]))
            model.start.append(to_array(holder).copy())
        return [np.asarray([len(holders)], dtype=np.int64)]

    def change(self, settings):
        """Multiply the query projections by a factor, turn the table of positions upside down, or silence what attention or
        the dense layers of each block answer; or undo all changes."""
        model = self.state.written()
        if settings["what"] == "nothing":
            for holder, array in zip(model.holders(), model.start or [], strict=False):
                write_array(holder, array.copy())
            return [np.zeros(1, dtype=np.int64)]
        find = {
            "queries": self._scale_queries,
            "positions": self._turn_positions,
            "attention": self._silence_attention,
            "dense": self._silence_dense,
        }[settings["what"]]
        return [np.asarray([find(model, settings)], dtype=np.int64)]

    def _scale_queries(self, model, settings):
        changed = 0
        for thing, _ in things_within(model.network):
            projection, whole = named_part(thing, QUERIES), True
            if projection is None:
                projection, whole = named_part(thing, FUSED), False
            if projection is None:
                continue
            slots = [None] if is_number_holder(projection) else [weight_slot(projection), bias_slot(projection)]
            for slot in slots:
                holder = projection if slot is None else slot.held
                array = np.array(to_array(holder))
                part = slice(None) if whole else slice(0, max(array.shape) // 3)
                turned = array.ndim == 2 and not whole and array.shape[0] > array.shape[1]
                view = array.T if turned else array
                view[..., part] = view[..., part] * settings["factor"]
                changed += write_array(holder, array)
        return changed

    def _silence_attention(self, model, settings):
        """Set the output projection of every attention to zero."""
        projections = [
            named_part(thing, OUTPUTS)
            for thing, _ in things_within(model.network)
            if named_part(thing, QUERIES) is not None or named_part(thing, FUSED) is not None
        ]
        return sum(_silence(projection) for projection in projections if projection is not None)

    def _silence_dense(self, model, settings):
        """Set to zero every layer that makes a block's width out of a greater one."""
        width, changed = settings["dim"], 0
        for thing, _ in things_within(model.network):
            slot = weight_slot(thing) if is_layer(thing) else None
            shape = () if slot is None else np.shape(to_array(slot.held))
            sizes = shape[::-1] if self.state.components().stores_transposed() else shape
            if len(sizes) == 2 and sizes[1] == width and sizes[0] >= 2 * width and bias_slot(thing, width) is not None:
                changed += _silence(thing)
        return changed

    def _turn_positions(self, model, settings):
        rows = settings["length"]
        for thing, name in things_within(model.network):
            last = name.rsplit(".", 1)[-1].lower()
            if not ("pos" in name.lower() or last in ("pe", "wpe")) or is_layer(thing):
                continue
            try:
                array = np.array(to_array(thing))
            except StudentFault:
                continue
            axis = next((axis for axis, size in enumerate(array.shape) if size >= rows and array.ndim >= 2), None)
            if axis is None or array.ndim < 2:
                continue
            view = np.moveaxis(array, axis, 0)
            view[:rows] = view[:rows][::-1].copy()
            return int(write_array(thing, array))
        return 0

    # -- gradients -------------------------------------------------------------------------------------------------

    def gradient(self, settings, ids, upstream):
        """Gradients of sum(scores * upstream) by all parameters in one row, zeros where none arrived, and which did."""
        model, adapter = self.state.written(), self.state.components()
        road = adapter.road
        holders = model.holders()
        for holder in holders:
            require_gradient(holder)
            clear_gradient(holder, to_zero=adapter.gradients_start_at_zero())
        scores = model.forward(ids)
        if np.shape(to_array(scores)) != upstream.shape:
            raise StudentFault(Fault.UNSUITABLE, f"the scores have shape {np.shape(to_array(scores))}")
        if not callable(getattr(scores, "backward", None)):
            raise StudentFault(Fault.NO_GRADIENT, "what the GPT answers has no backward()")
        if getattr(scores, "requires_grad", None) is False:
            raise StudentFault(Fault.NO_GRADIENT, "what the GPT answers has lost the way back to its parameters")
        road.back(adapter, scores, upstream)
        rows, arrived = [], []
        for holder in holders:
            size, found = to_array(holder).size, gradient_of(holder)
            if found is not None and np.size(found) != size:
                raise StudentFault(
                    Fault.UNSUITABLE,
                    f"a parameter of shape {to_array(holder).shape} got a gradient of shape {np.shape(found)}",
                )
            arrived.append(found is not None)
            rows.append(np.zeros(size) if found is None else np.ravel(found).astype(np.float64))
        if not any(arrived):
            raise StudentFault(Fault.NO_GRADIENT, "backward() ran, but no gradient arrived at any parameter of the GPT")
        return [np.concatenate(rows), np.asarray(arrived, dtype=np.int64)]

    def nudge(self, settings, ids, which, places):
        """Scores with one number of one parameter moved by -2, -1, 1 and 2 steps, for each of the asked numbers."""
        model = self.state.written()
        holders = model.holders()
        answers = np.empty((len(which), 4, ids.size * model.vocabulary))
        for row, (number, place) in enumerate(zip(which, places, strict=False)):
            holder = holders[number]
            kept = np.array(to_array(holder))
            for column, steps in enumerate((-2, -1, 1, 2)):
                moved = kept.copy()
                moved.reshape(-1)[place] += steps * settings["step"]
                write_array(holder, moved)
                answers[row, column] = np.ravel(model.scores(ids))
            write_array(holder, kept)
        return [answers]

    # -- text ------------------------------------------------------------------------------------------------------

    def generate(self, settings, ids):
        """What the student's own generate() makes of a prompt."""
        model, count = self.state.written(), settings["count"]
        if model.continue_text is not None:
            answer = model.continue_text(model.network, ids, count)
        else:
            generate = getattr(model.network, "generate", None)
            if not callable(generate):
                raise StudentFault(Fault.MISSING, f"{type(model.network).__name__} has no generate()")
            more = {}
            counted = next((name for name in COUNT_NAMES if accepts(generate, name, by_name=True)), None)
            if accepts(generate, "temperature", by_name=True):
                more["temperature"] = settings["temperature"]
            prompt = self.state.components().tensor(ids)
            answer = generate(prompt, **{counted: count}, **more) if counted else generate(prompt, count, **more)
        if answer is None:
            raise StudentFault(Fault.NOT_IMPLEMENTED, "generate() returned None")
        found = np.ravel(to_array(answer)).astype(np.float64)
        if not np.isfinite(found).all():
            raise StudentFault(Fault.UNSUITABLE, "generate() gave tokens that are no numbers")
        return [np.rint(np.clip(found, -1, 1 << 30)).astype(np.int64)]

    def tokenize(self, settings):
        """Fit the student's tokenizer to a corpus, and encode and decode a text."""
        maker, corpus = self.state.components().find("tokenizer"), settings["corpus"]
        fitted = None
        for name, given in (("build_vocab", [corpus]), ("fit", corpus), ("train", [corpus])):
            if callable(getattr(maker, name, None)):
                fitted = _instance(maker)
                getattr(fitted, name)(given)
                break
        if fitted is None:
            fitted = maker(sorted(set(corpus)))
        ids = fitted.encode(settings["text"])
        if ids is None:
            raise StudentFault(Fault.NOT_IMPLEMENTED, "encode() returned None")
        ids = np.ravel(to_array(ids)).astype(np.int64)
        text = fitted.decode(ids.tolist())
        if not isinstance(text, str):
            raise StudentFault(Fault.UNSUITABLE, f"decode() gave {type(text).__name__} and not a text")
        size = getattr(fitted, "vocab_size", None)
        if not isinstance(size, int):
            size = next((len(v) for v in (getattr(fitted, n, None) for n in ("vocab", "char_to_id", "stoi")) if v), -1)
        return [ids, protocol.text_to_array(text), np.asarray([size], dtype=np.int64)]

    # -- what it runs ----------------------------------------------------------------------------------------------

    def calls(self, settings, ids):
        """The functions of the package that one look forward, and backward where there is a way, calls: file, name, line
        and number of calls, in lines."""
        state, adapter = self.state, self.state.components()
        model = self._model(settings)
        road = adapter.road if has_gradients(adapter) else None
        if road is not None:
            for holder in model.holders():
                require_gradient(holder)
        counted = Counter()
        left = [MOST_CALLS]

        def count(frame, event, _):
            if event == "call":
                counted[frame.f_code] += 1
                left[0] -= 1
                if left[0] < 0:
                    raise _Enough

        sys.setprofile(count)
        try:
            scores = model.forward(ids)
            if road is not None and callable(getattr(scores, "backward", None)):
                road.back(adapter, scores, np.ones(np.shape(to_array(scores))))
        except _Enough:
            pass
        finally:
            sys.setprofile(None)
        lines = []
        for code, number in counted.most_common():
            file = state.package.file_in_upload(code.co_filename)
            if file is not None:
                lines.append(f"{file}\t{code.co_qualname}\t{code.co_firstlineno}\t{number}")
        return [protocol.text_to_array("\n".join(lines))[:REPORT_BYTES]]


def _instance(maker):
    """A tokenizer without anything given, or with an empty vocabulary."""
    with contextlib.suppress(TypeError):
        return maker()
    return maker([])


def _silence(layer):
    """Set weight and bias of a layer to zero; how many were changed."""
    slots = [] if is_number_holder(layer) else [weight_slot(layer), bias_slot(layer)]
    holders = [slot.held for slot in slots if slot is not None] or [layer]
    return sum(write_array(holder, np.zeros_like(to_array(holder))) for holder in holders)


def _floats(array):
    return np.ascontiguousarray(array, dtype=array.dtype if array.dtype in (np.float32, np.float64) else np.float64)


# -- looking into it ---------------------------------------------------------------------------------------------------


def things_within(model):
    """(thing, dotted name) of everything that a model is made of, layers and tensors, each once."""
    found, seen = [], set()
    waiting = [(model, "", 0)]
    while waiting:
        thing, name, depth = waiting.pop(0)
        if id(thing) in seen or depth > DEEPEST:
            continue
        seen.add(id(thing))
        found.append((thing, name))
        for key, value in _items_of(thing):
            if not isinstance(value, (bool, int, float, str, bytes, type)) and not inspect.isroutine(value):
                waiting.append((value, f"{name}.{key}" if name else str(key), depth + 1))
    return found


def _items_of(thing):
    if isinstance(thing, (list, tuple)):
        return list(enumerate(thing))[:200]
    if isinstance(thing, dict):
        return [(key, value) for key, value in thing.items() if isinstance(key, (str, int))][:200]
    if is_layer(thing) and hasattr(thing, "__dict__"):
        return list(vars(thing).items())[:200]
    return []


def names_within(model):
    """The dotted name of everything in a model by its identity."""
    return {id(thing): name for thing, name in things_within(model) if name}


def _wanting(model, held, names):
    """(tensor, name) of all in the model that want a gradient and that parameters() does not name."""
    known = {id(holder) for holder in held}
    for holder in held:
        # A parameter may wrap what a layer keeps, or the other way round.
        known.add(id(getattr(holder, "data", None)))
    return [
        (thing, name)
        for thing, name in things_within(model)
        if getattr(thing, "requires_grad", False) is True and id(thing) not in known and not is_layer(thing)
    ]
