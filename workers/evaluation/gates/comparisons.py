"""Gates that compare with the dummy or a registered version: better, or not worse, by a margin."""

from __future__ import annotations

from typing import Any

from orchestrator.contracts.documents.evaluation import Verdict
from orchestrator.contracts.evaluation import PRODUCTION, BeatsGate, ComparisonGate
from workers.evaluation.baseline import answers_of, learned_baseline
from workers.evaluation.differences.gain import Difference, against_constant, finite
from workers.evaluation.gates.court import Court, untold
from workers.evaluation.gates.rival import against_rival


def judge_comparison(gate: ComparisonGate, court: Court) -> Verdict:
    """Passed when the lower end of the gain is above the margin (not worse: above minus the margin)."""
    if gate.rival == "dummy":
        return _against_dummy(gate, court)
    if gate.rival == PRODUCTION and court.params.live is None:
        first = BeatsGate(text=gate.text, beats="dummy", confidence=gate.confidence)
        told = _against_dummy(first, court, {"first_release": True})
        return told.model_copy(update={"sentence": f"nothing is in production yet: {told.sentence}"})
    return _against_version(gate, court)


def _against_dummy(gate: ComparisonGate, court: Court, evidence: dict[str, Any] | None = None) -> Verdict:
    found = against_constant(
        court.params.objective.metric,
        court.sample,
        answers_of(learned_baseline(court.train, court.sample), court.sample),
        confidence=court.confidence(gate),
        resamples=court.resamples(gate),
        seed=court.params.seed,
    )
    return _compared(gate, court, found, {"against": "dummy", "rows": len(court.sample), **(evidence or {})})


def _against_version(gate: ComparisonGate, court: Court) -> Verdict:
    against = {"against": court.params.live if gate.rival == PRODUCTION else gate.rival}
    if court.rival is None:
        return inconclusive(gate, f"{against['against']} was not at hand", against)
    found, evidence = against_rival(
        court.rival, court.whole, court.confidence(gate), court.resamples(gate), court.params, court.among
    )
    if found is None:
        return inconclusive(gate, str(evidence.pop("why")), against | evidence)
    return _compared(gate, court, found, against | evidence)


def inconclusive(gate: ComparisonGate, why: str, evidence: dict[str, Any]) -> Verdict:
    """Not shown to be better, nor worse: it refuses."""
    rival = evidence.get("against", gate.rival)
    asked = f"it beats {rival}" if isinstance(gate, BeatsGate) else f"it is not worse than {rival}"
    return untold(gate, why, evidence, what=asked)


def _compared(gate: ComparisonGate, court: Court, found: Difference, evidence: dict[str, Any]) -> Verdict:
    """Better when the whole interval of the gain is above the margin; not worse when it is above minus the margin."""
    metric, confidence = court.params.objective.metric, court.confidence(gate)
    numbers = {
        "metric": metric,
        "mine": finite(found.mine),
        "theirs": finite(found.theirs),
        "difference": finite(found.value),
        "low": finite(found.low),
        "high": finite(found.high),
        "bound": gate.margin if isinstance(gate, BeatsGate) else -gate.margin,
        "confidence": confidence,
        "alpha": round((1 - confidence) / 2, 12),  # one-sided: the chance to pass without being so
        "method": found.method,
        **evidence,
    }
    if found.value is None:
        return inconclusive(gate, f"{metric} is undefined ({found.note})", numbers)
    if found.low is None:
        return inconclusive(gate, f"the difference in {metric} has no interval ({found.note})", numbers)
    passed = found.low > numbers["bound"]
    told = (
        f"{metric} is {found.mine:.4g} against {found.theirs:.4g} of {evidence['against']} on {evidence['rows']} rows; "
        f"the gain is {found.value:.4g}, at least {found.low:.4g} at {100 * confidence:.4g} % confidence, "
        f"{_concluded(gate, passed)}"
    )
    return Verdict(gate=gate.text, passed=passed, evidence=numbers, sentence=told)


def _concluded(gate: ComparisonGate, passed: bool) -> str:
    if isinstance(gate, BeatsGate):
        claim = f"it is better{f' by more than {gate.margin:.4g}' if gate.margin else ''}"
    else:
        claim = f"it is worse by less than {gate.margin:.4g}, if at all"
    return f"so {claim}" if passed else f"which does not show that {claim}"
