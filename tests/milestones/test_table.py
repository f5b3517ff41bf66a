"""The table of the samples: real evaluations, and an exit code that says whether all went as stated."""

from dataclasses import replace

import pytest

from milestones import registry
from milestones.catalog import table
from milestones.catalog.table import Row, main, rows
from milestones.catalog.verdicts import differences, shown_by
from tests.milestones.verdicts import samples_of

SAMPLES = {sample.name: sample for sample in samples_of(1)}
MILESTONE = registry.get(1)


def expecting(name: str, **changed):
    return replace(SAMPLES[name], expected=replace(SAMPLES[name].expected, **changed))


def row_of(sample, **settings) -> Row:
    (row,) = rows([(MILESTONE, sample)], **settings)
    return row


def test_the_table_shows_what_was_found_and_that_it_is_as_stated(capsys):
    assert main(["--shown", "basic-inference", "leaky_relu", "no_python"]) == 0
    head, leaky, unusable, last = capsys.readouterr().out.splitlines()
    assert head.split()[:3] == ["milestone", "sample", "score"]
    assert leaky.split()[:2] == ["1", "leaky_relu"]
    assert leaky.split()[-2:] == ["activation_mistaken", "yes"]
    assert unusable.split() == ["1", "no_python", "unusable", "yes"]
    assert last == "2 of 2 samples get the verdict that they state."


def test_a_whole_evaluation_shows_score_level_benchmark_and_cpu_seconds():
    row = row_of(SAMPLES["crashes_at_import"])
    number, name, score, level, benchmark, cpu, found, stated = row.cells()
    assert (number, name, level, benchmark) == ("1", "crashes_at_import", "insufficient", "not met")
    assert (found, stated) == ("crash_at_import", "yes")
    assert 0 < float(score) < 60
    assert float(cpu) > 0


def test_another_verdict_than_stated_is_said_and_ends_with_1(monkeypatch, capsys):
    wrong = expecting("leaky_relu", diagnoses=("softmax_overflow",))
    assert row_of(wrong, shown=True).cells()[-1] == "NO: found activation_mistaken"
    monkeypatch.setattr(table.samples, "list_samples", lambda folder: (wrong,))
    assert main(["--shown", "1"]) == 1
    assert capsys.readouterr().out.endswith("0 of 1 samples get the verdict that they state.\n")


def test_what_can_be_assessed_although_it_should_not_is_a_difference():
    result = row_of(SAMPLES["crashes_at_import"]).result
    assert differences(expecting("crashes_at_import", unusable=True), result) == ["can be assessed"]
    assert differences(SAMPLES["crashes_at_import"], None) == ["can't be assessed"]
    assert differences(expecting("crashes_at_import", benchmark_met=True), result) == ["benchmark False"]


@pytest.mark.parametrize("arguments", [["99"], ["1", "no_such_sample"]])
def test_a_name_that_is_not_there_ends_with_2_and_one_sentence(arguments, capsys):
    assert main(arguments) == 2
    printed = capsys.readouterr()
    assert (printed.out, printed.err.count("\n")) == ("", 1)


def test_a_sample_can_only_name_groups_that_there_are():
    with pytest.raises(ValueError, match="leaky_relu names groups"):
        shown_by(expecting("leaky_relu", groups=("painting",)), MILESTONE)
