"""Real packages differ: in where they lie, what things are called, what tensors can do and what importing them does. A
correct one gets all its points, whatever it looks like."""

import pytest

from milestones.contract import Status, UnusableInput
from milestones.sandbox.answers import StudentFault
from tests.milestones.packages import changed, everywhere, look_at, moved, notebook, sample, single_file

pytestmark = pytest.mark.sandbox

FULL = sample()
PACKAGE = moved(FULL, "tinytorch/", "tinytorch/")
CORE = "tinytorch/core/"
LAYERS, TENSOR, AUTOGRAD = (f"{CORE}{name}.py" for name in ("layers", "tensor", "autograd"))
LOSSES, OPTIMIZERS, ACTIVATIONS = (f"{CORE}{name}.py" for name in ("losses", "optimizers", "activations"))
OWN = "your CrossEntropyLoss and your SGD"


def assert_whole(seen, manner=OWN):
    """All mathematics right, and it learnt by the expected means."""
    assert seen.wrong == {}
    assert seen.manner.partition(" (")[0] == manner
    assert seen.learnt > 0.9


def without_init(files):
    """The files without the package's ``__init__.py``, which imports names that a changed module may lack."""
    return {name: text for name, text in files.items() if name != "tinytorch/__init__.py"}


def cases(**named):
    """Parameters with their names as words."""
    return [pytest.param(value, id=name.replace("_", " ")) for name, value in named.items()]


# -- where it lies -----------------------------------------------------------------------------------------------------


def in_the_manner_of_pytorch():
    layers = str(PACKAGE[LAYERS])
    base = layers[: layers.index("class Linear")]
    linear = "import numpy as np\n\nfrom ..tensor import Tensor\nfrom .module import Layer\n\n\n" + layers[
        layers.index("class Linear") : layers.index("# The name that")
    ].replace("(in_features, out_features) * scale", "(out_features, in_features) * scale").replace(
        "x @ self.weight", "x @ self.weight.T"
    )
    return everywhere(
        {
            "tinytorch/__init__.py": "from . import nn, optim\nfrom .tensor import Tensor\n",
            "tinytorch/tensor.py": PACKAGE[TENSOR],
            "tinytorch/autograd.py": PACKAGE[AUTOGRAD],
            "tinytorch/nn/__init__.py": "from .linear import Linear\nfrom .container import Sequential\n"
            "from .activation import ReLU, Sigmoid, Softmax, Tanh\nfrom .loss import CrossEntropyLoss\n",
            "tinytorch/nn/module.py": base,
            "tinytorch/nn/linear.py": linear,
            "tinytorch/nn/container.py": "from .module import Layer\n\n\n" + layers[layers.index("class Sequential") :],
            "tinytorch/nn/activation.py": PACKAGE[ACTIVATIONS],
            "tinytorch/nn/loss.py": PACKAGE[LOSSES],
            "tinytorch/optim/__init__.py": "from .sgd import SGD\n",
            "tinytorch/optim/sgd.py": PACKAGE[OPTIMIZERS],
        },
        "tinytorch.core",
        "tinytorch",
    )


def as_notebooks():
    names = {"01_tensor": TENSOR, "02_activations": ACTIVATIONS, "03_layers": LAYERS, "04_losses": LOSSES}
    names |= {"05_autograd": AUTOGRAD, "06_optimizers": OPTIMIZERS}
    return {
        f"modules/{name}/{name[3:]}_dev.ipynb": notebook(
            f"#| default_exp core.{name[3:]}",
            "%matplotlib inline\nprint('only for me')",
            f"#| export\n{PACKAGE[file]}",
            "raise RuntimeError('a cell that is not exported')",
        )
        for name, file in names.items()
    }


def as_jupytext(*, name, folder=""):
    files = (TENSOR, ACTIVATIONS, LAYERS, LOSSES, AUTOGRAD, OPTIMIZERS)
    return {
        f"{folder}{name(number, file[len(CORE) : -3])}": f'# %% [markdown]\n"""\nText\n"""\n\n# %%\n'
        f"#| default_exp core.{file[len(CORE) : -3]}\n\n# %%\n#| export\n{PACKAGE[file]}\n\n# %%\nraise RuntimeError\n"
        for number, file in enumerate(files, start=1)
    }


