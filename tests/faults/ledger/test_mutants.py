"""The storm and its checker are tested by what they must find: engines with one step left out."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.faults.ledger.equivalent import EQUIVALENT
from tests.faults.ledger.mutations import LUA, ROOT, lua_mutants
from tests.faults.ledger.orderings import ORDERINGS


@pytest.mark.timeout(1500)
def test_a_sample_of_mutants_turns_a_storm_red_and_an_unchanged_engine_does_not() -> None:
    command = [sys.executable, "-m", "tests.faults.ledger.mutants", "--sample"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=1400, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "0 survived" in ended.stdout


def test_every_step_has_mutants() -> None:
    files = {f"{folder}/{file.name}" for folder in LUA for file in (ROOT / folder).glob("*.lua")}
    assert files == {mutant.path for mutant in lua_mutants()}


def test_every_ordering_is_still_found_in_the_code() -> None:
    lost = [one.name for one in ORDERINGS if (ROOT / one.path).read_text().count(one.old) != 1]
    assert lost == []


def test_every_equivalent_mutant_still_exists() -> None:
    known = [*ORDERINGS, *lua_mutants()]
    lost = [(file, part) for file, part, _ in EQUIVALENT
            if not any(one.path.endswith(file) and part in one.name for one in known)]  # fmt: skip
    assert lost == []
