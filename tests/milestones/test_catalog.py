"""The catalogue says what the guide says: five milestones, their weights, badges, criteria and percents."""

import pytest

from milestones import registry

GUIDE = {
    1: (
        "basic-inference",
        15,
        "04",
        "Neural Network Engineer",
        {"Mathematical Correctness": 40, "Architecture Design": 30, "MNIST Performance": 20, "Code Quality": 10},
    ),
    2: (
        "computer-vision",
        20,
        "06",
        "Computer Vision Architect",
        {
            "Convolution Implementation": 35,
            "Spatial Processing": 25,
            "MNIST Excellence": 25,
            "Memory Efficiency": 15,
        },
    ),
    3: (
        "full-training",
        25,
        "11",
        "ML Systems Engineer",
        {"Training Pipeline": 30, "Loss Functions": 25, "CIFAR-10 Training": 25, "Training Dynamics": 20},
    ),
    4: (
        "advanced-vision",
        20,
        "13",
        "Production AI Developer",
        {
            "CIFAR-10 Mastery": 40,
            "Performance Optimization": 25,
            "Systems Engineering": 20,
            "Production Readiness": 15,
        },
    ),
    5: (
        "language-generation",
        20,
        "16",
        "AI Framework Creator",
        {"GPT Implementation": 35, "Component Reuse": 25, "Text Generation": 25, "Framework Unification": 15},
    ),
}


def test_there_are_the_five_milestones_of_the_guide_and_their_weights_are_the_whole_grade():
    assert [milestone.rubric.number for milestone in registry.catalog()] == sorted(GUIDE)
    assert sum(milestone.rubric.weight for milestone in registry.catalog()) == 100


@pytest.mark.parametrize("number", sorted(GUIDE))
def test_a_milestone_states_what_the_guide_states(number):
    slug, weight, module, badge, criteria = GUIDE[number]
    rubric = registry.get(number).rubric
    assert (rubric.slug, rubric.weight, rubric.module, rubric.badge) == (slug, weight, module, badge)
    # A criterion that is partly measured and partly a person's stands in two entries, "Title: part".
    percents = {}
    for criterion in rubric.criteria:
        title = criterion.title.partition(":")[0]
        percents[title] = percents.get(title, 0) + criterion.percent
    assert percents == criteria


@pytest.mark.parametrize("number", sorted(GUIDE))
def test_code_quality_is_looked_at_in_every_milestone(number):
    """So that it can be followed from the first to the last."""
    groups = {group.key: group for group in registry.get(number).groups}
    assert not groups["code_quality"].executes_student_code


@pytest.mark.parametrize("number", sorted(GUIDE))
def test_every_measurement_of_a_rubric_is_made_by_a_check(number):
    milestone = registry.get(number)
    made = {key for group in milestone.groups for check in group.checks for key in (check.key, *check.also)}
    asked = {key for criterion in milestone.rubric.criteria for key in criterion.measurements}
    asked |= {milestone.rubric.benchmark.measurement, *milestone.rubric.benchmark.requires}
    assert asked <= made, asked - made
