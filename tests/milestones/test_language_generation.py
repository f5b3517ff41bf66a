"""Milestone 5: each known mistake is named by its sample, correct packages of every manner get their points, and nothing that
the sandboxed side says is believed where the grader can compute it."""

import ast
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from milestones import reference, registry
from milestones.catalog import samples
from milestones.checks.reuse import Modules, component_reuse
from milestones.contract import Status
from milestones.datasets.grammar import some_words, write_sentences
from milestones.datasets.store import DataStore
from milestones.discovery import PackageLocation
from milestones.evaluate import evaluate
from milestones.lab import Lab
from milestones.proxy.language import Called
from milestones.sandbox.limits import SandboxLimits
from milestones.sandbox.tools import run_tool
from milestones.source import Source
from tests.milestones.packages import changed, everywhere, write
from tests.milestones.verdicts import SEED, assert_verdict, causes, samples_of

pytestmark = pytest.mark.sandbox

MILESTONE = registry.get(5)
SAMPLES = samples_of(5)
# Whole trainings are costly: the slow one gets a tenth of its time in a test of its own.
MISTAKES = [sample for sample in SAMPLES if sample.expected.groups and sample.name != "slow_attention"]


@pytest.mark.parametrize("sample", MISTAKES, ids=lambda sample: sample.name)
def test_a_mistake_is_named_and_nothing_else(sample, tmp_path):
    assert_verdict(5, sample, tmp_path)


def test_a_gpt_that_attends_learns_a_language_and_writes_what_can_be_read(tmp_path):
    result = assert_verdict(5, named("character_gpt"), tmp_path)
    assert result.score > 95
    assert {exhibit.kind for exhibit in result.exhibits} == {"curve", "text", "table"}
    assert result.resources.cpu_seconds < 120


def test_a_gpt_that_is_too_narrow_falls_just_below_the_mark(tmp_path):
    result = assert_verdict(5, named("narrow_gpt"), tmp_path)
    measured = {measurement.key: measurement for measurement in result.measurements}
    assert 0.4 < measured["readable_text"].value < 0.7
    assert measured["learns"].passed
    assert result.score > 80


def test_a_slow_gpt_gets_its_reason_and_what_it_reached(tmp_path):
    sample = named("slow_attention")
    only_text = replace(MILESTONE, groups=tuple(group for group in MILESTONE.groups if group.key == "text"))
    folder = samples.materialise(sample.folder, tmp_path / "slow")
    result = evaluate(only_text, folder, seed=SEED, time_factor=0.15)
    assert causes(result) == set(sample.expected.diagnoses)
    measured = {measurement.key: measurement for measurement in result.measurements}
    assert measured["learns"].evidence["seconds_per_step"] > 0.1
    assert "CPU seconds, so only" in measured["uses_context"].message
    assert measured["uses_context"].status is Status.TIMED_OUT


def test_supplied_weights_are_measured_on_the_corpus_and_a_person_reads_the_text(tmp_path):
    result = assert_verdict(5, named("shakespeare_weights"), tmp_path)
    measured = {measurement.key: measurement for measurement in result.measurements}
    evidence = measured["readable_text"].evidence
    # Without the corpus there is no text of 65 characters: the same package is trained then.
    assert evidence["supplied"] is not result.practice_data
    if result.practice_data:
        return
    assert evidence["copied"] <= 60
    assert 0.05 < evidence["real_words"] / evidence["words"] < 0.6
    assert any("reads the text" in reason for reason in result.needs_human)


# -- packages in other manners -----------------------------------------------------------------------------------------

CORE = "tinytorch/core/"
TRANSFORMER, ATTENTION, TOKENIZATION = (f"{CORE}{name}.py" for name in ("transformer", "attention", "tokenization"))


def character_gpt():
    found = samples.files_of(named("character_gpt").folder).items()
    return {name: content.decode() if name.endswith(".py") else content for name, content in found}


def groups(*keys):
    return replace(MILESTONE, groups=tuple(group for group in MILESTONE.groups if group.key in keys))


def assert_right(files, folder, *keys):
    """Every check of these groups passes, and nothing is found."""
    result = evaluate(groups(*keys), write(files, folder), seed=SEED)
    assert [(m.key, m.message) for m in result.measurements if m.passed is False] == []
    assert result.diagnoses == ()


