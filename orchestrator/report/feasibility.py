"""The verdict on a target as a document, with what the whole search may cost."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.report.evidence import Evidence


def feasibility_document(
    evidence: Evidence, trials: Mapping[str, int], folds: int, workers: int
) -> dict[str, Any] | None:
    """The document of the stage with `cost`; None where the run has none. `trials` is by candidate."""
    found = evidence.feasibility
    if found is None:
        return None
    return found.model_dump(mode="json") | {"cost": cost(evidence, trials, folds, workers)}


def cost(evidence: Evidence, trials: Mapping[str, int], folds: int, workers: int) -> dict[str, Any]:
    """Seconds of the search: timed small fits, led on to a fold's rows, × folds × trials ÷ workers.

    Null where no candidate could be timed; `untimed` names those that were not, which `seconds` does not count.
    """
    stage = evidence.stage("train.feasibility")
    timed: dict[str, float] = (stage.measured.get("fit_seconds") or {}) if stage is not None else {}
    candidates = [{"candidate": name, "trials": count, "fit_s": timed.get(name)} for name, count in trials.items()]
    total = sum(timed[name] * count * folds for name, count in trials.items() if name in timed)
    return {
        "seconds": round(total / max(1, workers), 1) if timed else None,
        "fit_seconds": round(total, 1),
        "workers": workers,
        "folds": folds,
        "trials": sum(trials.values()),
        "candidates": candidates,
        "untimed": [name for name in trials if name not in timed],
    }
