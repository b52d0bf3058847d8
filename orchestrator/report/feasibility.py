"""The verdict on a target as a document, with what the whole search may cost."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.contracts.feasibility import Feasibility
from orchestrator.contracts.training import FITS, TRIALS, trials_of
from orchestrator.report.charts import Chart
from orchestrator.report.evidence import Evidence
from orchestrator.report.learning import learning_chart
from orchestrator.report.wording import duration, sentence, short


def feasibility_document(
    evidence: Evidence,
    trials: Mapping[str, int],
    folds: int,
    workers: int,
    *,
    share: float = 1.0,
    budget_s: float | None = None,
) -> dict[str, Any] | None:
    """The document of the stage with `cost`; None where the run has none. `trials` is by candidate."""
    found = evidence.feasibility
    if found is None:
        return None
    return found.model_dump(mode="json") | {
        "cost": cost(evidence, trials, folds, workers, share=share, budget_s=budget_s)
    }


def cost(
    evidence: Evidence,
    trials: Mapping[str, float],
    folds: int,
    workers: int,
    *,
    share: float = 1.0,
    budget_s: float | None = None,
) -> dict[str, Any]:
    """Seconds of the search: timed small fits, led on to a fold's rows, × folds × trials ÷ workers.

    Where segments have models of their own, with the fits in all of them.
    Of a search that halves times the `share` of the resource that a setting takes on average; of one that has a
    budget of time (seconds) no more than that.
    Null where no candidate could be timed; `untimed` names those that were not, which `seconds` does not count.
    """
    stage = evidence.stage("train.feasibility")
    measured = stage.measured if stage is not None else {}
    timed: dict[str, float] = measured.get("fit_seconds") or {}
    within: dict[str, float] = measured.get("segments_fit_seconds") or {}
    candidates = [
        {"candidate": name, "trials": count, "fit_s": timed.get(name)}
        | ({"segments_fit_s": within.get(name)} if within else {})
        for name, count in trials.items()
    ]
    total = share * sum(
        (timed[name] + within.get(name, 0.0)) * count * folds for name, count in trials.items() if name in timed
    )
    if budget_s is not None:
        total = min(total, budget_s * max(1, workers))
    return {
        "seconds": round(total / max(1, workers), 1) if timed else None,
        "fit_seconds": round(total, 1),
        "workers": workers,
        "folds": folds,
        "trials": sum(trials.values()),
        "candidates": candidates,
        "untimed": [name for name in trials if name not in timed],
    }


@dataclass(frozen=True, slots=True)
class Section:
    """The report's section: the verdict with its reason, what was seen, and what the search was expected to cost."""

    found: Feasibility
    reason: str | None
    seen: list[str]
    chart: Chart | None
    cost: str | None


def feasibility_section(evidence: Evidence) -> Section | None:
    """None where the run did not ask."""
    found = evidence.feasibility
    if found is None:
        return None
    judged = found.verdict is not None
    reasons = [sentence(re.sub(rf"\b{found.metric}\b", short(found.metric), one)) for one in found.reasons]
    return Section(
        found=found,
        reason=reasons[0] if judged else None,
        seen=reasons[judged:],
        chart=learning_chart(found),
        cost=_cost_words(evidence),
    )


def _cost_words(evidence: Evidence) -> str | None:
    trials: dict[str, float] = {}  # in units of one in full
    for stage in evidence.record.stages:
        if stage.task not in TRIALS:
            continue
        candidate, rung = str(stage.params.get("candidate")), stage.params.get("rung")
        full = rung["share"] if rung else 1.0
        trials[candidate] = trials.get(candidate, 0.0) + full * trials_of(stage.task, stage.params)
    folds = evidence.split.folds if evidence.split is not None else 0
    expected = cost(evidence, trials, folds, 1)
    if expected["seconds"] is None or not trials or not folds:
        return None
    text = f"From timed small fits the search was expected to spend {duration(expected['seconds'])} fitting"
    times = [stage.measured.get("fit_seconds") for stage in evidence.record.stages if stage.task in FITS]
    spent = [time for time in times if isinstance(time, int | float)]
    return f"{text}; it spent {duration(sum(spent))}." if len(spent) == len(times) else f"{text}."