def in_the_manner_of_the_first_edition(files):
    for old, new in (("q_proj", "w_q"), ("k_proj", "w_k"), ("v_proj", "w_v"), ("out_proj", "w_o"), ("GPT", "TinyGPT")):
        files = everywhere(files, old, new)
    files = changed(
        files,
        TRANSFORMER,
        (
            "def __init__(self, vocab_size, embed_dim, num_layers, num_heads, max_seq_len=256):",
            "def __init__(self, vocab_size, d_model=64, num_heads=4, num_layers=2, d_ff=None, max_length=256, dropout=0.1):\n"
            "        embed_dim, max_seq_len = d_model, max_length",
        ),
        ("self.attention(self.ln1(x), mask)", "self.attention.forward(*[self.ln1(x)] * 3, mask)"),
        ("def generate(self, prompt_tokens, ", "def generate(self, input_ids, "),
        ("prompt_tokens.data", "input_ids.data"),
    )
    files = changed(
        files,
        ATTENTION,
        (
            "    def forward(self, x, mask=None):\n",
            "    def forward(self, query, key, value, mask=None):\n        x = query\n",
        ),
        ("    def __call__(self, x, mask=None):\n        return self.forward(x, mask)\n", ""),
        ("class MultiHeadAttention(Layer):", "class MultiHeadAttention:"),
    )
    return changed(
        files,
        TOKENIZATION,
        ("def build_vocab(self, corpus):", "def fit(self, text):"),
        ('set("".join(corpus))', "set(text)"),
    )


def with_weights_next_to_the_output(files):
    files = changed(files, ATTENTION, ("gathered, _ =", "gathered, weights ="))
    files = changed(
        files,
        ATTENTION,
        ("return self.out_proj(self._merge(gathered))", "return self.out_proj(self._merge(gathered)), weights"),
    )
    return changed(files, TRANSFORMER, ("self.attention(self.ln1(x), mask)", "self.attention(self.ln1(x), mask)[0]"))


def with_weights_stored_the_other_way_round(files):
    return changed(
        files,
        f"{CORE}layers.py",
        ("np.random.randn(in_features, out_features)", "np.random.randn(out_features, in_features)"),
        ("y = x @ self.weight\n", "y = x @ self.weight.T\n"),
    )


def with_one_projection_for_queries_keys_and_values(files):
    return changed(
        files,
        ATTENTION,
        (
            "        self.q_proj = Linear(embed_dim, embed_dim)\n        self.k_proj = Linear(embed_dim, embed_dim)\n"
            "        self.v_proj = Linear(embed_dim, embed_dim)\n        self.out_proj",
            "        self.qkv = Linear(embed_dim, 3 * embed_dim)\n        self.out_proj",
        ),
        (
            "        queries = self._split(self.q_proj(x))\n        keys = self._split(self.k_proj(x))\n"
            "        values = self._split(self.v_proj(x))\n",
            "        eyes = [np.eye(self.embed_dim * 3, self.embed_dim, -self.embed_dim * i) for i in range(3)]\n"
            "        queries, keys, values = (self._split(self.qkv(x) @ Tensor(eye.astype(x.dtype))) for eye in eyes)\n",
        ),
        ("(self.q_proj, self.k_proj, self.v_proj, self.out_proj)", "(self.qkv, self.out_proj)"),
    )


@pytest.mark.parametrize(
    "manner",
    [
        with_one_projection_for_queries_keys_and_values,
        in_the_manner_of_the_first_edition,
        with_weights_next_to_the_output,
        with_weights_stored_the_other_way_round,
    ],
    ids=lambda manner: manner.__name__.replace("_", " "),
)
def test_a_correct_gpt_is_right_in_any_manner(manner, tmp_path):
    assert_right(manner(character_gpt()), tmp_path, "parts", "gpt", "generation")


# -- what the sandboxed side says about itself -------------------------------------------------------------------------


def reuse_of(called, files):
    lab = Lab(seed=1, datasets=DataStore(None))
    lab.claims |= {"calls": called, "components": {"tensor": "tinytorch.core.tensor.Tensor", "dense": "m.Linear"}}
    return {measured.key: measured for measured in component_reuse.function(source_of(files), lab)}


def source_of(files):
    """The source of these files, looked at in the sandbox."""

    def run(program, stdin):
        with tempfile.TemporaryDirectory() as empty:
            Path(empty).chmod(0o755)
            limits = SandboxLimits(cpu_seconds=20, memory_bytes=1 << 30)
            return run_tool(program, Path(empty), limits=limits, stdin=stdin)

    contents = {name: text if isinstance(text, bytes) else text.encode() for name, text in files.items()}
    return Source(contents, PackageLocation(root=""), run, mounted_at="/submission")


EARLIER = {
    "core/tensor.py": "class Tensor:\n    def go(self):\n        pass\n",
    "core/layers.py": "from core.tensor import Tensor\nclass Linear:\n    def forward(self, x):\n        return x\n",
}
GPT = """from core.layers import Linear
class GPT:
    def __init__(self):
        self.layer = Linear()
    def forward(self, x):
        return x
"""
HONEST = [
    Called("core/tensor.py", "Tensor.go", 2, 90),
    Called("core/layers.py", "Linear.forward", 3, 8),
    Called("gpt.py", "GPT.forward", 5, 2),
]


def test_calls_that_land_in_earlier_files_are_reuse():
    measured = reuse_of(HONEST, {**EARLIER, "gpt.py": GPT})
    assert measured["component_reuse"].value == 0.98
    assert measured["same_components"].passed


