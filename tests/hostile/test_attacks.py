"""Every hostile program against the real evaluator in the real sandbox: none gains, none harms."""

from __future__ import annotations

import ast
import itertools
from dataclasses import replace
from pathlib import Path

import pytest

from tests.hostile import oracle
from tests.hostile.conftest import HonestResult
from tests.hostile.submissions import PROGRAMS, assess, attacked, base_files, write_files
from tests.hostile.verdicts import (
    ALL,
    ALSO_AT_IMPORT,
    BLOCKED,
    KNOWN_LIMIT,
    MATHEMATICS,
    UNHARMED,
    VERDICT_OF,
    VERDICTS,
)

ATTACKS = [pytest.param(name, id=name) for name in sorted(VERDICT_OF) if KNOWN_LIMIT not in VERDICT_OF[name].ends]
# After every so many attacks of this process, an honest submission must still get what it got before them.
HONEST_AFTER = 10
_count = itertools.count(1)


def test_there_are_at_least_60_programs_and_each_has_exactly_one_verdict() -> None:
    names = [name for rows in VERDICTS.values() for name in rows]
    assert len(names) == len(set(names)) >= 60
    assert set(names) == {path.stem for path in PROGRAMS.glob("*.py")}


@pytest.mark.parametrize("path", sorted(PROGRAMS.rglob("*.py")), ids=lambda path: path.stem)
def test_every_program_says_in_its_first_words_what_it_does(path: Path) -> None:
    words = ast.get_docstring(ast.parse(path.read_text()))
    assert words
    assert words.endswith(".")


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_gains_nothing_and_leaves_nothing(
    name: str, tmp_path: Path, host: oracle.Host, honest_result: HonestResult
) -> None:
    verdict = VERDICT_OF[name]
    honest = honest_result(verdict.base, verdict.groups)
    evaluation = assess(attacked(name, verdict, tmp_path / "upload"), verdict.groups, cpu_seconds=verdict.cpu_seconds)
    oracle.assert_ordinary(evaluation)
    oracle.assert_no_gain(evaluation, honest, verdict)
    oracle.assert_ended(evaluation, honest, verdict)
    if next(_count) % HONEST_AFTER == 0:
        _the_next_honest_submission_gets_its_full_score(tmp_path / "next", honest_result)


@pytest.mark.parametrize("name", ALSO_AT_IMPORT)
def test_an_attack_at_import_loses_its_module_and_nothing_else(
    name: str, tmp_path: Path, host: oracle.Host, honest_result: HonestResult
) -> None:
    verdict = replace(VERDICT_OF[name], when="import", ends=(BLOCKED, UNHARMED), base="full_autograd", tries=False)
    honest = honest_result("full_autograd", MATHEMATICS)
    evaluation = assess(attacked(name, verdict, tmp_path / "upload"), MATHEMATICS, cpu_seconds=ALSO_AT_IMPORT[name])
    oracle.assert_ordinary(evaluation)
    oracle.assert_ended(evaluation, honest, verdict)
    assert evaluation.criteria[0] == honest.criteria[0]


def _the_next_honest_submission_gets_its_full_score(folder: Path, honest_result: HonestResult) -> None:
    before = honest_result("full_autograd", ALL)
    after = assess(write_files(base_files("full_autograd"), folder), ALL, cpu_seconds=10)
    assert after.criteria == before.criteria
    assert after.benchmark_met is True
