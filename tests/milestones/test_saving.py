"""Models are saved in many ways. Whatever way a package has is found and tried: save here, load in a fresh program."""

from dataclasses import replace

import pytest

from milestones import registry
from milestones.catalog.samples import files_of
from milestones.contract import Measurement, Status
from milestones.evaluate import evaluate
from tests.milestones.packages import Files, write

pytestmark = pytest.mark.sandbox

MILESTONE = registry.get(4)
PACKAGE = files_of(MILESTONE.folder / "samples" / "small_network")
SAVING = "tinytorch/core/serialization.py"
SUBMISSION = "submission.py"
WITHOUT = {name: content for name, content in PACKAGE.items() if name != SAVING}


def text(name: str) -> str:
    return PACKAGE[name].decode()


def model_with(methods: str) -> str:
    """A submission whose model is a class of its own with these methods."""
    return (
        text(SUBMISSION).replace(
            "def build_model",
            f"""import numpy as np


class Net:
    def __init__(self, network):
        self.network = network

    def forward(self, x):
        return self.network(x)

    def parameters(self):
        return self.network.parameters()

{methods}


def network""",
        )
        + """

def build_model():
    return Net(network())
"""
    )


TRAINER = """

    def {save}(self, path):
        with open(path, "wb") as file:
            pickle.dump({{"step": 3, "model": [p.data.copy() for p in self.model.parameters()]}}, file)

    def {load}(self, path):
        with open(path, "rb") as file:
            for parameter, array in zip(self.model.parameters(), pickle.load(file)["model"]):
                parameter.data = array
"""


def with_trainer(save: str, load: str) -> Files:
    module = "tinytorch/core/training.py"
    return WITHOUT | {module: "import pickle\n" + text(module) + TRAINER.format(save=save, load=load)}


FUNCTIONS = """import numpy as np


def save_model(model, path):
    np.savez(path, *[p.data for p in model.parameters()])


def load_model(model, path):
    with np.load(path) as arrays:
        for p, name in zip(model.parameters(), arrays.files):
            p.data = arrays[name]
"""


def measured(files: Files, folder) -> dict[str, Measurement]:
    (deployment,) = [group for group in MILESTONE.groups if group.key == "deployment"]
    only = tuple(check for check in deployment.checks if check.key == "save_and_load")
    result = evaluate(replace(MILESTONE, groups=(replace(deployment, checks=only),)), write(files, folder), seed=5)
    return {measurement.key: measurement for measurement in result.measurements}


WAYS = {
    "functions_in_the_package": (WITHOUT | {SAVING: FUNCTIONS}, "save_model() in tinytorch.core.serialization"),
    "functions_in_the_submission": (
        WITHOUT | {SUBMISSION: text(SUBMISSION) + FUNCTIONS},
        "save_model() in submission.py",
    ),
    "path_before_model": (
        WITHOUT | {SAVING: FUNCTIONS.replace("(model, path)", "(filename, model)").replace("path", "filename")},
        "save_model() in tinytorch.core.serialization",
    ),
    "any_dictionary_pickled": (
        WITHOUT
        | {
            SAVING: "import pickle\n\n\ndef save_checkpoint(checkpoint_dict, path):\n"
            "    pickle.dump(checkpoint_dict, open(path, 'wb'))\n\n\n"
            "def load_checkpoint(path):\n    return pickle.load(open(path, 'rb'))\n"
        },
        "save_checkpoint() in tinytorch.core.serialization",
    ),
    "several_files": (
        WITHOUT
        | {
            SAVING: "import numpy as np\n\n\ndef save_weights(model, path):\n"
            "    for i, p in enumerate(model.parameters()):\n        np.save(f'{path}.{i}', p.data)\n\n\n"
            "def load_weights(model, path):\n    for i, p in enumerate(model.parameters()):\n"
            "        p.data = np.load(f'{path}.{i}.npy')\n"
        },
        "save_weights() in tinytorch.core.serialization",
    ),
    "methods_of_the_model": (
        WITHOUT
        | {
            SUBMISSION: model_with(
                "    def save(self, path):\n        np.savez(path, *[p.data for p in self.parameters()])\n\n"
                "    def load(self, path):\n        arrays = np.load(path)\n"
                "        for p, name in zip(self.parameters(), arrays.files):\n            p.data = arrays[name]\n"
            )
        },
        "Net.save()",
    ),
    "state_dictionary": (
        WITHOUT
        | {
            SUBMISSION: model_with(
                "    def state_dict(self):\n        return {f'p{i}': p for i, p in enumerate(self.parameters())}\n\n"
                "    def load_state_dict(self, state):\n        for i, p in enumerate(self.parameters()):\n"
                "            p.data = np.asarray(state[f'p{i}'])\n"
            )
        },
        "Net.state_dict()",
    ),
    "checkpoints_of_a_trainer": (with_trainer("save_checkpoint", "load_checkpoint"), "Trainer.save_checkpoint()"),
    "misspelt_checkpoints": (with_trainer("save_checkpoints", "load_checkpoints"), "Trainer.save_checkpoints()"),
}


@pytest.mark.parametrize(
    ("files", "means"),
    [pytest.param(*case, id=name.replace("_", " ")) for name, case in WAYS.items()],
)
def test_a_model_is_saved_and_loaded_however_the_package_does_it(files, means, tmp_path):
    found = measured(files, tmp_path)
    assert found["save_and_load"].evidence["means"] == means
    assert (found["save_and_load"].status, found["saved_plainly"].status) == (Status.PASSED, Status.PASSED)


def test_a_package_that_saves_nothing_is_told_what_was_looked_for(tmp_path):
    found = measured(WITHOUT, tmp_path)
    assert found["save_and_load"].status is Status.MISSING
    assert "save_model(model, path)" in found["save_and_load"].message