@pytest.mark.parametrize(
    "files",
    cases(
        at_the_top=PACKAGE,
        under_src=moved(PACKAGE, "", "src/"),
        under_srcs_in_one_top_folder=moved(PACKAGE, "", "alices-repo/srcs/"),
        under_a_repository_of_the_same_name=moved(PACKAGE, "", "TinyTorch/"),
        core_alone=moved(PACKAGE, "tinytorch/", ""),
        core_alone_whose_modules_call_it_core=everywhere(moved(PACKAGE, CORE, "core/"), "tinytorch.core", "core"),
        contents_of_core=moved(PACKAGE, CORE, ""),
        contents_of_core_that_import_each_other_directly=everywhere(
            everywhere(moved(PACKAGE, CORE, ""), "from tinytorch.core import", "import"),
            "from tinytorch.core.",
            "from ",
        ),
        without_init={name: text for name, text in PACKAGE.items() if not name.endswith("__init__.py")},
        under_another_name=everywhere(moved(PACKAGE, "tinytorch/", "mytorch/"), "tinytorch.", "mytorch."),
        foundation=everywhere(
            {name.replace("/core/", "/foundation/"): text for name, text in PACKAGE.items()}, ".core", ".foundation"
        ),
        in_the_manner_of_pytorch=in_the_manner_of_pytorch(),
        non_ascii_folders_with_spaces_and_quotes=moved(PACKAGE, "", 'ユーザー/Bob\'s "final" työ 🔥/'),
        notebooks=as_notebooks(),
        numbered_jupytext_files=as_jupytext(name="{:02}_{}.py".format),
        dev_files_in_modules=as_jupytext(name="{0:02}_{1}/{1}_dev.py".format, folder="modules/source/"),
        sources_in_src=as_jupytext(name="{0:02}_{1}/{0:02}_{1}.py".format, folder="src/"),
        a_single_file={"milestone1_sample.py": single_file(PACKAGE)},
        a_single_file_beside_its_tests={"tinytorch.py": single_file(PACKAGE), "test_it.py": "", "notes.py": "1 / 0"},
    ),
)
def test_a_correct_package_is_found_and_whole_wherever_it_lies(files, tmp_path):
    seen = look_at(files, tmp_path)
    assert_whole(seen)
    assert (seen.report.failed, seen.report.syntax) == ({}, {})


def test_a_single_file_may_bring_its_model(tmp_path):
    model = "\n\ndef build_model():\n    return Sequential(Linear(784, 12), Tanh(), Linear(12, 10))\n"
    seen = look_at({"milestone1_sample.py": single_file(PACKAGE) + model}, tmp_path)
    assert_whole(seen)
    assert "(Linear -> Tanh -> Linear)" in seen.measurements["parameters_found"].message


def test_a_module_that_was_not_exported_is_taken_from_its_notebook_and_named(tmp_path):
    files = {name: text for name, text in PACKAGE.items() if name != ACTIVATIONS}
    source = "modules/02_activations/activations.ipynb"
    cells = ("#| default_exp core.activations", f"#| export\n{PACKAGE[ACTIVATIONS]}")
    seen = look_at({**files, source: notebook(*cells)}, tmp_path)
    assert_whole(seen)
    assert seen.report.exported == {"tinytorch.core.activations": source}
    assert source in seen.measurements["package_import"].message


def test_sources_of_modules_that_nothing_needs_are_left_alone(tmp_path):
    stub = notebook("#| default_exp core.attention", "#| export\nraise NotImplementedError('next week')")
    seen = look_at({**PACKAGE, "modules/12_attention/attention.ipynb": stub}, tmp_path)
    assert_whole(seen)
    assert (seen.report.failed, seen.report.exported) == ({}, {})


def test_the_courses_own_sources_do_not_stand_in_for_a_learners(tmp_path):
    """With a ``modules`` folder beside it, ``src`` is the edition that the course publishes with its solutions."""
    files = {name: text for name, text in PACKAGE.items() if name != ACTIVATIONS}
    published = f"#| default_exp core.activations\n#| export\n{PACKAGE[ACTIVATIONS]}"
    files |= {"src/02_activations/02_activations.py": published}
    files |= {"modules/01_tensor/tensor.ipynb": notebook("#| default_exp core.tensor", "#| export\nclass Tensor: ...")}
    seen = look_at(files, tmp_path, train=False)
    assert seen.status("relu_forward") is Status.MISSING


