"""Losses, optimizers and Trainers differ from edition to edition and from student to student. Correct ones get all their points,
whatever they are called and however they want to be given things; broken ones are results and never trouble."""

from dataclasses import replace

import pytest

from milestones import registry
from milestones.catalog import samples
from milestones.contract import Status
from milestones.evaluate import evaluate
from tests.milestones.packages import changed, everywhere, write

pytestmark = pytest.mark.sandbox

MILESTONE = registry.get(3)
LOSSES, OPTIMIZERS, TRAINING, AUTOGRAD, LAYERS = (
    f"tinytorch/core/{name}.py" for name in ("losses", "optimizers", "training", "autograd", "layers")
)
FULL = {
    file: content.decode()
    for file, content in samples.files_of(MILESTONE.folder / "samples" / "full_trainer").items()
    if file.endswith(".py")
}


class Asked:
    """What the named groups of milestone 3 found out about a package."""

    def __init__(self, files, folder, *groups):
        asked = replace(MILESTONE, groups=tuple(group for group in MILESTONE.groups if group.key in groups))
        self.result = evaluate(asked, write(files, folder), seed=5)
        self.measurements = {found.key: found for found in self.result.measurements}

    def __getitem__(self, key):
        return self.measurements[key]

    @property
    def wrong(self):
        """The checks that did not pass, with what they say."""
        passing = {Status.PASSED, Status.INFORMATION}
        return {key: found.message for key, found in self.measurements.items() if found.status not in passing}

    @property
    def causes(self):
        return {diagnosis.code for diagnosis in self.result.diagnoses if not diagnosis.symptom}


def cases(**named):
    """Parameters with their names as words."""
    return [pytest.param(value, id=name.replace("_", " ")) for name, value in named.items()]


# -- losses ------------------------------------------------------------------------------------------------------------

ONE_HOT = changed(
    FULL,
    LOSSES,
    (
        "return apply(CrossEntropyOperation(logits, classes.astype(np.int64).reshape(-1)))",
        "return self.of(logits, classes)",
    ),
    (
        "\n\nclass CrossEntropyOperation",
        "\n    def of(self, logits, rows):\n"
        "        if rows.shape != logits.shape:\n"
        "            raise ValueError('one-hot rows are wanted')\n"
        "        return apply(CrossEntropyOperation(logits, rows.argmax(axis=1)))\n\n\nclass CrossEntropyOperation",
    ),
)
OF_LOGITS = changed(
    FULL,
    LOSSES,
    (
        "self.kept = np.clip(a, self.SMALLEST, 1 - self.SMALLEST)",
        "self.kept = 1 / (1 + np.exp(-np.clip(a, -500, 500)))",
    ),
    (
        "each = self.targets * np.log(self.kept) + (1 - self.targets) * np.log(1 - self.kept)",
        "each = a * self.targets - np.maximum(a, 0) - np.log1p(np.exp(-np.abs(a)))",
    ),
    ("slope = (self.kept - self.targets) / (self.kept * (1 - self.kept))", "slope = self.kept - self.targets"),
)
GRADIENTS_AS_TENSORS = everywhere(
    changed(
        FULL,
        AUTOGRAD,
        (
            "node.grad = grad.copy() if node.grad is None else node.grad + grad",
            "node.grad = type(node)(grad.copy() if node.grad is None else node.grad.data + grad)",
        ),
    ),
    "param.grad if",
    "param.grad.data if",
)
GRADIENTS_AS_TENSORS = changed(
    GRADIENTS_AS_TENSORS,
    OPTIMIZERS,
    (
        "update = param.grad + self.weight_decay * param.data if",
        "update = param.grad.data + self.weight_decay * param.data if",
    ),
    ("else param.grad\n", "else param.grad.data\n"),
    ("(1 - beta1) * param.grad\n", "(1 - beta1) * param.grad.data\n"),
    ("(1 - beta2) * param.grad**2", "(1 - beta2) * param.grad.data**2"),
)


