"""Gates that bound a metric: judged on the safe end of its interval."""

from __future__ import annotations

from typing import Any

from orchestrator.contracts.documents.evaluation import Interval, Verdict
from orchestrator.contracts.evaluation import MetricGate
from workers.evaluation.gates.court import Court
from workers.evaluation.intervals import Judge, needed_for, twofold


def judge_bound(gate: MetricGate, court: Court) -> Verdict:
    """A bound is kept when the whole interval keeps it; an undefined metric does not keep it."""
    return _bound(gate, _interval(gate, court))


def _interval(gate: MetricGate, court: Court) -> Interval | None:
    """The evaluation's interval, or one that is safe, at the gate's own confidence or on its own rows."""
    known = court.evaluation.metrics.get(gate.metric)
    confidence = court.confidence(gate)
    same = known is not None and known.confidence == confidence and not twofold(court.sample, gate.metric)
    if known is None or (court.among is None and (known.value is None or same)):
        return known
    needed = needed_for(court.sample, [gate.metric])
    judge = Judge(court.sample, needed, confidence, court.resamples(gate), court.params.seed, safe=True)
    return judge.interval(gate.metric)


def _bound(gate: MetricGate, interval: Interval | None) -> Verdict:
    """A bound is kept when the whole interval keeps it."""
    if interval is None or interval.value is None:
        why = (interval.note if interval else None) or "it does not fit this target"
        return Verdict(
            gate=gate.text,
            passed=False,
            evidence={"value": None, "undefined": why},
            sentence=f"{gate.metric} is undefined on the test rows ({why}): an undefined metric does not pass",
        )
    sides = [
        (bound, end, end is not None and keeps(end, bound), name)
        for bound, end, keeps, name in (
            (gate.at_least, interval.low, float.__ge__, "lower"),
            (gate.at_most, interval.high, float.__le__, "upper"),
        )
        if bound is not None
    ]
    passed = all(kept for _, _, kept, _ in sides)
    evidence: dict[str, Any] = interval.model_dump(exclude={"note"}) | {
        "at_least": gate.at_least,
        "at_most": gate.at_most,
    }
    return Verdict(gate=gate.text, passed=passed, evidence=evidence, sentence=_told(gate, interval, sides))


def _told(gate: MetricGate, interval: Interval, sides: list[tuple[float, float | None, bool, str]]) -> str:
    """The side that fails, else the first one, in words."""
    bound, end, kept, name = min(sides, key=lambda side: side[2])
    shown = "unknown" if end is None else f"{end:.4g}"
    asked = "at least" if name == "lower" else "at most"
    level = f"{100 * interval.confidence:.4g} %"
    return (
        f"{gate.metric} is {interval.value:.4g}; the {name} end of its {level} interval is {shown}, "
        f"{'and' if kept else 'but'} {asked} {bound:.4g} is asked"
    )
