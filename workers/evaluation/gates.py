"""Gates: what a model must keep to be registered as a candidate, judged on the safe end of an interval."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from orchestrator.contracts.documents import Evaluation, Interval, Verdict, Verdicts
from orchestrator.contracts.evaluation import PRODUCTION, BeatsGate, ComparisonGate, GatesParams, MetricGate
from workers.evaluation.baseline import answers_of, learned_baseline
from workers.evaluation.differences import Difference, against_constant, finite
from workers.evaluation.intervals import Judge
from workers.evaluation.rival import Rival, against_rival
from workers.evaluation.rows import part, units_of, weights_of
from workers.evaluation.sample import Sample, sample_from


class GatesOutputs(NamedTuple):
    """All answers."""

    verdicts: Verdicts


@dataclass(frozen=True, slots=True)
class _Court:
    """What gates are judged on."""

    evaluation: Evaluation
    sample: Sample
    train: pd.DataFrame
    rival: Rival | None
    params: GatesParams


def gates(
    evaluation: Evaluation,
    predictions: pd.DataFrame,
    frame: pd.DataFrame,
    rows: pd.DataFrame,
    table: pd.DataFrame | None = None,
    rival_bundle: Path | None = None,
    rival_rows: pd.DataFrame | None = None,
    *,
    params: GatesParams,
) -> GatesOutputs:
    """One verdict for each gate, in the order of the spec; what is undefined or inconclusive does not pass."""
    judged = frame.loc[predictions.index]
    sample = sample_from(
        predictions,
        kind=evaluation.kind,
        classes=evaluation.classes,
        positive=evaluation.positive,
        units=units_of(judged, rows),
        weights=weights_of(judged),
    )
    rival = None
    if table is not None and rival_bundle is not None and rival_rows is not None:
        rival = Rival(rival_bundle, rival_rows, table, rows, predictions.index)
    court = _Court(evaluation, sample, part(frame, rows, "train"), rival, params)
    verdicts = tuple(_judge(gate, court) for gate in params.gates)
    return GatesOutputs(Verdicts(verdicts=verdicts, passed=all(verdict.passed for verdict in verdicts)))


def _judge(gate: MetricGate | ComparisonGate, court: _Court) -> Verdict:
    if isinstance(gate, MetricGate):
        return _bound(gate, _interval(gate, court))
    if gate.rival == "dummy":
        return _against_dummy(gate, court)
    if gate.rival == PRODUCTION and court.params.live is None:
        first = BeatsGate(text=gate.text, beats="dummy", confidence=gate.confidence)
        told = _against_dummy(first, court, {"first_release": True})
        return told.model_copy(update={"sentence": f"nothing is in production yet: {told.sentence}"})
    return _against_version(gate, court)


def _against_dummy(gate: ComparisonGate, court: _Court, evidence: dict[str, Any] | None = None) -> Verdict:
    found = against_constant(
        court.params.objective.metric,
        court.sample,
        answers_of(learned_baseline(court.train, court.sample), court.sample),
        confidence=gate.confidence,
        resamples=court.params.resamples,
        seed=court.params.seed,
    )
    return _compared(gate, court, found, {"against": "dummy", "rows": len(court.sample), **(evidence or {})})


def _interval(gate: MetricGate, court: _Court) -> Interval | None:
    """The evaluation's interval, or one at the gate's own confidence."""
    known = court.evaluation.metrics.get(gate.metric)
    if known is None or known.value is None or known.confidence == gate.confidence:
        return known
    names = (gate.metric,) if court.sample.kind == "regression" else tuple(dict.fromkeys((gate.metric, "accuracy")))
    judge = Judge(court.sample, names, gate.confidence, court.params.resamples, court.params.seed)
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


def _against_version(gate: ComparisonGate, court: _Court) -> Verdict:
    against = {"against": court.params.live if gate.rival == PRODUCTION else gate.rival}
    if court.rival is None:
        return inconclusive(gate, f"{against['against']} was not at hand", against)
    found, evidence = against_rival(court.rival, court.sample, gate.confidence, court.params)
    if found is None:
        return inconclusive(gate, str(evidence.pop("why")), against | evidence)
    return _compared(gate, court, found, against | evidence)


def inconclusive(gate: ComparisonGate, why: str, evidence: dict[str, Any]) -> Verdict:
    """Not shown to be better, nor worse: it refuses."""
    rival = evidence.get("against", gate.rival)
    asked = f"it beats {rival}" if isinstance(gate, BeatsGate) else f"it is not worse than {rival}"
    sentence = f"whether {asked} cannot be told: {why}; an inconclusive gate refuses"
    return Verdict(gate=gate.text, passed=False, evidence={"inconclusive": True, **evidence}, sentence=sentence)


def _compared(gate: ComparisonGate, court: _Court, found: Difference, evidence: dict[str, Any]) -> Verdict:
    """Better when the whole interval of the gain is above the margin; not worse when it is above minus the margin."""
    metric = court.params.objective.metric
    numbers = {
        "metric": metric,
        "mine": finite(found.mine),
        "theirs": finite(found.theirs),
        "difference": finite(found.value),
        "low": finite(found.low),
        "high": finite(found.high),
        "bound": gate.margin if isinstance(gate, BeatsGate) else -gate.margin,
        "confidence": gate.confidence,
        "alpha": round((1 - gate.confidence) / 2, 12),  # one-sided: the chance to pass without being so
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
        f"the gain is {found.value:.4g}, at least {found.low:.4g} at {100 * gate.confidence:.4g} % confidence, "
        f"{_concluded(gate, passed)}"
    )
    return Verdict(gate=gate.text, passed=passed, evidence=numbers, sentence=told)


def _concluded(gate: ComparisonGate, passed: bool) -> str:
    if isinstance(gate, BeatsGate):
        claim = f"it is better{f' by more than {gate.margin:.4g}' if gate.margin else ''}"
    else:
        claim = f"it is worse by less than {gate.margin:.4g}, if at all"
    return f"so {claim}" if passed else f"which does not show that {claim}"