@pytest.mark.parametrize(
    "files",
    cases(
        named_as_in_the_first_edition=everywhere(FULL, "MSELoss", "MeanSquaredError"),
        one_hot_labels_only=ONE_HOT,
        binary_cross_entropy_of_logits=OF_LOGITS,
        forward_only_by_name=changed(FULL, LOSSES, ("def __call__(self, logits", "def apply(self, logits")),
        gradients_kept_as_tensors=GRADIENTS_AS_TENSORS,
    ),
)
def test_a_correct_loss_is_right_however_it_wants_to_be_asked(files, tmp_path):
    asked = Asked(files, tmp_path, "losses")
    assert (asked.wrong, asked.causes) == ({}, set())


def test_a_loss_that_is_still_a_stub_is_not_implemented_yet(tmp_path):
    files = changed(FULL, LOSSES, ("return (difference * difference).mean()", "pass"))
    asked = Asked(files, tmp_path, "losses")
    assert asked["mean_squared_error"].status is Status.NOT_IMPLEMENTED
    assert asked.causes == {"not_implemented"}


@pytest.mark.parametrize(
    "answer",
    cases(
        not_a_number="Tensor(np.nan)",
        a_word="'loss'",
        ten_million_numbers="np.zeros((10_000, 1_000))",
        a_complex_number="np.asarray(1j)",
        no_numbers="np.zeros((0, 3))",
        an_infinite_list_of_itself="[self]",
    ),
)
def test_whatever_a_loss_answers_is_a_result(answer, tmp_path):
    files = changed(FULL, LOSSES, ("return (difference * difference).mean()", f"return {answer}"))
    asked = Asked(files, tmp_path, "losses")
    assert asked["mean_squared_error"].value == 0
    assert asked["cross_entropy"].value == 1


# -- optimizers --------------------------------------------------------------------------------------------------------

FIRST_EDITION = changed(
    FULL,
    OPTIMIZERS,
    ("params, lr=0.01, momentum", "params, learning_rate=0.01, momentum"),
    (
        "super().__init__(params, lr)\n        self.momentum",
        "super().__init__(params, learning_rate)\n        self.momentum",
    ),
    (
        "params, lr=0.001, betas=(0.9, 0.999), eps=1e-8):\n        super().__init__(params, lr)\n        self.betas = betas",
        "params, learning_rate=0.001, beta1=0.9, beta2=0.999, epsilon=1e-8):\n"
        "        super().__init__(params, learning_rate)\n        self.betas = (beta1, beta2)",
    ),
    ("self.eps = eps", "self.eps = epsilon"),
    ("super().__init__(params, lr, betas, eps)", "super().__init__(params, lr, *betas, eps)"),
)


@pytest.mark.parametrize(
    "files",
    cases(
        named_as_in_the_first_edition=FIRST_EDITION,
        gradients_kept_as_tensors=GRADIENTS_AS_TENSORS,
        changing_parameters_in_place=changed(
            FULL, OPTIMIZERS, ("param.data = param.data - self.lr * update", "param.data -= self.lr * update")
        ),
        zero_grad_of_tensors_alone=changed(FULL, OPTIMIZERS, ("    def zero_grad(self)", "    def _forget(self)")),
        zero_grad_to_zeros=changed(
            FULL, OPTIMIZERS, ("param.grad = None", "param.grad = None if param.grad is None else 0 * param.grad")
        ),
    ),
)
def test_a_correct_optimizer_is_right_whatever_its_settings_are_called(files, tmp_path):
    asked = Asked(files, tmp_path, "optimizers")
    assert (asked.wrong, asked.causes) == ({}, set())


