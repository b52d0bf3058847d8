"""Gates on drift: of test rows from training rows, or of these from those that a registered version was trained on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from orchestrator.contracts.documents.evaluation import Verdict
from orchestrator.contracts.evaluation import PRODUCTION, DriftGate
from workers.evaluation.gates.court import Court, untold
from workers.evaluation.gates.stability import comparable, difference, stability

FEWEST = 30  # rows of each part


@dataclass(frozen=True, slots=True)
class _Compared:
    """Two sets of rows, what they are called in a sentence, and what is known of them."""

    before: pd.DataFrame
    after: pd.DataFrame
    words: str
    evidence: dict[str, Any]


WHAT = "rows have drifted"


def judge_drift(gate: DriftGate, court: Court) -> Verdict:
    """Passed when no column's index is above the bound, or no column is shown to differ.

    Where nothing is live that `against` could mean, there is nothing that the rows could have drifted from.
    """
    if gate.against is None:
        rows: dict[str, Any] = {"train_rows": len(court.train), "test_rows": len(court.test)}
        return _judge(gate, _Compared(court.train, court.test, "training and test rows", rows))
    if gate.against == PRODUCTION and court.params.live is None:
        sentence = "nothing is in production yet that the training rows could have drifted from"
        return Verdict(gate=gate.text, passed=True, evidence={"first_release": True}, sentence=sentence)
    against = str(court.params.live if gate.against == PRODUCTION else gate.against)
    if court.before is None:
        return untold(gate, f"the training rows of {against} are no longer at hand", {"against": against}, what=WHAT)
    rows = {"against": against, "before_rows": len(court.before), "train_rows": len(court.train)}
    return _judge(gate, _Compared(court.before, court.train, f"the training rows of {against} and these", rows))


def _judge(gate: DriftGate, asked: _Compared) -> Verdict:
    features = [name for name in asked.after.columns if not name.startswith("__")]
    chosen = list(gate.columns) or features
    if unknown := [name for name in chosen if name not in features]:
        return untold(gate, f"{', '.join(unknown)} is no feature of the model", asked.evidence, what=WHAT)
    if min(len(asked.before), len(asked.after)) < FEWEST:
        return untold(gate, f"{FEWEST} rows of both are needed, {asked.words}", asked.evidence, what=WHAT)
    if other := [name for name in chosen if not comparable(asked.before, asked.after, name)]:
        why = f"{', '.join(other)} was no such feature then (name the `columns` that can be compared)"
        return untold(gate, why, asked.evidence, what=WHAT)
    measure = stability if gate.drift == "psi" else difference
    found = {name: measure(asked.before[name], asked.after[name]) for name in chosen}
    if gate.at_most is not None:
        return _by_index(gate, gate.at_most, found, asked)
    return _by_test(gate, found, asked)


def _by_index(gate: DriftGate, bound: float, found: dict[str, float], asked: _Compared) -> Verdict:
    worst = max(found, key=found.__getitem__)
    above = sorted((name for name in found if found[name] > bound), key=lambda name: -found[name])
    evidence = {
        "value": found[worst],
        "at_most": bound,
        "column": worst,
        "columns": found,
        "above": above,
        **asked.evidence,
    }
    told = (
        f"between {asked.words} {worst} has the largest stability index, {found[worst]:.3g}, "
        f"{'but' if above else 'and'} at most {bound:g} is asked"
    )
    return Verdict(gate=gate.text, passed=not above, evidence=evidence, sentence=told)


def _by_test(gate: DriftGate, found: dict[str, float], asked: _Compared) -> Verdict:
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
        **asked.evidence,
    }
    told = (
        f"{len(shown)} of {len(found)} columns are shown to differ between {asked.words} "
        f"({', '.join(shown[:5])}): p of {worst} is {corrected[worst]:.2g} after correction, below {alpha:.4g}"
        if shown
        else f"none of {len(found)} columns is shown to differ between {asked.words}: the least p is "
        f"{corrected[worst]:.2g} of {worst}, after correction"
    )
    return Verdict(gate=gate.text, passed=not shown, evidence=evidence, sentence=told)
