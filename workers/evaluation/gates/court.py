"""What gates are judged on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pandas as pd

from orchestrator.contracts.documents.data import Findings
from orchestrator.contracts.documents.evaluation import Evaluation, Spending, Verdict
from orchestrator.contracts.documents.release import Measurements
from orchestrator.contracts.evaluation import Gate, GatesParams, StatisticalGate
from workers.evaluation.bootstrap import resamples_for
from workers.evaluation.gates.rival import Rival
from workers.evaluation.sample import Sample
from workers.evaluation.slices import Columns, Mask


@dataclass(frozen=True)
class Court:
    """The evidence before the gates; `among` marks the test rows that a gate on a slice is judged on."""

    evaluation: Evaluation
    whole: Sample  # all test rows
    train: pd.DataFrame
    test: pd.DataFrame  # features of the test rows, in the order of the sample
    predictions: pd.DataFrame
    rival: Rival | None
    columns: Columns | None
    params: GatesParams
    among: Mask | None = None
    findings: Findings | None = None  # of the checks of the data
    model_bytes: int | None = None  # of the model's file
    measurements: Measurements | None = None  # of the bundle
    before: pd.DataFrame | None = None  # features of the rows that the registered version was trained on
    spending: Spending | None = None  # None: nobody keeps an account of the test rows

    def confidence(self, gate: StatisticalGate) -> float:
        """Of the interval that a gate is judged on: of its alpha only so much is spent as the test rows have left."""
        share = 1.0 if self.spending is None else self.spending.share
        return 1 - (1 - gate.confidence) * share

    def resamples(self, gate: StatisticalGate) -> int:
        """Of the bootstrap, so many more as less of alpha is left."""
        return resamples_for(1 - self.confidence(gate), self.params.resamples)

    @cached_property
    def sample(self) -> Sample:
        """The rows that are judged."""
        return self.whole if self.among is None else self.whole.take(self.among)


def untold(gate: Gate, why: str, evidence: Mapping[str, Any] | None = None, what: str = "the gate is kept") -> Verdict:
    """The verdict of a gate that cannot be judged: it refuses. Without other evidence `why` is the evidence."""
    sentence = f"whether {what} cannot be told: {why}; an inconclusive gate refuses"
    known = {"why": why} if evidence is None else dict(evidence)
    return Verdict(gate=gate.text, passed=False, evidence={"inconclusive": True, **known}, sentence=sentence)