def test_sgd_without_momentum_is_right_without_it(tmp_path):
    files = changed(FULL, OPTIMIZERS, ("lr=0.01, momentum=0.0, weight_decay=0.0", "lr=0.01"))
    files = changed(files, OPTIMIZERS, ("self.momentum = momentum", "self.momentum = 0"))
    files = changed(
        files,
        OPTIMIZERS,
        (
            "        self.weight_decay = weight_decay\n        self.vel",
            "        self.weight_decay = 0\n        self.vel",
        ),
    )
    asked = Asked(files, tmp_path, "optimizers")
    assert asked["sgd_path"].status is Status.PASSED
    assert asked["momentum_path"].status is Status.MISSING
    assert "SGD takes no momentum" in asked["momentum_path"].message


@pytest.mark.parametrize(
    "line",
    cases(
        diverging="param.data = param.data * 1e30",
        another_shape="param.data = np.zeros((100, 100))",
        numbers_gone="param.data = None",
        raising="raise SystemExit(0)",
    ),
)
def test_whatever_an_optimizer_does_is_a_result(line, tmp_path):
    files = changed(FULL, OPTIMIZERS, ("param.data = param.data - self.lr * update", line))
    asked = Asked(files, tmp_path, "optimizers")
    assert asked["sgd_path"].value == 0
    assert asked["adam_path"].value == 1


# -- the Trainer -------------------------------------------------------------------------------------------------------

FIT = """
class Accuracy:
    def __call__(self, scores, labels):
        return float((scores.data.argmax(axis=1) == labels.data).mean())


class Trainer:
    def __init__(self, model, optimizer, loss_function, metrics=None):
        self.model, self.optimizer, self.loss_function, self.metrics = model, optimizer, loss_function, metrics or []

    def _epoch(self, batches, train):
        found = {"loss": 0.0, **{type(metric).__name__.lower(): 0.0 for metric in self.metrics}}
        for x, y in batches:
            scores = self.model(x)
            loss = self.loss_function(scores, y)
            if train:
                self.optimizer.zero_grad()
                loss.backward()
                self.optimizer.step()
            found["loss"] += float(loss.data) / len(batches)
            for metric in self.metrics:
                found[type(metric).__name__.lower()] += metric(scores, y) / len(batches)
        return found

    def validate(self, batches):
        return self._epoch(batches, False)

    def fit(self, train_dataloader, val_dataloader=None, epochs=10, verbose=True):
        for epoch in range(epochs):
            print(self._epoch(train_dataloader, True) if verbose else self._epoch(train_dataloader, True) and "")

    def save_checkpoints(self, filename):
        import pickle
        with open(filename, "wb") as file:
            pickle.dump([parameter.data for parameter in self.model.parameters()], file)

    def load_checkpoints(self, filename):
        import pickle
        with open(filename, "rb") as file:
            for parameter, data in zip(self.model.parameters(), pickle.load(file)):
                parameter.data = data
"""
FITTING = {**FULL, TRAINING: FIT}
TWO_FILES = changed(
    FULL,
    TRAINING,
    (
        "np.savez(path, history=np.asarray(self.history), **arrays)",
        'np.savez(path, **arrays)\n        open(path + ".txt", "w").write(str(self.history))',
    ),
    ('self.history = archive["history"].tolist()', 'self.history = open(path + ".txt").read()'),
)


@pytest.mark.parametrize(
    "files",
    cases(
        fit_and_a_metric_in_the_first_editions_manner=FITTING,
        loss_before_optimizer=changed(
            FULL,
            TRAINING,
            (
                "def __init__(self, model, optimizer, loss_fn):",
                "def __init__(self, model, criterion, opt):\n        loss_fn, optimizer = criterion, opt",
            ),
        ),
        accuracy_first_and_in_percent=changed(
            FULL,
            TRAINING,
            ("return float(np.mean(losses)), right / count", "return 100 * right / count, float(np.mean(losses))"),
        ),
        a_dictionary=changed(
            FULL,
            TRAINING,
            (
                "return float(np.mean(losses)), right / count",
                "return {'val_loss': np.mean(losses), 'val_acc': right / count}",
            ),
        ),
        checkpoint_in_two_files=TWO_FILES,
        weights_stored_the_other_way=changed(
            FULL,
            LAYERS,
            ("np.random.randn(in_features, out_features)", "np.random.randn(out_features, in_features)"),
            ("x @ self.weight", "x @ self.weight.T"),
        ),
        gradients_kept_as_tensors=GRADIENTS_AS_TENSORS,
        without_sequential=changed(FULL, LAYERS, ("class Sequential(Layer)", "class Stack(Layer)"))
        | {"tinytorch/__init__.py": ""},
    ),
)
def test_a_correct_trainer_is_right_whatever_its_form(files, tmp_path):
    asked = Asked(files, tmp_path, "trainer")
    assert (asked.wrong, asked.causes) == ({}, set())


