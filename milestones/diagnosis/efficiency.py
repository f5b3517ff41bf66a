"""Mistakes in how fast a model is, in what memory it takes, and in how it is handed on."""

from __future__ import annotations

from collections.abc import Mapping

from milestones.contract import Measurement
from milestones.diagnosis.catalogue import Found, cause, evidence_of


@cause(
    "loop_convolution",
    "Lay the windows out as the rows of a matrix (im2col, for example with numpy.lib.stride_tricks.sliding_window_view) and "
    "multiply once: `patches @ weight.reshape(outputs, -1).T`. NumPy then does in compiled code what Python does one by one.",
)
def _loop_convolution(m: Mapping[str, Measurement]) -> Found:
    evidence = evidence_of(m, "convolution_speedup")
    if not evidence.get("looped"):
        return None
    each, product = evidence["microseconds"], evidence["microseconds_of_matrix_product"]
    return (
        f"The convolution loops in Python: {each:.2g} µs for a multiply-accumulate, {evidence['factor']:.2g} times as fast as "
        f"plain loops. As one matrix product the same takes {product:.2g} µs here: about {each / product:,.0f} times as fast.",
        {
            name: evidence[name]
            for name in ("microseconds", "microseconds_of_loops", "microseconds_of_matrix_product", "factor")
        },
    )


@cause(
    "batch_looped",
    "Let the batch be one more axis of the arrays: NumPy then computes all images in one call. A loop like `for image in batch`"
    " pays Python's price for every image.",
)
def _batch_looped(m: Mapping[str, Measurement]) -> Found:
    evidence = evidence_of(m, "batch_scaling")
    # Plain loops walk through everything, the batch included: that is said once.
    if not evidence.get("looped") or evidence_of(m, "convolution_speedup").get("looped"):
        return None
    return (
        "The convolution computes each image of a batch by itself: the time of tiny images grows as the batch to the power of "
        f"{evidence['measured']:.2f}.",
        {"exponent": evidence["measured"], "points": evidence["points"]},
    )


@cause(
    "latency_grows_faster_than_batch",
    "Look for an array with the batch in it twice, such as (batch, batch, …), and for arrays that are put together anew for "
    "every image: the work of one image must not depend on how many others there are.",
)
def _latency_grows_faster(m: Mapping[str, Measurement]) -> Found:
    evidence = evidence_of(m, "latency_scaling")
    if not evidence.get("steep"):
        return None
    return (
        f"The time of a batch grows as its size to the power of {evidence['measured']:.2f}: twice the images take "
        f"{2 ** evidence['measured']:.1f} times as long.",
        {"exponent": evidence["measured"], "points": evidence["points"]},
    )


@cause(
    "inference_memory_large",
    "Find the largest array of the forward pass: an im2col needs kernel height × kernel width times the memory of its input and "
    "no more. Float64 doubles everything; a batch can be computed in parts.",
)
def _inference_memory_large(m: Mapping[str, Measurement]) -> Found:
    measured = m.get("inference_memory")
    if measured is None or "megabytes_an_image" not in measured.evidence or (measured.value or 0) >= 0.5:
        return None
    each = measured.evidence["megabytes_an_image"]
    return f"Inference takes {each:.0f} MB of memory for every image of a batch.", dict(measured.evidence)


@cause(
    "memory_grows_with_every_call",
    "Something that outlives the call keeps what it computed: a list on the model, a cache without a limit, a chain of tensors "
    "that remember how they were made. Keep numbers (`x.data`) instead of tensors, and clear what is kept.",
)
def _memory_grows(m: Mapping[str, Measurement]) -> Found:
    evidence = evidence_of(m, "memory_growth")
    if not evidence.get("grows"):
        return None
    return m["memory_growth"].message, {"bytes_a_call": evidence["bytes_a_call"], "held": evidence["held"]}


