"""Gates on how fast the bundle answers and how much memory it takes, by what was measured of it."""

from __future__ import annotations

from typing import Any

import numpy as np

from orchestrator.contracts.documents.evaluation import Verdict
from orchestrator.contracts.documents.release import Measurements
from orchestrator.contracts.evaluation import MeasuredGate, MemoryGate, SpeedGate
from workers.evaluation.gates.court import Court, untold
from workers.evaluation.gates.facts import in_bytes
from workers.evaluation.gates.order import at_most, covered, median_at_most


def judge_speed(gate: SpeedGate, court: Court) -> Verdict:
    """Passed when the quantile of single rows, or the median of batches, is shown to be fast enough."""
    known = court.measurements
    if known is None or not known.rounds:
        return untold(gate, _unknown(known))
    return _of_rows(gate, known) if gate.quantile is not None else _of_batches(gate, known)


def judge_memory(gate: MemoryGate, court: Court) -> Verdict:
    """Passed when none of the rounds took more at its peak: what loading added, and predicting a batch on top."""
    known = court.measurements
    if known is None or not known.rounds:
        return untold(gate, _unknown(known))
    peaks = [one.load_bytes + one.predict_bytes for one in known.rounds if one.predict_bytes is not None]
    evidence = _where(known) | {"at_most": gate.memory, "unit": "bytes", "batch_rows": known.batch_rows}
    if len(peaks) < len(known.rounds):
        why = f"the host {known.host} does not tell how much memory was taken at the peak"
        return untold(gate, why, evidence | {"why": why})
    largest, alpha = max(peaks), _alpha(gate)
    evidence |= {"value": int(np.median(peaks)), "high": largest, "alpha": alpha}
    evidence["covers"] = round(covered(len(peaks), alpha), 4)
    passed = largest <= gate.memory
    told = (
        f"loaded, and predicting {known.batch_rows} rows at once, the packaged model took up to {in_bytes(largest)} in "
        f"{len(peaks)} rounds, {'and' if passed else 'but'} at most {in_bytes(gate.memory)} is asked{_on(known)}"
    )
    return Verdict(gate=gate.text, passed=passed, evidence=evidence, sentence=told)


def _of_rows(gate: SpeedGate, known: Measurements) -> Verdict:
    quantile, bound = float(gate.quantile or 0), float(gate.at_most or 0)
    clusters = [one.row_ms for one in known.rounds]
    times = np.concatenate(clusters)
    high = at_most(clusters, quantile, _alpha(gate))
    evidence = _where(known) | {
        "value": float(np.quantile(times, quantile, method="inverted_cdf")),
        "at_most": bound,
        "unit": "ms",
        "alpha": _alpha(gate),
        "rows": len(times),
        "method": "order statistic, with what rounds have in common",
    }
    what = "half of all single rows" if quantile == 0.5 else f"{100 * quantile:g} % of single rows"
    if high is None:
        told = f"{len(times)} timings in {len(clusters)} rounds, as much as these differ, are too few"
        why = f"{told} to bound what {what} take"
        return untold(gate, why, evidence | {"why": why})
    passed = high <= bound
    told = (
        f"{what} are answered within {_value(evidence):.3g} ms, with confidence within {high:.3g} ms, "
        f"{'and' if passed else 'but'} at most {bound:g} ms is asked{_on(known)}"
    )
    return Verdict(gate=gate.text, passed=passed, evidence=evidence | {"high": high}, sentence=told)


def _of_batches(gate: SpeedGate, known: Measurements) -> Verdict:
    bound = float(gate.at_least or 0)
    typical = [float(np.median(one.batch_ms)) for one in known.rounds]
    slow = median_at_most(typical, _alpha(gate))
    evidence = _where(known) | {
        "value": round(1000 * known.batch_rows / float(np.median(typical)), 1),
        "at_least": bound,
        "unit": "rows a second",
        "alpha": _alpha(gate),
        "batch_rows": known.batch_rows,
        "method": "order statistic of the rounds",
    }
    if slow is None:
        why = f"{len(typical)} rounds are too few for a confidence of {gate.confidence:g}"
        return untold(gate, why, evidence | {"why": why})
    low = round(1000 * known.batch_rows / slow, 1)
    passed = low >= bound
    told = (
        f"in a batch of {known.batch_rows} rows the packaged model answers {_value(evidence):,.0f} rows a second, with "
        f"confidence {low:,.0f}, {'and' if passed else 'but'} at least {bound:,.0f} is asked{_on(known)}"
    )
    return Verdict(gate=gate.text, passed=passed, evidence=evidence | {"low": low}, sentence=told)


def _value(evidence: dict[str, Any]) -> float:
    return float(evidence["value"])


def _alpha(gate: MeasuredGate) -> float:
    """Of the safe end of a two-sided interval, as everywhere."""
    return round((1 - gate.confidence) / 2, 12)


def _where(known: Measurements) -> dict[str, Any]:
    """Timings are those of one machine: which, and when."""
    return {
        "host": known.host,
        "cores": known.cores,
        "threads": known.threads,
        "measured": known.measured,
        "rounds": len(known.rounds),
    }


def _on(known: Measurements) -> str:
    return f" (measured on {known.host}, {known.threads} of {known.cores} cores)"


def _unknown(known: Measurements | None) -> str:
    return "the packaged model was not measured" + (f", since {known.why}" if known is not None and known.why else "")