def test_a_notebook_without_cells_for_export_says_so(tmp_path):
    with pytest.raises(StudentFault, match="no cells marked for export"):
        look_at({"01_tensor.ipynb": notebook("class Tensor: ...")}, tmp_path)


def test_a_project_in_another_language_with_a_script_or_two_is_no_package(tmp_path):
    files = {f"tinytorch/{name}": "" for name in ("tensor.cpp", "tensor.hpp", "ops.cu", "tools/generate.py")}
    with pytest.raises(UnusableInput, match="No Python TinyTorch package found"):
        look_at({**files, "bindings.py": ""}, tmp_path)


# -- what things are called and how they are kept ------------------------------------------------------------------------

LINEAR_TRANSPOSED = (
    ("np.random.randn(in_features, out_features)", "np.random.randn(out_features, in_features)"),
    ("x @ self.weight", "x @ self.weight.T"),
)
IN_A_DICTIONARY = (
    (
        "self.weight = Tensor(weight.astype(np.float32), requires_grad=True)",
        "self.params = {}\n        self._start(weight, bias)",
    ),
    (
        "        self.bias = Tensor(np.zeros(out_features, dtype=np.float32), requires_grad=True) if bias else None\n",
        "",
    ),
    (
        '    def forward(self, x):\n        """x is (batch, in',
        "    def _start(self, weight, bias):\n"
        "        self.params['W'] = Tensor(weight.astype(np.float32), requires_grad=True)\n"
        "        if bias:\n"
        "            self.params['b'] = Tensor(np.zeros((1, self.out_features), dtype=np.float32), requires_grad=True)\n\n"
        '    def forward(self, x):\n        """x is (batch, in',
    ),
    ("y = x @ self.weight", "y = x @ self.params['W']"),
    ("return y if self.bias is None else y + self.bias", "return y + self.params['b'] if 'b' in self.params else y"),
    ("return [self.weight] if self.bias is None else [self.weight, self.bias]", "return self.params"),
    ("bias={self.bias is not None}", ""),
    (
        "[parameter for layer in self.layers for parameter in layer.parameters()]",
        "[p for layer in self.layers for p in (layer.parameters() or {}).values()]",
    ),
)
FROM_A_LIST = (
    ("def __init__(self, *layers):", "def __init__(self, layers):"),
    ("        if len(layers) == 1 and isinstance(layers[0], (list, tuple)):\n            layers = layers[0]\n", ""),
)
FROM_ARGUMENTS = FROM_A_LIST[1:]
BY_ADDING = (
    *FROM_A_LIST[1:],
    ("def __init__(self, *layers):", "def __init__(self):"),
    ("self.layers = list(layers)", "self.layers = []\n\n    def add(self, layer):\n        self.layers.append(layer)"),
)
WITH_LAZY_WEIGHT = (
    ("        weight = np.random.randn(in_features, out_features) * scale\n", "        self.scale = scale\n"),
    ("self.weight = Tensor(weight.astype(np.float32), requires_grad=True)", "self.weight = None"),
    (
        "        y = x @",
        "        if self.weight is None:\n"
        "            weight = np.random.randn(x.shape[1], self.out_features) * self.scale\n"
        "            self.weight = Tensor(weight, requires_grad=True)\n        y = x @",
    ),
)


