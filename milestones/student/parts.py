"""The parts that a GPT is made of, over all generations of the course: what the student calls them, how they are made and
called, and where they keep what they learn."""

import inspect

import numpy as np

from milestones.student.components import NOTHING, numbers
from milestones.student.operations import Fault, Operation
from milestones.student.state import Desk
from milestones.student.values import (
    StudentFault,
    bias_slot,
    gradient_of,
    require_gradient,
    slot_named,
    to_array,
    weight_slot,
    write_array,
)

# Names of parameters of a maker, by what they mean. A name that contains one of these words means it.
MEANINGS = {
    "vocabulary": ("vocab", "num_embeddings", "n_tokens"),
    "layers": ("layer", "depth", "num_blocks", "n_blocks"),
    "heads": ("head",),
    "context": ("len", "context", "block", "max_pos", "seq", "positions"),
    "hidden": ("ff", "hidden", "inner"),
    "dropout": ("drop",),
    "ratio": ("ratio",),
    "dim": ("dim", "d_model", "embd", "embed", "hidden_size", "features", "width"),
}
NORM_SCALES = ("gamma", "weight", "scale", "g")
NORM_SHIFTS = ("beta", "bias", "shift", "b")
QUERIES = ("q_proj", "w_q", "W_q", "wq", "Wq", "W_Q", "query", "query_proj", "q_linear", "to_q", "q")
KEYS = ("k_proj", "w_k", "W_k", "wk", "Wk", "W_K", "key", "key_proj", "k_linear", "to_k", "k")
VALUES = ("v_proj", "w_v", "W_v", "wv", "Wv", "W_V", "value", "value_proj", "v_linear", "to_v", "v")
OUTPUTS = (
    *("out_proj", "w_o", "W_o", "wo", "Wo", "W_O", "o_proj", "output_proj", "out", "output", "proj", "out_linear"),
    *("to_out", "c_proj", "fc_out", "o"),
)
FUSED = ("qkv_proj", "qkv", "c_attn", "in_proj", "to_qkv", "w_qkv")


class Parts(Desk):
    """Questions about single parts of a GPT."""

    operations = {Operation.PART: "part"}

    def part(self, settings, inputs, upstream, *parameters):
        """The output for ``inputs``, and gradients of sum(output * upstream) by inputs and each parameter; an empty array
        where none arrived, or where ``upstream`` is empty."""
        adapter = self.state.components()
        part = MAKERS[settings["component"]](adapter, settings, list(parameters))
        road = adapter.road if upstream.size and has_gradients(adapter) else None
        if road is not None:
            if road.through_variables:
                adapter.wrap_parameters(part.thing)
            for holder in part.holders():
                require_gradient(holder)
        learns = road is not None and inputs.dtype.kind == "f"
        start = road.input(adapter, inputs, requires_grad=True) if learns else adapter.tensor(inputs)
        try:
            output = part.forward(start)
        except Exception:
            if not learns or not road.through_variables:
                raise
            # What came with the first language model takes Tensors only, whatever earlier layers learnt to take.
            part = MAKERS[settings["component"]](adapter, settings, list(parameters))
            output, road = part.forward(adapter.tensor(inputs)), None
        answers = [NOTHING] * (1 + len(parameters))
        differentiable = road is not None and callable(getattr(output, "backward", None))
        if differentiable and np.shape(to_array(output)) == upstream.shape:
            road.back(adapter, output, upstream)
            held = [gradient_of(start) if learns else None, *part.gradients()]
            answers = [NOTHING if gradient is None else numbers(gradient) for gradient in held]
        return [numbers(output), *answers]


class Part:
    """One part: ``forward`` takes and gives the student's tensors, ``slots`` are where its parameters are kept."""

    def __init__(self, adapter, thing, slots, arrays):
        self.adapter = adapter
        self.thing = thing
        self.slots = slots
        for slot, array in zip(slots, arrays, strict=False):
            put(adapter, slot, array, thing)

    def holders(self):
        """What holds each parameter and its gradient."""
        return [slot.held for slot in self.slots]

    def gradients(self):
        """What arrived at each parameter."""
        return [gradient_of(holder) for holder in self.holders()]

    def forward(self, x):
        """What it answers; the first of several answers."""
        return first_of(self.adapter.call(self.thing, x))