@cause(
    "inference_depends_on_batch",
    "Switch to inference: batch normalisation then uses the mean and variance that it kept in training, and not those of the "
    "batch at hand (`model.eval()`, `training = False`).",
)
def _inference_depends_on_batch(m: Mapping[str, Measurement]) -> Found:
    evidence = evidence_of(m, "single_and_batch")
    if not evidence.get("depends_on_batch") or evidence_of(m, "fresh_answers").get("stale"):
        return None
    return (
        f"What the model answers for an image depends on the other images of its batch: {evidence['apart']:.1%} apart from its "
        "answer alone. Something uses statistics of the batch when it predicts.",
        dict(evidence),
    )


@cause(
    "inference_is_random",
    "Switch dropout and every other draw of random numbers off when the model predicts (`model.eval()`, `training = False`).",
)
def _inference_is_random(m: Mapping[str, Measurement]) -> Found:
    if not evidence_of(m, "deterministic").get("unsteady"):
        return None
    return f"The model answers by chance. {m['deterministic'].message}", dict(evidence_of(m, "deterministic"))


@cause(
    "stale_cache",
    "Key a cache by everything that the result depends on (the bytes of the input, and a number that changes with the weights), "
    "or empty it when the weights change.",
)
def _stale_cache(m: Mapping[str, Measurement]) -> Found:
    evidence = evidence_of(m, "fresh_answers")
    if not evidence.get("stale"):
        return None
    words = "other images" if evidence["ignores"] == "images" else "the same images although the weights have changed"
    return f"The model answers from memory: it gives exactly the scores of an earlier call for {words}.", dict(evidence)


# -- saving ------------------------------------------------------------------------------------------------------------


def _not_reloaded(m: Mapping[str, Measurement]) -> Mapping:
    """The evidence of a model that was saved and not the same after loading; empty otherwise."""
    evidence = evidence_of(m, "save_and_load")
    # Answers out of a memory that is never renewed say nothing about what was loaded.
    stale = evidence_of(m, "fresh_answers").get("stale")
    return evidence if "works_here" in evidence and not stale else {}


@cause(
    "load_needs_the_same_program",
    "Write everything that loading needs into the file, and try it as it will be used: save, end Python, start it again, load.",
)
def _load_needs_the_same_program(m: Mapping[str, Measurement]) -> Found:
    evidence = _not_reloaded(m)
    if not evidence.get("works_here"):
        return None
    return (
        f"{evidence['means']} and its counterpart work within one program, and not in a fresh one: "
        f"{m['save_and_load'].message[:1].lower()}{m['save_and_load'].message[1:]}",
        dict(evidence),
    )


@cause(
    "loading_changes_nothing",
    "Put the numbers that were read into the model's own parameters (`parameter.data = saved[name]`), or return the model that "
    "was read.",
)
def _loading_changes_nothing(m: Mapping[str, Measurement]) -> Found:
    evidence = _not_reloaded(m)
    if evidence.get("works_here", True) or not evidence.get("unchanged"):
        return None
    return f"After loading what {evidence['means']} wrote, the model answers as it did before.", dict(evidence)


@cause(
    "saving_loses_weights",
    "Save every array of `model.parameters()`, biases included, at full precision, and compare them after loading.",
)
def _saving_loses_weights(m: Mapping[str, Measurement]) -> Found:
    evidence = _not_reloaded(m)
    if evidence.get("works_here", True) or evidence.get("unchanged") or evidence.get("apart") is None:
        return None
    return (
        f"The model that {evidence['means']} saved is another one after loading, {evidence['apart']:.1%} apart, even in the same "
        "program: something of it is not saved, or not put back.",
        dict(evidence),
    )


@cause(
    "loading_fails",
    "Load what you have just saved: the file must be written and read in the same form, under the same name.",
)
def _loading_fails(m: Mapping[str, Measurement]) -> Found:
    evidence = _not_reloaded(m)
    if evidence.get("works_here", True) or not evidence.get("trouble"):
        return None
    return f"What {evidence['means']} wrote can't be loaded, not even in the same program. {evidence['trouble']}", dict(
        evidence
    )