@pytest.mark.parametrize(
    "changes",
    cases(
        weight_stored_out_in=LINEAR_TRANSPOSED,
        called_dense=(("class Linear(", "class Dense("), ("\nDense = Linear\n", "\n")),
        bias_off_unless_asked_for=(("bias=True)", "bias=False)"),),
        switch_called_use_bias=(("bias=True)", "use_bias=True)"), ("if bias else", "if use_bias else")),
        weight_misspelt=(("self.weight", "self.weigths"),),
        parameters_in_a_dictionary=IN_A_DICTIONARY,
        weight_made_at_the_first_input=WITH_LAZY_WEIGHT,
        no_parameters_method=(("def parameters(self)", "def learnables(self)"), (".parameters()", ".learnables()")),
        parameters_misspelt=(("parameters(self)", "paramters(self)"), (".parameters()", ".paramters()")),
        parameters_by_name=(
            ("else [self.weight, self.bias]", "else [('weight', self.weight), ('bias', self.bias)]"),
            ("return [self.weight] if", "return [('weight', self.weight)] if"),
        ),
        requires_grad_never_set=((", requires_grad=True)", ")"),),
        sequential_from_a_list=FROM_A_LIST,
        sequential_from_arguments=FROM_ARGUMENTS,
        sequential_by_adding=BY_ADDING,
        no_sequential=(("class Sequential(", "class _Unfinished("),),
        no_call_only_forward=(
            ("    def __call__(self, x):\n        return self.forward(x)\n", ""),
            ("x = layer(x)", "x = layer.forward(x)"),
        ),
    ),
)
def test_a_correct_layer_is_whole_whatever_it_is_called_and_keeps(changes, tmp_path):
    files = changed(PACKAGE, LAYERS, *changes)
    assert_whole(look_at(without_init(files), tmp_path))


CALL = "    def __call__(self, x):\n        return self.forward(x)\n"
AS_FUNCTIONS = "\n\n".join(
    f"def {name}(x):\n    return apply({operation})"
    for name, operation in (
        ("relu", "ReLUOperation(x)"),
        ("sigmoid", "SigmoidOperation(x)"),
        ("tanh", "TanhOperation(x)"),
        ("softmax", "SoftmaxOperation(x, -1)"),
    )
)


@pytest.mark.parametrize(
    "files",
    cases(
        without_call=changed(
            changed(PACKAGE, ACTIVATIONS, (CALL, "")), LAYERS, ("x = layer(x)", "x = layer.forward(x)")
        ),
        as_functions=changed(
            PACKAGE,
            ACTIVATIONS,
            *(
                (f"class {name}(Activation)", f"class Old{name}(Activation)")
                for name in ("ReLU", "Sigmoid", "Tanh", "Softmax")
            ),
            ("class ReLUOperation", f"{AS_FUNCTIONS}\n\n\nclass ReLUOperation"),
        ),
        softmax_with_another_name=changed(PACKAGE, ACTIVATIONS, ("class Softmax(", "class SoftMax(")),
    ),
)
def test_a_correct_activation_is_whole_as_a_class_or_a_function(files, tmp_path):
    seen = look_at(without_init(files), tmp_path)
    # A network of functions can't be kept by Sequential unless it calls them; then our own chain does.
    assert_whole(seen)


# -- what tensors can do ---------------------------------------------------------------------------------------------------

READ_ONLY = changed(
    changed(
        PACKAGE,
        TENSOR,
        ("self.data = np.asarray", "self._data = np.asarray"),
        (
            "    @property\n    def shape(self):",
            '    @property\n    def data(self):\n        """The array."""\n        return self._data\n\n'
            "    @property\n    def shape(self):",
        ),
    ),
    OPTIMIZERS,
    ("param.data = ", "param._data = "),
)
GRADIENT_IS_A_TENSOR = changed(
    changed(
        PACKAGE,
        AUTOGRAD,
        (
            "node.grad = grad.copy() if node.grad is None else node.grad + grad",
            "node.grad = type(tensor)(grad if node.grad is None else node.grad.data + grad)",
        ),
    ),
    OPTIMIZERS,
    ("else param.grad", "else param.grad.data"),
    ("param.grad + self", "param.grad.data + self"),
)
GRADIENT_STARTS_AT_ZERO = changed(
    changed(
        PACKAGE,
        TENSOR,
        (
            "        self.grad = None\n        self.creator",
            "        self.grad = np.zeros_like(self.data)\n        self.creator",
        ),
    ),
    AUTOGRAD,
    ("node.grad = grad.copy() if node.grad is None else node.grad + grad", "node.grad += grad"),
)
BACKWARD_ALONE = changed(
    PACKAGE,
    TENSOR,
    ("def backward(self, gradient=None):", "def backward(self):\n        gradient = None"),
    ('        gradient = None\n        """Compute', '        """Compute'),
    (
        "        if gradient is None:\n            if self.size",
        "        gradient = None\n        if gradient is None:\n            if self.size",
    ),
)
BACKWARD_THAT_IGNORES_ITS_ARGUMENT = changed(
    PACKAGE,
    TENSOR,
    ("        if gradient is None:\n            if self.size != 1:", "        if True:\n            if False:"),
)
TWO_TENSORS = everywhere(
    {
        **{name: text for name, text in PACKAGE.items() if name not in (TENSOR, AUTOGRAD)},
        AUTOGRAD: str(PACKAGE[AUTOGRAD])
        + "\n\nimport sys\n\nautograd = sys.modules[__name__]\n\n"
        + str(PACKAGE[TENSOR]).replace("from tinytorch.core import autograd\n", ""),
    },
    "from tinytorch.core.tensor import",
    "from tinytorch.core.autograd import",
)


