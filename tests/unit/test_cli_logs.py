"""What `cyclery logs` says above and before the lines of a stage."""

from __future__ import annotations

import pytest

from orchestrator.cli.looking import heading
from orchestrator.client.logs import Line


def test_a_cached_stage_made_no_attempt() -> None:
    assert [heading(0), heading(2)] == ["cached: written when it ran", "attempt 2"]


@pytest.mark.parametrize(
    ("asked", "told"),
    [(None, "train[x#1/2]"), ("train[x#1]", "train[x#1/2]"), ("train[x#1/2]", ""), ("train[x#1/", "")],
)
def test_a_line_names_its_stage_unless_that_is_the_one_asked_for(asked: str | None, told: str) -> None:
    assert Line("train[x#1/2]", 1, "three neighbours").of(asked) == told