def test_calls_of_functions_that_the_source_does_not_have_count_for_nothing():
    invented = [Called("core/tensor.py", "Tensor.fly", 2, 10**9), Called("core/none.py", "x", 1, 10**9), *HONEST[2:]]
    measured = reuse_of(invented, {**EARLIER, "gpt.py": GPT})["component_reuse"]
    assert (measured.value, measured.evidence["one_function_dominates"]) == (0.0, True)


def test_claimed_calls_count_for_nothing_where_the_source_uses_no_earlier_component():
    alone = "class GPT:\n    def __init__(self):\n        pass\n\n    def forward(self, x):\n        return x\n"
    called = [HONEST[0], Called("gpt.py", "GPT.forward", 5, 2)]
    assert reuse_of(called, {**EARLIER, "gpt.py": alone})["component_reuse"].value == 0.0


def test_a_framework_in_one_file_is_judged_class_by_class():
    files = {
        "all.py": EARLIER["core/tensor.py"] + EARLIER["core/layers.py"].partition("\n")[2] + GPT.partition("\n")[2]
    }
    lines = {
        f"{node.name}.{inner.name}": inner.lineno
        for node in ast.parse(files["all.py"]).body
        for inner in node.body
        if isinstance(node, ast.ClassDef)
    }
    called = [Called("all.py", call.name, lines[call.name], call.times) for call in HONEST]
    assert reuse_of(called, files)["component_reuse"].value == 0.98


def test_source_that_can_not_be_parsed_is_left_out():
    broken = {"a.py": b"def (", "b.py": b"\x00", "deep.py": b"x = " + b"(" * 5_000, "latin.py": b"# \xe9"}
    outlines = source_of({**EARLIER, **broken}).outlines()
    assert outlines.keys() == EARLIER.keys()
    assert not Modules(outlines).has(Called("a.py", "f", 1, 1))


# -- the trusted side --------------------------------------------------------------------------------------------------


def by_differences(function, array, upstream):
    gradient = np.zeros_like(array)
    for index in np.ndindex(array.shape):
        ends = []
        for step in (1e-5, -1e-5):
            moved = array.copy()
            moved[index] += step
            ends.append((function(moved) * upstream).sum())
        gradient[index] = (ends[0] - ends[1]) / 2e-5
    return gradient


@pytest.mark.parametrize("causal", [False, True])
def test_the_reference_gradients_of_attention_are_those_of_what_it_computes(causal):
    random = np.random.default_rng(1)
    x, upstream = random.normal(size=(2, 2, 4, 6))
    parameters = [random.normal(size=size) for _ in range(4) for size in ((6, 6), 6)]
    found = reference.attention_gradients(x, parameters, 2, upstream, causal=causal)
    for position, gradient in enumerate(found):
        given = [x, *parameters]

        def answer(moved, given=given, position=position):
            inputs, *rest = [*given[:position], moved, *given[position + 1 :]]
            return reference.attention(inputs, rest, 2, causal=causal)

        assert np.allclose(gradient, by_differences(answer, given[position], upstream), atol=1e-7)


def test_the_reference_gradients_of_layer_norm_are_those_of_what_it_computes():
    random = np.random.default_rng(2)
    x, upstream = random.normal(size=(2, 3, 4, 5))
    scale, shift = random.normal(size=(2, 5))
    by_x, by_scale, by_shift = reference.layer_norm_gradients(x, scale, upstream)
    assert np.allclose(by_x, by_differences(lambda m: reference.layer_norm(m, scale, shift), x, upstream), atol=1e-7)
    assert np.allclose(
        by_scale, by_differences(lambda m: reference.layer_norm(x, m, shift), scale, upstream), atol=1e-7
    )
    assert np.allclose(
        by_shift, by_differences(lambda m: reference.layer_norm(x, scale, m), shift, upstream), atol=1e-7
    )


def test_gelu_and_its_formulas_are_near_each_other_and_its_derivative_is_right():
    x = np.linspace(-5, 5, 201)
    for name, limit in (("tanh", 5e-4), ("sigmoid", 2.1e-2)):
        assert np.abs(reference.GELU_FORMULAS[name](x) - reference.gelu(x)).max() < limit
    assert np.allclose(reference.gelu_derivative(x), by_differences(reference.gelu, x, np.ones_like(x)), atol=1e-8)


def test_the_small_language_is_the_evaluations_own_and_all_its_words_are_known():
    texts = set()
    for seed in range(3):
        random = np.random.default_rng(seed)
        words = some_words(random)
        text = write_sentences(random, 20_000, words)
        assert set(text.replace(".", "").lower().split()[:-1]) <= words.spelt()
        texts.add(text)
    assert len(texts) == 3


def named(name):
    return next(sample for sample in SAMPLES if sample.name == name)