@pytest.mark.parametrize(
    "files",
    cases(
        data_read_only=READ_ONLY,
        gradient_is_a_tensor=GRADIENT_IS_A_TENSOR,
        gradient_starts_at_zero_and_is_added_to=GRADIENT_STARTS_AT_ZERO,
        backward_of_single_numbers_only=BACKWARD_ALONE,
        backward_that_ignores_its_argument=BACKWARD_THAT_IGNORES_ITS_ARGUMENT,
        float32_only=changed(
            PACKAGE, TENSOR, ("self.data = np.asarray(data)", "self.data = np.asarray(data, dtype=np.float32)")
        ),
        weights_rounded_to_float32=changed(PACKAGE, AUTOGRAD, ("return a @ b", "return a @ b.astype(np.float32)")),
        products_in_float32=changed(
            PACKAGE, AUTOGRAD, ("return a @ b", "return (a @ b).astype(np.float32).astype(a.dtype)")
        ),
        requires_grad_is_no_argument=changed(
            changed(
                PACKAGE,
                TENSOR,
                ("(self, data, requires_grad=False)", "(self, data)"),
                ("= requires_grad\n", "= False\n"),
            ),
            LAYERS,
            (", requires_grad=True)", ")"),
        ),
        the_layers_compute_with_autograds_tensor={**TWO_TENSORS, TENSOR: sample("forward_only")[TENSOR]},
        an_old_tensor_lies_in_another_module={
            **PACKAGE,
            f"{CORE}a.py": "class Tensor:\n    def __init__(self, *_):\n        1 / 0\n",
        },
        autograd_has_a_switch=changed(
            changed(
                PACKAGE, TENSOR, ("        autograd.run_backward(self, gradient)", "        self.go_back(gradient)")
            ),
            AUTOGRAD,
            (
                'programs call it.\n    """',
                'programs call it.\n    """\n    from tinytorch.core.tensor import Tensor\n\n    Tensor.go_back = run_backward',
            ),
        ),
    ),
)
def test_a_correct_tensor_is_whole_whatever_it_can_do(files, tmp_path):
    assert_whole(look_at(files, tmp_path))


def test_a_tensor_of_plain_lists_and_functions_is_right(tmp_path):
    package = """
import math

class Tensor:
    def __init__(self, data):
        assert isinstance(data, list)
        self.data = data

class Dense:
    def __init__(self, inputs, outputs, use_bias=True):
        import random
        self.W = [[random.gauss(0, 0.1) for _ in range(outputs)] for _ in range(inputs)]
        self.W = Tensor(self.W)
        self.b = Tensor([0.0] * outputs) if use_bias else None

    def forward(self, x):
        rows = [[sum(a * b for a, b in zip(row, column)) for column in zip(*self.W.data)] for row in x.data]
        return Tensor([[v + b for v, b in zip(row, self.b.data)] for row in rows] if self.b else rows)

def each(function):
    return lambda x: Tensor([[function(v) for v in row] for row in x.data])

def relu(x):
    return each(lambda v: max(v, 0.0))(x)

def sigmoid(x):
    return each(lambda v: 1 / (1 + math.exp(-v)) if v >= 0 else math.exp(v) / (1 + math.exp(v)))(x)

def tanh(x):
    return each(math.tanh)(x)

def softmax(x):
    rows = [[math.exp(v - max(row)) for v in row] for row in x.data]
    return Tensor([[v / sum(row) for v in row] for row in rows])
"""
    seen = look_at({"framework.py": package}, tmp_path)
    assert (seen.wrong, seen.learnt) == ({}, None)


