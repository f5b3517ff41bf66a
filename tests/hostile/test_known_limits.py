"""What is not prevented, written down as tests, so that SECURITY.md stays true: the attack works and a person can see it."""

from __future__ import annotations

from pathlib import Path

from milestones.contract import Evaluation, Measurement
from tests.hostile import oracle
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
    assert KNOWN == ["stored_labels_by_nearest_image", "train_infers_the_names_of_the_classes"]


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
