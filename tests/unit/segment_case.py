"""Shops whose sales follow laws of their own, and the record of a run with a thousand models, for tests."""

from __future__ import annotations

import numpy as np
import pandas as pd

from orchestrator.contracts.documents.evaluation import Gain, Interval, SegmentsEvidence, SliceEvidence
from orchestrator.contracts.documents.training import Curve
from orchestrator.contracts.records import RunRecord
from orchestrator.contracts.segments import (
    SegmentPlan,
    SegmentResult,
    SegmentResults,
    SegmentsSummary,
    SegmentTrial,
    Unserved,
)
from tests.unit.report_case import Kept, evaluation, ranking, record

WORKFLOW = """
objective: {predict: sold, task: regression, metric: rmse}
data: {sources: {sales: sales.csv}}
train:
  candidates: [{ridge: {grid: {alpha: [0.1, 10]}}}, dummy]
  search: {folds: 3}
  per: {column: shop, min_rows: 40}
"""


def sales(shops: int, rows: int = 80, *, seed: int = 5) -> pd.DataFrame:
    """In every other shop more is sold when the price falls, in the others when it rises; the last shop is small."""
    dice = np.random.default_rng(seed)
    numbers = np.repeat(np.arange(shops), rows)[: shops * rows - rows + 10]
    table = pd.DataFrame({"shop": [f"s{number:04d}" for number in numbers]})
    table["price"] = dice.uniform(1, 9, len(table)).round(2)
    table["footfall"] = dice.integers(0, 100, len(table))
    slope = np.where(numbers % 2, 3.0, -3.0)
    table["sold"] = (40 + slope * table["price"] + table["footfall"] / 20 + dice.normal(0, 1, len(table))).round(2)
    return table


def summary() -> SegmentsSummary:
    """Of a thousand wards."""
    lost = (
        Unserved(segment="w0100", why="failed", reason="candidate svc#1 failed: <script>"),
        Unserved(segment="w0200", why="thin", reason="all training rows are of one class"),
    )
    return SegmentsSummary(
        column="ward", min_rows=100, segments=1000, own=970, small=25, thin=3, failed=2, rows=200_000, other_rows=900,
        champions={"svc": 370, "logistic_regression": 600}, means=(0.6, 0.7, 0.78, 0.83, 0.88, 0.92, 0.97),
        unserved=lost,
    )  # fmt: skip


def judged() -> SegmentsEvidence:
    """What their test rows say."""
    return SegmentsEvidence(
        column="ward", metric="roc_auc", own_rows=50_000, other_rows=210, unknown=4, judged=940, unjudged=30,
        least_rows=20, means=(0.5, 0.66, 0.78, 0.83, 0.88, 0.95, 1.0),
        histogram=Curve(x=(0.5, 0.6, 0.7, 0.8, 0.9, 1.0), y=(20, 90, 280, 400, 150, 0)),
        best=tuple(_ward(f"w{number:04d}", 0.99, 0.8, 1.0) for number in range(10)),
        weakest=tuple(_ward(f"w{number:04d}", 0.52, 0.2, 0.7 if number == 500 else 0.9) for number in range(500, 510)),
        routed=0.84, single=0.81, gain=Gain(value=0.03, low=0.02, high=0.04, confidence=0.95, method="DeLong"),
    )  # fmt: skip


def _ward(name: str, value: float, low: float, high: float) -> SliceEvidence:
    interval = Interval(value=value, low=low, high=high, confidence=1 - 0.05 / 940, method="bootstrap")
    return SliceEvidence(column="ward", slice=f"ward={name}", rows=50, metrics={"roc_auc": interval})


def routed(kept: Kept, told: SegmentsSummary | None = None, found: SegmentsEvidence | None = None) -> RunRecord:
    """The record of a run whose model is routed, with the count of segments and one of its stages of them."""
    trials = (
        SegmentTrial(candidate="svc", index=1, params={"C": 1}, scores=(0.7, 0.9), mean=0.8, std=0.1),
        SegmentTrial(candidate="dummy", index=1, params={}, error="no"),
    )
    plan = SegmentPlan(
        column="ward", min_rows=100, segments=1000, small=25, small_rows=800, missing_rows=40, trials=(), rule="best",
        batches=(("w0007",),),
    )  # fmt: skip
    fitted = SegmentResults(results=(SegmentResult(segment="w0007", rows=120, trials=trials),))
    made = {
        "select": {"ranking": ranking().model_copy(update={"segments": told or summary()})},
        "evaluate": {"evaluation": evaluation().model_copy(update={"segments": found or judged()})},
        "segments": {"segments": plan},
        "segment[1]": {"fitted": fitted},
    }
    one = record(kept)
    count = one.stages[5].model_copy(update={"id": "segments", "task": "train.segments", "params": {}})
    some = one.stages[5].model_copy(update={"id": "segment[1]", "task": "train.segment", "params": {"number": 1}})
    stages = [
        stage.model_copy(update={"outputs": {name: kept.put(document) for name, document in made[stage.id].items()}})
        if stage.id in made
        else stage
        for stage in (*one.stages[:8], count, some, *one.stages[8:])
    ]
    return one.model_copy(update={"stages": tuple(stages)})
