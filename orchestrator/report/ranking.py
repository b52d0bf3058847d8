"""The trials in a report: ranked, or before the selection those that are done, and those that failed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from orchestrator.contracts.metrics import METRICS
from orchestrator.report.document import best_first
from orchestrator.report.evidence import Evidence
from orchestrator.report.geometry import Strip, domain, strip
from orchestrator.report.tried import tried
from orchestrator.report.wording import decimals, fixed, number, parameters, sentence, short

SHOWN = 15  # lines of the ranking that are open to view, and of failed trials
LISTED = 1000  # of which the folded part has the others; a page of 100,000 lines opens nowhere


@dataclass(frozen=True, slots=True)
class TrialRow:
    """One line of the ranking."""

    rank: int
    candidate: str
    params: str
    mean: str
    std: str
    strip: Strip
    scores: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RankingTable:
    """The candidates, best first; the rest stands folded below."""

    metric: str
    direction: str
    rows: list[TrialRow]
    rest: list[TrialRow]
    left_out: int
    ends: tuple[str, str]
    reason: str | None
    final: bool


def ranking_table(evidence: Evidence) -> RankingTable | None:
    """The ranking, or before the selection the trials that are done."""
    ranking = evidence.ranking
    trials: list[tuple[int, Any]] = [(one.rank, one) for one in ranking.trials] if ranking else []
    if ranking is None:
        trials = list(enumerate(best_first(evidence.results), 1))
    if not trials:
        return None
    metric = ranking.metric if ranking else evidence.results[0].metric
    # The scale is that of the lines in view: one broken trial must not flatten the others.
    shown = [one for _, one in trials[:SHOWN]]
    within = domain([end for one in shown for end in (one.mean - one.std, one.mean + one.std)])
    digits = decimals((one.mean for one in shown), 4)
    rows = [_trial_row(rank, one, within, digits) for rank, one in trials[:LISTED]]
    return RankingTable(
        metric=short(metric),
        direction="higher is better" if METRICS[metric].greater_is_better else "lower is better",
        rows=rows[:SHOWN],
        rest=rows[SHOWN:],
        left_out=len(trials) - len(rows),
        ends=(number(within[0]), number(within[1])),
        reason=sentence(ranking.reason) if ranking else None,
        final=ranking is not None,
    )


def _trial_row(rank: int, trial: Any, within: tuple[float, float], digits: int) -> TrialRow:
    return TrialRow(
        rank=rank,
        candidate=trial.candidate,
        params=parameters(trial.params),
        mean=fixed(trial.mean, digits),
        std=fixed(trial.std, digits),
        strip=strip(trial.mean, trial.mean - trial.std, trial.mean + trial.std, within),
        scores=tuple(fixed(score, digits) for score in trial.scores),
    )


@dataclass(frozen=True, slots=True)
class FailedTrial:
    """One trial that came to nothing, and why."""

    trial: str
    params: str
    error: str


def failed_trials(evidence: Evidence) -> list[FailedTrial]:
    """In the plan's order."""
    return [
        FailedTrial(trial=f"{one.candidate}#{one.index}", params=parameters(one.params), error=one.error)
        for one in tried(evidence)
        if one.error is not None
    ]
