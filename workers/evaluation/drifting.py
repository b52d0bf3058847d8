"""Gates on drift between training rows and test rows."""

from __future__ import annotations

from orchestrator.contracts.documents import Verdict
from orchestrator.contracts.evaluation import DriftGate
from workers.evaluation.court import Court
from workers.evaluation.drift import difference, stability

FEWEST = 30  # rows of each part


def judge_drift(gate: DriftGate, court: Court) -> Verdict:
    """Passed when no column's index is above the bound, or no column is shown to differ."""
    features = [name for name in court.train.columns if not name.startswith("__")]
    unknown = [name for name in gate.columns if name not in features]
    chosen = list(gate.columns) or features
    rows = {"train_rows": len(court.train), "test_rows": len(court.test)}
    if unknown:
        return _untold(gate, f"{', '.join(unknown)} is no feature of the model", rows)
    if min(rows.values()) < FEWEST:
        return _untold(gate, f"{FEWEST} training rows and {FEWEST} test rows are needed", rows)
    measure = stability if gate.drift == "psi" else difference
    found = {name: measure(court.train[name], court.test[name]) for name in chosen}
    if gate.at_most is not None:
        return _by_index(gate, gate.at_most, found, rows)
    return _by_test(gate, found, rows)


def _by_index(gate: DriftGate, bound: float, found: dict[str, float], rows: dict[str, int]) -> Verdict:
    worst = max(found, key=found.__getitem__)
    above = sorted((name for name in found if found[name] > bound), key=lambda name: -found[name])
    evidence = {"value": found[worst], "at_most": bound, "column": worst, "columns": found, "above": above, **rows}
    told = (
        f"between training and test rows {worst} has the largest stability index, {found[worst]:.3g}, "
        f"{'but' if above else 'and'} at most {bound:g} is asked"
    )
    return Verdict(gate=gate.text, passed=not above, evidence=evidence, sentence=told)


def _by_test(gate: DriftGate, found: dict[str, float], rows: dict[str, int]) -> Verdict:
    """Bonferroni over the columns (Holm's procedure finds a first one to differ in the very same cases)."""
    worst = min(found, key=found.__getitem__)
    corrected = {name: min(1.0, value * len(found)) for name, value in found.items()}
    alpha = 1 - gate.confidence
    shown = sorted((name for name in found if corrected[name] < alpha), key=corrected.__getitem__)
    evidence = {
        "p": corrected[worst],
        "alpha": round(alpha, 12),
        "column": worst,
        "columns": corrected,
        "shown": shown,
        "correction": f"Bonferroni over {len(found)} columns",
        **rows,
    }
    told = (
        f"{len(shown)} of {len(found)} columns are shown to differ between training and test rows "
        f"({', '.join(shown[:5])}): p of {worst} is {corrected[worst]:.2g} after correction, below {alpha:.4g}"
        if shown
        else f"none of {len(found)} columns is shown to differ between training and test rows: the least p is "
        f"{corrected[worst]:.2g} of {worst}, after correction"
    )
    return Verdict(gate=gate.text, passed=not shown, evidence=evidence, sentence=told)


def _untold(gate: DriftGate, why: str, evidence: dict[str, int]) -> Verdict:
    sentence = f"whether rows have drifted cannot be told: {why}; an inconclusive gate refuses"
    return Verdict(gate=gate.text, passed=False, evidence={"inconclusive": True, **evidence}, sentence=sentence)
