"""Gates: what a model must keep to be registered as a candidate, judged on the safe end of an interval."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, cast

import pandas as pd

from orchestrator.contracts.documents.data import Findings
from orchestrator.contracts.documents.evaluation import LOOKS, Evaluation, Spending, Verdict, Verdicts
from orchestrator.contracts.documents.release import Measurements
from orchestrator.contracts.errors import InvalidInput
from orchestrator.contracts.evaluation import (
    ChecksGate,
    ComparisonGate,
    DriftGate,
    FairnessGate,
    Gate,
    GatesParams,
    MemoryGate,
    MetricGate,
    NotWorseGate,
    OwnGate,
    SizeGate,
    SpeedGate,
    StatisticalGate,
    column_of,
    spends,
)
from workers.evaluation.gates.bounds import judge_bound
from workers.evaluation.gates.comparisons import judge_comparison
from workers.evaluation.gates.court import Court, untold
from workers.evaluation.gates.drift import judge_drift
from workers.evaluation.gates.facts import judge_checks, judge_size
from workers.evaluation.gates.fairness import judge_fairness
from workers.evaluation.gates.own import judge_own
from workers.evaluation.gates.rival import Rival
from workers.evaluation.gates.speed import judge_memory, judge_speed
from workers.evaluation.rows import part, units_of, weights_of
from workers.evaluation.sample import Sample, sample_from
from workers.evaluation.slices import Mask, columns_of
from workers.runtime.codecs import Artifact


class GatesOutputs(NamedTuple):
    """All answers."""

    verdicts: Verdicts


def gates(  # noqa: PLR0913, PLR0917  (the inputs of a stage)
    evaluation: Evaluation,
    predictions: pd.DataFrame,
    frame: pd.DataFrame,
    rows: pd.DataFrame,
    table: pd.DataFrame | None = None,
    rival_bundle: Path | None = None,
    rival_rows: pd.DataFrame | None = None,
    prepared: pd.DataFrame | None = None,
    spending: Spending | None = None,
    model: Artifact | None = None,
    findings: Findings | None = None,
    measurements: Measurements | None = None,
    rival_frame: pd.DataFrame | None = None,
    *,
    params: GatesParams,
) -> GatesOutputs:
    """One verdict for each gate, in the order of the spec; what is undefined or inconclusive does not pass."""
    test = frame.loc[predictions.index]
    court = Court(
        evaluation=evaluation,
        whole=_sample(evaluation, predictions, test, rows, params),
        train=part(frame, rows, "train"),
        test=test,
        predictions=predictions,
        rival=_rival(rival_bundle, rival_rows, table, rows, predictions.index),
        columns=columns_of(prepared, test, params.slices),
        params=params,
        findings=findings,
        model_bytes=None if model is None else model.ref.size,
        measurements=measurements,
        before=None if rival_frame is None or rival_rows is None else part(rival_frame, rival_rows, "train"),
        spending=spending,
    )
    verdicts = tuple(_answered(gate, court) for gate in params.gates)
    return GatesOutputs(Verdicts(verdicts=verdicts, passed=all(one.passed for one in verdicts)))


def _sample(
    evaluation: Evaluation, predictions: pd.DataFrame, test: pd.DataFrame, rows: pd.DataFrame, params: GatesParams
) -> Sample:
    return sample_from(
        predictions,
        kind=evaluation.kind,
        classes=evaluation.classes,
        positive=evaluation.positive,
        units=units_of(test, rows),
        weights=weights_of(test),
        costs=params.costs,
        quantile=params.objective.quantile,
    )


def _rival(
    bundle: Path | None, trained: pd.DataFrame | None, table: pd.DataFrame | None, rows: pd.DataFrame, index: pd.Index
) -> Rival | None:
    """The registered version that gates compare with, where the plan brought one along."""
    if bundle is None or trained is None or table is None:
        return None
    return Rival(bundle, trained, table, rows, index)


def _answered(gate: Gate, court: Court) -> Verdict:
    """The verdict, with what the test rows had left of alpha in its evidence; spent rows let nothing pass."""
    spending = court.spending
    if spending is None or not spends(gate):
        return _judge(gate, court)
    account: dict[str, Any] = {"looks": spending.looks, "judgements": spending.judgements}
    if isinstance(gate, StatisticalGate):
        account["alpha"] = round((1 - court.confidence(gate)) / 2, 12)
        account["alpha_left"] = round((1 - gate.confidence) / 2 * spending.left, 12)
    if not spending.spent:
        found = _judge(gate, court)
        return found.model_copy(update={"evidence": found.evidence | account})
    runs = ", ".join(spending.runs)
    sentence = (
        f"nothing more can be shown on these test rows: {spending.sentence} (in {runs}); let new rows into the test "
        f"set, until an average one was judged less than {LOOKS:g} times"
    )
    return Verdict(gate=gate.text, passed=False, evidence=account | {"spent": True}, sentence=sentence)


_FACTS: dict[type[Gate], Callable[[Any, Court], Verdict]] = {  # gates that are no statistic of the predictions
    SizeGate: judge_size,
    SpeedGate: judge_speed,
    MemoryGate: judge_memory,
    ChecksGate: judge_checks,
    DriftGate: judge_drift,
    OwnGate: judge_own,
}


def _judge(gate: Gate, court: Court) -> Verdict:
    judge = _FACTS.get(type(gate))
    return judge(gate, court) if judge is not None else _statistical(cast("StatisticalGate", gate), court)


def _statistical(gate: StatisticalGate, court: Court) -> Verdict:
    """On all test rows, or on each slice that the gate names: it passes where every one of them does.

    No correction is needed for the number of slices: the gate errs only where it passes all of them, a truly bad one
    included, which it does as seldom as for one slice alone (intersection–union test, Berger 1982).
    """
    try:
        masks = _slices(gate, court)
    except InvalidInput as problem:
        return untold(gate, str(problem))
    if isinstance(gate, FairnessGate):
        return judge_fairness(gate, court, masks or {})
    if masks is None:
        return _alone(gate, court)
    each = {label: _on_slice(gate, court, label, mask) for label, mask in masks.items()}
    label, shown = min(each.items(), key=lambda one: one[1].passed)
    kept = sum(verdict.passed for verdict in each.values())
    evidence = {"slice": label} | shown.evidence
    if len(each) > 1:
        evidence["slices"] = {name: {"passed": verdict.passed} | verdict.evidence for name, verdict in each.items()}
    told = f"{kept} of {len(each)} slices keep it; on {label}: {shown.sentence}" if len(each) > 1 else shown.sentence
    return Verdict(gate=gate.text, passed=kept == len(each) > 0, evidence=evidence, sentence=told)


def _alone(gate: MetricGate | ComparisonGate, court: Court) -> Verdict:
    return judge_bound(gate, court) if isinstance(gate, MetricGate) else judge_comparison(gate, court)


def _slices(gate: StatisticalGate, court: Court) -> dict[str, Mask] | None:
    """The slices that a gate names; None: it is judged on all test rows."""
    column = column_of(gate)
    if column is None:
        return None
    if court.columns is None:
        raise InvalidInput("the prepared table was not at hand")
    if isinstance(gate, MetricGate | NotWorseGate) and gate.slice is not None:
        return {gate.slice: court.columns.slice(gate.slice)}
    return court.columns.slices(column)


def _on_slice(gate: MetricGate | ComparisonGate, court: Court, label: str, mask: Mask) -> Verdict:
    if not mask.any():
        return untold(gate, f"no test row has {label}")
    found = _alone(gate, replace(court, among=mask))
    return found.model_copy(update={"evidence": {"rows": int(mask.sum())} | found.evidence})
