"""train.require: whether the verdict on the target is the one without which nothing is to be spent."""

from __future__ import annotations

from typing import NamedTuple

from orchestrator.contracts.documents.evaluation import Verdict, Verdicts
from orchestrator.contracts.feasibility import Feasibility, RequireParams


class RequireOutputs(NamedTuple):
    """What the stage leaves: where it did not pass, the run ends as refused."""

    verdicts: Verdicts


def require(feasibility: Feasibility, *, params: RequireParams) -> RequireOutputs:
    """Judge the verdict; it was worked out before, and is only compared here."""
    passed = feasibility.verdict == params.verdict
    found = (
        f"the target of {feasibility.target:.4g} is {feasibility.verdict}"
        if feasibility.target is not None
        else "no target is given"
    )
    verdict = Verdict(
        gate=f"require: {params.verdict}",
        passed=passed,
        evidence={"verdict": feasibility.verdict, "target": feasibility.target, "metric": feasibility.metric},
        sentence=f"{feasibility.metric}: {found}: {feasibility.reasons[0]}",
    )
    return RequireOutputs(Verdicts(verdicts=(verdict,), passed=passed))