# -- losses and optimizers belong to later milestones --------------------------------------------------------------------

INTEGER_LABELS = "classes = targets.data if isinstance(targets, Tensor) else np.asarray(targets)"
GRADIENT = "return (probabilities * (grad / len(self.rows)),)"
CONNECTED = "return apply(CrossEntropyOperation(logits, classes.astype(np.int64).reshape(-1)))"
HANDED = "the gradient of softmax cross-entropy, handed to your backward() and your SGD"


@pytest.mark.parametrize(
    "replacement",
    cases(
        one_hot_tensors="classes = np.argmax(targets.data, axis=1)",
        one_hot_arrays="classes = np.argmax(targets + np.zeros((1, 10)), axis=1) if np.ndim(targets) == 2 else 1 / 0",
        tensors_of_labels="classes = targets.data + 0",
        arrays_of_labels="classes = targets.astype(int)",
    ),
)
def test_a_package_learns_with_its_loss_whatever_labels_that_takes(replacement, tmp_path):
    files = changed(PACKAGE, LOSSES, (INTEGER_LABELS, replacement))
    assert_whole(look_at(files, tmp_path))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        pytest.param((GRADIENT, "return (probabilities * grad,)"), "sends another gradient back", id="a sum, no mean"),
        pytest.param((GRADIENT, "return (-probabilities * grad,)"), "sends another gradient back", id="the wrong sign"),
        pytest.param(
            (CONNECTED, "return Tensor(CrossEntropyOperation(logits, classes.astype(int)).forward(logits.data))"),
            "RuntimeError: backward() needs a tensor that was made from one with requires_grad=True",
            id="not connected to the graph",
        ),
        pytest.param(("class CrossEntropyLoss:", "class Later:"), "there is no CrossEntropyLoss", id="missing"),
        pytest.param(
            (CONNECTED, "raise NotImplementedError"), "your CrossEntropyLoss: NotImplementedError", id="a stub"
        ),
        pytest.param((CONNECTED, "pass"), "CrossEntropyLoss returned None", id="an empty stub"),
    ],
)
def test_a_package_whose_loss_is_not_right_yet_learns_without_and_says_why(change, reason, tmp_path):
    seen = look_at(without_init(changed(PACKAGE, LOSSES, change)), tmp_path)
    assert_whole(seen, HANDED)
    assert reason in seen.manner


SGD_TAKES = "momentum=0.0, weight_decay=0.0):\n        super().__init__(params, lr)"
STEP = "param.data = param.data - self.lr * update"
PLAIN = "your CrossEntropyLoss and a plain update of the grader"


@pytest.mark.parametrize(
    "changes",
    cases(
        learning_rate=((f"lr=0.01, {SGD_TAKES}", f"learning_rate=0.01, {SGD_TAKES.replace('lr', 'learning_rate')}"),),
        the_rate_by_position=((f"lr=0.01, {SGD_TAKES}", f"eta=0.01, {SGD_TAKES.replace('lr', 'eta')}"),),
        momentum_by_default=(("momentum=0.0", "momentum=0.9"),),
        in_place=((STEP, "param.data -= self.lr * update"),),
    ),
)
def test_a_package_learns_with_its_optimizer_whatever_that_takes(changes, tmp_path):
    assert_whole(look_at(changed(PACKAGE, OPTIMIZERS, *changes), tmp_path))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        pytest.param((STEP, STEP.replace(" - ", " + ")), "your SGD does not move parameters by rate", id="uphill"),
        pytest.param((STEP, "pass"), "your SGD does not move parameters by rate", id="does nothing"),
        pytest.param((STEP, "param.data = self.missing"), "your SGD: AttributeError", id="raises"),
        pytest.param(("class SGD(", "class Descent("), "there is no SGD", id="missing"),
    ],
)
def test_a_package_whose_optimizer_is_not_right_yet_learns_without_and_says_why(change, reason, tmp_path):
    seen = look_at(without_init(changed(PACKAGE, OPTIMIZERS, change)), tmp_path)
    assert_whole(seen, PLAIN)
    assert reason in seen.manner
