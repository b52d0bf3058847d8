"""Gates that compare groups of rows with one another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.contracts.documents.evaluation import Verdict
from orchestrator.contracts.evaluation import FairnessGate
from workers.evaluation.gates.court import Court, untold
from workers.evaluation.gates.parity import parity
from workers.evaluation.slices import Mask

WHAT = "groups are treated alike"


def judge_fairness(gate: FairnessGate, court: Court, groups: Mapping[str, Mask]) -> Verdict:
    """Passed when the lower end of the ratio of the lowest rate to the highest keeps the bound."""
    if court.sample.kind != "binary":
        return untold(gate, f"rates are of two classes; the target is {court.sample.kind}", {}, what=WHAT)
    params, confidence = court.params, court.confidence(gate)
    found = parity(
        gate.fairness, court.sample, groups, confidence=confidence, resamples=court.resamples(gate), seed=params.seed
    )
    evidence: dict[str, Any] = {
        "value": found.value,
        "low": found.low,
        "high": found.high,
        "at_least": gate.at_least,
        "confidence": confidence,
        "method": found.method,
        "lowest": found.lowest,
        "highest": found.highest,
        "rates": found.rates,
        "rows": {name: int(mask.sum()) for name, mask in groups.items()},
    }
    if found.value is None or found.low is None:
        return untold(gate, found.why or "it is undefined", evidence, what=WHAT)
    passed = found.low >= gate.at_least
    rate = gate.fairness.replace("_", " ")
    told = (
        f"the {rate} of {found.lowest} is {found.rates[str(found.lowest)]:.4g} against "
        f"{found.rates[str(found.highest)]:.4g} of {found.highest}, a ratio of {found.value:.4g}; the lower end of its "
        f"{100 * confidence:.4g} % interval is {found.low:.4g}, {'and' if passed else 'but'} at least "
        f"{gate.at_least:.4g} is asked"
    )
    return Verdict(gate=gate.text, passed=passed, evidence=evidence, sentence=told)