class AttentionPart(Part):
    """Self-attention; those of the first generation want query, key and value. One projection may make all three of them:
    then its weight (size, 3 size) and bias stand for three weights and biases."""

    def __init__(self, adapter, thing, slots, arrays):
        self.fused = len(slots) == 4
        if self.fused and arrays:
            query, query_bias, key, key_bias, value, value_bias, *output = arrays
            arrays = [np.hstack([query, key, value]), np.hstack([query_bias, key_bias, value_bias]), *output]
        super().__init__(adapter, thing, slots, arrays)

    def gradients(self):
        """Those of query, key, value and output, the first three cut out of one where they are one."""
        found = super().gradients()
        if not self.fused:
            return found
        weight, bias, *output = found
        if weight is not None and weight.shape[0] == 3 * weight.shape[1]:
            weight = weight.T
        weights = [None] * 3 if weight is None else np.split(weight, 3, axis=-1)
        biases = [None] * 3 if bias is None else np.split(np.ravel(bias), 3)
        return [*(part for pair in zip(weights, biases, strict=True) for part in pair), *output]

    def forward(self, x):
        """What it answers to ``x`` without any mask."""
        return first_of(self.adapter.call(self.thing, *[x] * wanted_inputs(self.thing)))


def make_gelu(adapter, settings, parameters):
    """The activation GELU."""
    return Part(adapter, adapter.activation("gelu"), [], [])


def make_layer_norm(adapter, settings, parameters):
    """A layer normalisation over the last axis; its parameters are scale and shift, (size,)."""
    size = settings["size"]
    thing = adapter.find("layer_norm")(size)
    scale, shift = slot_named(thing, NORM_SCALES), slot_named(thing, NORM_SHIFTS)
    if parameters and (scale is None or shift is None):
        raise StudentFault(Fault.MISSING, f"{type(thing).__name__} keeps no scale and shift, such as gamma and beta")
    return Part(adapter, thing, [scale, shift] if parameters else [], parameters)


def make_embedding(adapter, settings, parameters):
    """A table of (vocabulary, size)."""
    shape = (settings["vocabulary"], settings["size"])
    thing = make_by_meaning(adapter.find("embedding"), {"vocabulary": shape[0], "dim": shape[1]}, ("vocabulary", "dim"))
    slot = weight_slot(thing, shape)
    if slot is None:
        raise StudentFault(Fault.MISSING, f"{type(thing).__name__} keeps no table of shape {shape}")
    return Part(adapter, thing, [slot], parameters)


def make_positions(adapter, settings, parameters):
    """What adds positions to vectors; its parameters are its own."""
    meant = {"context": settings["context"], "dim": settings["size"], "dropout": 0.0}
    return Part(adapter, make_by_meaning(adapter.find("positions"), meant, ("context", "dim")), [], [])


def make_attention(adapter, settings, parameters):
    """Self-attention of several heads; its parameters are weight (size, size) and bias (size,) of query, key, value, output."""
    size = settings["size"]
    meant = {"dim": size, "heads": settings["heads"], "dropout": 0.0, "context": settings["length"]}
    thing = make_by_meaning(adapter.find("attention"), meant, ("dim", "heads"))
    return AttentionPart(adapter, thing, projection_slots(adapter, thing, size), parameters)


MAKERS = {
    "gelu": make_gelu,
    "layer_norm": make_layer_norm,
    "embedding": make_embedding,
    "positions": make_positions,
    "attention": make_attention,
}


# -- how they are made and called --------------------------------------------------------------------------------------


def has_gradients(adapter):
    """Whether anything of the student's goes backward."""
    try:
        return adapter.road is not None
    except StudentFault as fault:
        if fault.fault == Fault.NO_GRADIENT:
            return False
        raise


