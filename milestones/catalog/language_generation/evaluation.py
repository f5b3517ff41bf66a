"""Milestone 5, language generation: what the student's code is asked, in which groups, with which budgets."""

from milestones.checks.attention import attention, embedding, gelu, layer_norm, positions_added
from milestones.checks.code_quality import quality_group
from milestones.checks.gpt import (
    attention_acts,
    causality,
    gpt_gradients,
    gpt_scores,
    positions_matter,
    residual_connections,
)
from milestones.checks.gradients import dense_gradient
from milestones.checks.layers import dense_forward, network_composition, relu_forward, softmax_forward
from milestones.checks.loading import package_import
from milestones.checks.losses import cross_entropy, cross_entropy_gradient
from milestones.checks.reuse import component_reuse, executed_calls
from milestones.checks.text import generate, text_generation, tokenizer
from milestones.checks.vision import convolution_forward, max_pool_forward
from milestones.contract import Group

GROUPS = (
    Group(
        key="parts",
        title="Parts of a GPT",
        cpu_seconds=20,
        hidden_inputs=False,
        checks=(package_import, embedding, positions_added, layer_norm, gelu, attention),
    ),
    Group(
        key="gpt",
        title="The GPT",
        cpu_seconds=40,
        hidden_inputs=False,
        checks=(gpt_scores, causality, positions_matter, attention_acts, residual_connections, gpt_gradients),
    ),
    Group(key="generation", title="Generating", cpu_seconds=20, hidden_inputs=False, checks=(generate, tokenizer)),
    Group(key="text", title="Learning a language", cpu_seconds=150, checks=(text_generation,)),
    Group(
        key="unification",
        title="One framework for images and language",
        cpu_seconds=20,
        hidden_inputs=False,
        checks=(
            executed_calls,
            dense_forward,
            relu_forward,
            softmax_forward,
            dense_gradient,
            network_composition,
            convolution_forward,
            max_pool_forward,
            cross_entropy,
            cross_entropy_gradient,
        ),
    ),
    Group(
        key="reuse",
        title="Component reuse",
        cpu_seconds=20,
        checks=(component_reuse,),
        executes_student_code=False,
    ),
    quality_group(),
)