def test_an_evaluation_that_raises_leaves_the_pass_its_points(tmp_path):
    files = changed(FULL, TRAINING, ("return float(np.mean(losses)), right / count", "return self.no_such_thing"))
    asked = Asked(files, tmp_path, "trainer")
    assert asked["trainer_pass"].status is Status.PASSED
    assert asked["checkpoint_reload"].status is Status.PASSED
    assert asked["evaluate_accuracy"].status is Status.CRASHED
    assert "no_such_thing" in asked["evaluate_accuracy"].message


def test_a_metric_that_raises_leaves_the_pass_and_the_loss_their_points(tmp_path):
    files = {**FULL, TRAINING: FIT.replace("scores.data.argmax(axis=1)", "scores.argmax(axis=1)")}
    asked = Asked(files, tmp_path, "trainer")
    assert asked["trainer_pass"].status is asked["evaluate_loss"].status is Status.PASSED
    assert asked["evaluate_accuracy"].status is Status.CRASHED


@pytest.mark.parametrize("answer", ["float(np.mean(losses))", "{'loss': np.mean(losses)}"], ids=["a number", "a table"])
def test_an_evaluation_that_gives_the_loss_alone_lacks_the_accuracy_and_has_none_wrong(answer, tmp_path):
    files = changed(FULL, TRAINING, ("return float(np.mean(losses)), right / count", f"return {answer}"))
    asked = Asked(files, tmp_path, "trainer")
    assert asked["evaluate_loss"].status is Status.PASSED
    assert asked["evaluate_accuracy"].status is Status.NOT_RUN
    assert "accuracy_mistaken" not in asked.causes


def test_a_loss_that_sends_nothing_back_is_named_and_not_the_trainer_that_waits_for_it(tmp_path):
    files = changed(
        FULL,
        LOSSES,
        (
            "return apply(CrossEntropyOperation(logits, classes.astype(np.int64).reshape(-1)))",
            "cut = Tensor(logits.data, requires_grad=True)\n"
            "        return apply(CrossEntropyOperation(cut, classes.astype(np.int64).reshape(-1)))",
        ),
    )
    asked = Asked(files, tmp_path, "losses", "optimizers", "trainer")
    assert asked["trainer_updates"].value == 0
    assert asked.causes == {"loss_gradient_missing"}


def test_a_package_without_a_trainer_is_told_what_was_looked_for(tmp_path):
    files = {name: text for name, text in FULL.items() if name not in (TRAINING, "tinytorch/__init__.py")}
    asked = Asked(files, tmp_path, "trainer")
    assert asked["trainer_pass"].status is Status.MISSING
    assert "no class named Trainer" in asked["trainer_pass"].message.replace("No", "no")


@pytest.mark.parametrize(
    "line",
    cases(
        nothing_written="pass",
        a_huge_file="open(path, 'wb').truncate(50_000_000)",
        a_folder="__import__('os').makedirs(path)",
        raising="raise RuntimeError('disk')",
    ),
)
def test_whatever_saving_does_is_a_result(line, tmp_path):
    files = changed(FULL, TRAINING, ("np.savez(path, history=np.asarray(self.history), **arrays)", line))
    asked = Asked(files, tmp_path, "trainer")
    assert asked["checkpoint_reload"].value == 0
    assert asked["trainer_pass"].value == 1