def meaning_of(name):
    """What a maker's parameter of this name means, or None."""
    name = name.lower()
    # "embed_dim" is a width and "max_embeddings" a number of things: the words are tried in the order of the table.
    return next((meaning for meaning, words in MEANINGS.items() if any(word in name for word in words)), None)


def make_by_meaning(maker, meant, usual_order):
    """What ``maker`` makes of values by their meaning, whatever it calls them and in whatever order it wants them."""
    try:
        parameters = inspect.signature(maker).parameters
    except (TypeError, ValueError):
        parameters = {}
    given = {}
    unknown = []
    for name, parameter in parameters.items():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        meaning = meaning_of(name)
        if meaning in meant and meaning not in given.values():
            given[name] = meaning
        elif parameter.default is parameter.empty:
            unknown.append(name)
    if not unknown and given:
        return maker(**{name: meant[meaning] for name, meaning in given.items()})
    return maker(*[meant[meaning] for meaning in usual_order])


def wanted_inputs(attention):
    """How many inputs an attention can't do without: one, or query, key and value."""
    forward = getattr(attention, "forward", None) or type(attention).__call__
    try:
        parameters = inspect.signature(forward).parameters.values()
    except (TypeError, ValueError):
        return 1
    needed = [p for p in parameters if p.default is p.empty and p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return 3 if len([p for p in needed if p.name not in ("self", "mask")]) >= 3 else 1


def first_of(answer):
    """The answer itself, or the output where attention weights came with it."""
    return answer[0] if isinstance(answer, (tuple, list)) and len(answer) else answer


def projection_slots(adapter, attention, size):
    """Where weight and bias of query, key, value and output are kept, as far as they are found apart."""
    slots = []
    fused = named_part(attention, QUERIES) is None and named_part(attention, FUSED) is not None
    for names in (FUSED, OUTPUTS) if fused else (QUERIES, KEYS, VALUES, OUTPUTS):
        projection = named_part(attention, names)
        if projection is None:
            raise StudentFault(
                Fault.MISSING,
                f"{type(attention).__name__} has no projection that can be set: no attribute such as {names[0]}",
            )
        width = 3 * size if names is FUSED else size
        weight = weight_slot(projection, (size, width)) if not is_number_holder(projection) else None
        if weight is None:
            raise StudentFault(
                Fault.MISSING, f"{names[0]} of {type(attention).__name__} is no layer with a weight of its own"
            )
        bias = bias_slot(projection, width)
        if bias is None:
            raise StudentFault(Fault.MISSING, f"{names[0]} of {type(attention).__name__} keeps no bias")
        slots += [weight, bias]
    return slots


def named_part(thing, names):
    """What a thing keeps under the first of ``names`` that it has and that is no plain number."""
    for name in names:
        held = getattr(thing, name, None)
        if held is not None and not isinstance(held, (bool, int, float, str)) and not inspect.isroutine(held):
            return held
    return None


def is_number_holder(thing):
    """Whether a thing is an array or tensor and no layer."""
    try:
        return to_array(thing).ndim > 0 and weight_slot(thing) is None
    except StudentFault:
        return False


def put(adapter, slot, array, thing):
    """Write a parameter, (in, out) weights in the orientation that the student's dense layers store."""
    shape = np.shape(to_array(slot.held))
    if np.prod(shape, dtype=int) != array.size:
        raise StudentFault(Fault.UNSUITABLE, f"{type(thing).__name__} keeps a parameter of shape {shape}", shape[:4])
    square = array.ndim == 2 and array.shape[0] == array.shape[1]
    turned = adapter.stores_transposed() if square else shape == array.shape[::-1] and shape != array.shape
    array = np.ascontiguousarray(array.T if turned else array).reshape(shape)
    if type(slot.held) is np.ndarray:
        slot.held = array
    elif not write_array(slot.held, array):
        slot.held = adapter.tensor(array)
