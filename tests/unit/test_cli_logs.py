"""What `cyclery logs` says above the lines of a stage."""

from __future__ import annotations

from orchestrator.cli.looking import heading


def test_a_cached_stage_made_no_attempt() -> None:
    assert [heading(0), heading(2)] == ["cached: written when it ran", "attempt 2"]
