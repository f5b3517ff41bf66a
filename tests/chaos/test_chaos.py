"""A short storm in every test run. The long one is ``make chaos N=1000``."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
NOTHING = {
    "lost": [],
    "duplicated": [],
    "stuck": [],
    "wrongly charged": [],
    "inconsistent": [],
    "left behind": [],
    "deaf workers": [],
}


@pytest.mark.sandbox
@pytest.mark.timeout(600)
def test_a_storm_costs_nobody_anything(tmp_path):
    table = tmp_path / "table.json"
    command = [sys.executable, "-m", "tests.chaos", "--faults", "30", "--pause", "0.6", "--json", str(table)]
    storm = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert table.exists(), storm.stdout + storm.stderr
    found = json.loads(table.read_text())
    assert found["findings"] == NOTHING, storm.stdout
    assert storm.returncode == 0
    assert sum(found["faults"].values()) == 30
    assert found["published"] + found["for_a_person"] == found["submissions"]
    assert found["published"] >= 10
