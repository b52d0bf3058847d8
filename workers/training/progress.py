"""How a search went, from its last state."""

from __future__ import annotations

from collections.abc import Sequence

from orchestrator.contracts.documents.training import RungSummary, SearchState, SearchSummary, SearchTrial


def told(state: SearchState) -> SearchSummary:
    """Its settings, rungs and failures, and why it stopped."""
    last = state.steps[-1] if state.steps else None
    return SearchSummary(
        method=state.method,
        settings=len({(one.candidate, one.index) for one in state.trials}),
        trials=len(state.trials),
        failed=sum(one.failed for one in state.trials),
        resource_used=round(sum((one.rung.share if one.rung else 1.0) for one in state.trials), 6),
        steps=sum(step.asked > 0 for step in state.steps),
        ended=state.ended or "its steps were used up",
        rungs=_rungs(state.trials),
        elapsed_s=last.elapsed_s if last else None,
        worker_s=last.worker_s if last else None,
    )


def _rungs(trials: Sequence[SearchTrial]) -> tuple[RungSummary, ...]:
    found = []
    for number in sorted({one.rung.number for one in trials if one.rung}):
        there = [one for one in trials if one.rung and one.rung.number == number]
        rungs = [one.rung for one in there if one.rung]
        found.append(
            RungSummary(
                number=number,
                resource=rungs[0].resource,
                amount=min(rung.amount for rung in rungs),
                trials=len(there),
                failed=sum(one.failed for one in there),
            )
        )
    return tuple(found)


def sentence(summary: SearchSummary) -> str:
    """How it went, in words."""
    settings = f"{summary.settings} setting{'s' if summary.settings > 1 else ''}"
    fits = f" in {summary.trials} trials" if summary.trials > summary.settings else ""
    return f"the {summary.method} search tried {settings}{fits} and asked for no more since {summary.ended}"
