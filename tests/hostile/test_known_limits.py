"""What is not prevented, written down as tests, so that SECURITY.md stays true: the attack works and a person can see it."""

from __future__ import annotations

from pathlib import Path

import pytest

from milestones.contract import Evaluation, Measurement
from tests.hostile import oracle
from tests.hostile.conftest import HonestResult
from tests.hostile.submissions import assess, attacked
from tests.hostile.verdicts import ARCHITECTURE, KNOWN_LIMIT, MNIST, VERDICT_OF

KNOWN = sorted(name for name, verdict in VERDICT_OF.items() if KNOWN_LIMIT in verdict.ends)


def _accuracy(evaluation: Evaluation) -> Measurement:
    return next(m for m in evaluation.measurements if m.key == "mnist_accuracy")


def _run(name: str, folder: Path) -> Evaluation:
    evaluation = assess(attacked(name, VERDICT_OF[name], folder), MNIST, cpu_seconds=VERDICT_OF[name].cpu_seconds)
    oracle.assert_ordinary(evaluation)
    assert "ATTEMPTED" in evaluation.log
    return evaluation


def test_stored_test_images_as_supplied_weights_are_flagged_for_a_person(tmp_path: Path, host: oracle.Host) -> None:
    evaluation = _run("stored_labels_by_nearest_image", tmp_path / "upload")
    accuracy = _accuracy(evaluation)
    assert accuracy.value > 0.99
    assert accuracy.evidence["supplied"]
    assert accuracy.evidence["better_on_unseen"]
    assert any("better on unseen" in reason for reason in evaluation.needs_human)


def test_a_train_that_infers_the_classes_gets_through_and_is_named_as_the_students_own(
    tmp_path: Path, host: oracle.Host
) -> None:
    evaluation = _run("train_infers_the_names_of_the_classes", tmp_path / "upload")
    accuracy = _accuracy(evaluation)
    assert accuracy.value > 0.99
    assert accuracy.evidence["manner"] == "your own train()"


def test_no_other_program_is_excused() -> None:
    assert KNOWN == [
        "claims_parameters_it_does_not_have",
        "claims_that_all_modules_import",
        "stored_labels_by_nearest_image",
        "train_infers_the_names_of_the_classes",
    ]


def test_stored_labels_name_the_wrong_class_when_the_platform_trains(tmp_path: Path, host: oracle.Host) -> None:
    """No class keeps its name, so every stored label is wrong: worse than guessing."""
    evaluation = _run("stored_labels_while_we_train", tmp_path / "upload")
    assert "HELD: found 700 of the images" in evaluation.log
    assert _accuracy(evaluation).value == 0


def test_noise_is_not_taken_for_a_hidden_layer(tmp_path: Path, host: oracle.Host) -> None:
    name = "answers_noise"
    evaluation = assess(attacked(name, VERDICT_OF[name], tmp_path / "upload"), ARCHITECTURE, cpu_seconds=5)
    found = next(m for m in evaluation.measurements if m.key == "hidden_nonlinearity")
    assert found.value == 0
    assert found.evidence["unsteady"]


@pytest.mark.parametrize(
    ("name", "measurement", "criterion", "most_points"),
    [
        ("claims_parameters_it_does_not_have", "parameters_found", "architecture_design", 3.0),
        ("claims_that_all_modules_import", "package_import", "code_quality", 1.0),
    ],
)
def test_what_only_the_program_itself_can_say_is_worth_few_points(
    name: str,
    measurement: str,
    criterion: str,
    most_points: float,
    tmp_path: Path,
    host: oracle.Host,
    honest_result: HonestResult,
) -> None:
    """Two facts are the program's own statement. Each stands beside a measured one in its criterion, and is worth this much."""
    verdict = VERDICT_OF[name]
    honest = honest_result(verdict.base, verdict.groups)
    evaluation = assess(attacked(name, verdict, tmp_path / "upload"), verdict.groups, cpu_seconds=5)
    assert "ATTEMPTED" in evaluation.log
    gains = {
        after.key: round(after.points - before.points, 2)
        for before, after in zip(honest.criteria, evaluation.criteria, strict=True)
    }
    assert set(gains) - {key for key, gain in gains.items() if gain <= 0} <= {criterion}
    assert gains[criterion] <= most_points
    changed = {m.key for m in evaluation.measurements} - {measurement}
    values = {m.key: m.value or 0.0 for m in honest.measurements}
    assert all((m.value or 0.0) <= values[m.key] for m in evaluation.measurements if m.key in changed)