@cause(
    "whole_model_pickled",
    "Save the numbers and not the objects: `np.savez(path, **arrays)`. A pickle of objects runs code when it is loaded, and can "
    "no longer be read once a class was renamed or moved.",
)
def _whole_model_pickled(m: Mapping[str, Measurement]) -> Found:
    if not evidence_of(m, "saved_plainly").get("whole_objects"):
        return None
    return (
        f"{evidence_of(m, 'save_and_load').get('means', 'Saving')} pickles the model as a whole, classes and all.",
        {},
    )


# -- bad inputs and smaller forms --------------------------------------------------------------------------------------


@cause(
    "bad_input_accepted",
    "Check shape and type where images come in, and raise a ValueError that says what was expected and what came.",
)
def _bad_input_accepted(m: Mapping[str, Measurement]) -> Found:
    evidence = evidence_of(m, "bad_inputs")
    if not evidence.get("answered"):
        return None
    row = next(row for row in evidence["rows"] if row[1] == "answered")
    return f"The model gives {row[2]} for {row[0]}, as if nothing were wrong.", {"answered": evidence["answered"]}


@cause(
    "bad_input_ends_the_program",
    "Raise an exception and let the caller decide: a server must survive one bad request.",
)
def _bad_input_ends_the_program(m: Mapping[str, Measurement]) -> Found:
    evidence = evidence_of(m, "bad_inputs")
    if not evidence.get("ended"):
        return None
    row = next(row for row in evidence["rows"] if row[1] == "ended the program")
    return f"For {row[0]} the model ends the whole program ({row[2]}).", {"ended": evidence["ended"]}


@cause(
    "quantisation_destroys",
    "Spread the 256 levels over the range from the smallest to the largest value, `scale = (high - low) / 255`, round and do not "
    "cut off, and undo exactly that: `(q - zero_point) * scale`.",
)
def _quantisation_destroys(m: Mapping[str, Measurement]) -> Found:
    evidence = evidence_of(m, "quantisation")
    if not evidence.get("destroys"):
        return None
    step = evidence["step"]
    error = f"{step:.1%}" if isinstance(step, float) else "more than all"
    return (
        f"Numbers restored from {evidence['means']} are off by up to {error} of their range (half a step of 255 is 0.2 %); "
        f"{evidence['kept']:.0%} of the model's answers stay the same.",
        dict(evidence),
    )


@cause(
    "quantisation_does_not_shrink",
    "Keep the quantised numbers in an int8 array: a Tensor that turns everything into float32 takes four bytes for each of them "
    "again. The course's own Tensor does that.",
)
def _quantisation_does_not_shrink(m: Mapping[str, Measurement]) -> Found:
    evidence = evidence_of(m, "quantisation")
    if evidence.get("shrinks", True):
        return None
    return (
        f"{evidence['means']} turns {evidence['bytes_before']:,} bytes into {evidence['bytes_after']:,}: nothing is saved.",
        dict(evidence),
    )


@cause(
    "pruning_misses_its_share",
    "Find the threshold over the absolute values of all weights together, `np.quantile(np.abs(weights), share)`, and write the "
    "zeros back into the model.",
)
def _pruning_misses_its_share(m: Mapping[str, Measurement]) -> Found:
    evidence = evidence_of(m, "pruning")
    if "share" not in evidence or m["pruning"].passed:
        return None
    return m["pruning"].message, dict(evidence)


@cause(
    "profiler_miscounts",
    "Add up the sizes of all arrays in `model.parameters()`: weights and biases, of every layer.",
)
def _profiler_miscounts(m: Mapping[str, Measurement]) -> Found:
    evidence = evidence_of(m, "profiler")
    if "counted" not in evidence or m["profiler"].passed:
        return None
    return m["profiler"].message, dict(evidence)
