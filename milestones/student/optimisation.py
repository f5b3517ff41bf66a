"""What the student's code offers to make models smaller or to look into them: quantisation, pruning, profiling."""

import inspect

import numpy as np

from milestones.sandbox import protocol
from milestones.student.components import numbers
from milestones.student.operations import STRUCTURE_BYTES, Fault, Operation
from milestones.student.state import Desk
from milestones.student.values import StudentFault, parameters_of, to_array, write_array

# (quantise, restore) as functions of the package, or as static methods of a class of it.
QUANTISERS = (
    ("quantize_int8", "dequantize_int8"),
    ("quantize_tensor", "dequantize_tensor"),
    ("quantize", "dequantize"),
)
QUANTISER_CLASSES = ("Quantizer", "QuantizationComplete", "INT8Quantizer")
PRUNERS = ("magnitude_prune", "prune_by_magnitude", "prune_weights", "prune")
PROFILER_CLASSES = ("Profiler", "ModelProfiler", "SimpleProfiler", "ProfilerComplete")


class Optimisation(Desk):
    """Questions that are only asked where there is something to ask: what is missing is a fault that says so."""

    operations = {
        Operation.QUANTISE: "quantise",
        Operation.QUANTISE_MODEL: "quantise_model",
        Operation.PRUNE: "prune",
        Operation.PROFILE: "profile",
    }

    def quantise(self, settings, array):
        """An array on its way into few bits and back, and the bytes that the few bits take."""
        name, there, back = self._quantiser()
        restored, taken = self._there_and_back(there, back, array)
        return [numbers(restored), np.asarray([taken], dtype=np.int64), _text(name)]

    def quantise_model(self, settings):
        """Put every parameter of the model through it."""
        name, there, back = self._quantiser()
        before = after = 0
        for holder in parameters_of(self.state.built().network):
            array = to_array(holder)
            restored, taken = self._there_and_back(there, back, array)
            before, after = before + array.nbytes, after + taken
            if restored.shape != array.shape or not write_array(holder, restored.astype(array.dtype)):
                raise StudentFault(
                    Fault.UNSUITABLE, f"{name} gives an array of shape {restored.shape} for {array.shape}"
                )
        return [np.asarray([before, after], dtype=np.int64), _text(name)]

    def prune(self, settings):
        """Remove a share of the weights; how many of all are zero then."""
        function = self._function(PRUNERS)
        if function is None:
            raise StudentFault(Fault.MISSING, f"no function {PRUNERS[0]}(model, sparsity) was found")
        model = self.state.built()
        returned = function(model.network, settings["share"])
        if returned is not None and hasattr(returned, "forward"):
            model.network = returned
        weights = [array for array in map(to_array, parameters_of(model.network)) if array.ndim > 1]
        zeros = sum(int((array == 0).sum()) for array in weights)
        return [np.asarray([zeros, sum(array.size for array in weights)], dtype=np.int64), _text(function.__name__)]

    def profile(self, settings):
        """How many parameters the student's profiler sees in the model."""
        profiler = next((c for name in PROFILER_CLASSES if (c := self._class(name))), None)
        if profiler is None or not callable(getattr(profiler, "count_parameters", None)):
            raise StudentFault(Fault.MISSING, f"no class {PROFILER_CLASSES[0]} with count_parameters(model) was found")
        counted = profiler().count_parameters(self.state.built().network)
        return [np.asarray([int(counted)], dtype=np.int64), _text(f"{profiler.__name__}.count_parameters")]

    # -- finding -----------------------------------------------------------------------------------------------------

    def _quantiser(self):
        """(name, quantise, restore), the plainest that the package has."""
        for names in QUANTISERS:
            pair = [self._function((name,)) for name in names]
            if all(pair):
                return names[0], *pair
        for class_name in QUANTISER_CLASSES:
            found = self._class(class_name)
            for names in QUANTISERS:
                if found and all(callable(getattr(found, name, None)) for name in names):
                    made = found()
                    return f"{class_name}.{names[0]}", *(getattr(made, name) for name in names)
        raise StudentFault(Fault.MISSING, f"no functions {' and '.join(QUANTISERS[0])} were found")

    def _there_and_back(self, there, back, array):
        few = there(self.state.components().tensor(array))
        if few is None:
            raise StudentFault(Fault.NOT_IMPLEMENTED, f"{there.__name__} returned None")
        few = few if isinstance(few, tuple) else (few,)
        restored = to_array(back(*few))
        return restored, to_array(few[0]).nbytes

    def _function(self, names):
        return self._first(names, inspect.isfunction)

    def _class(self, name):
        return self._first((name,), inspect.isclass)

    def _first(self, names, is_kind):
        package = self.state.opened()
        for name in names:
            for module in package.modules.values():
                found = vars(module).get(name)
                if is_kind(found) and package.is_students(found):
                    return found
        return None


def _text(name):
    return protocol.text_to_array(name)[:STRUCTURE_BYTES]
