"""The honest results that attacks are compared with, and a host that is watched. Needs neither Django nor a database."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path

import pytest

from milestones.contract import Evaluation
from tests.hostile import oracle
from tests.hostile.submissions import assess, base_files, write_files

HonestResult = Callable[[str, tuple[str, ...]], Evaluation]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("sandbox")


@pytest.fixture(scope="session")
def honest_result(tmp_path_factory: pytest.TempPathFactory) -> HonestResult:
    """The result of an honest submission without any attack; each is measured once."""

    @lru_cache(maxsize=64)
    def result(base: str, groups: tuple[str, ...]) -> Evaluation:
        folder = write_files(base_files(base), tmp_path_factory.mktemp(base))
        return assess(folder, groups, cpu_seconds=10)

    return result


@pytest.fixture(scope="session")
def _canaries(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, ...]]:
    made = oracle.canaries(tmp_path_factory.mktemp("canaries"))
    os.environ[oracle.SECRET_VARIABLE] = secrets.token_hex(16)
    yield made
    del os.environ[oracle.SECRET_VARIABLE]
    for path in made:
        path.unlink()


@pytest.fixture
def host(_canaries: tuple[Path, ...]) -> Iterator[oracle.Host]:
    """The host before the test; whatever the test did, it must be the same afterwards."""
    before = oracle.Host.look(_canaries)
    yield before
    oracle.assert_host_unchanged(before)
