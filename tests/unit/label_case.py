"""Tickets that are tagged with several labels, as a file and as samples."""

from __future__ import annotations

from pathlib import Path
from statistics import NormalDist

import numpy as np
import pandas as pd

from workers.evaluation.sample import Sample
from workers.evaluation.units import Units, by_row

LABELS = ("billing", "outage", "login")
OBJECTIVE = "objective: {predict: [billing, outage, login], task: multilabel}\n"
DATA = "data: {sources: {tickets: tickets.csv}}\n"


def tickets(folder: Path, rows: int = 300, name: str = "tickets.csv", seed: int = 3) -> pd.DataFrame:
    """Two numbers and a category; three labels that hang together, one of them rare, and some with none."""
    dice = np.random.default_rng(seed)
    table = pd.DataFrame({"length": dice.uniform(20, 80, rows).round(1), "hour": dice.integers(0, 24, rows)})
    table["product"] = dice.choice(["web", "app", "till"], rows)
    table["customer"] = np.arange(rows) // 3
    money = (table["product"] == "till") * 1.6 + table["length"] / 30 + dice.normal(0, 0.7, rows)
    down = (table["product"] == "app") * 1.5 + (table["hour"] > 17) * 1.5 + dice.normal(0, 0.7, rows)
    table["billing"] = (money > 2.6).astype(int)
    table["outage"] = down > 2.1
    table["login"] = ((down + money + dice.normal(0, 0.7, rows)) > 4.8).astype(int)
    table.to_csv(folder / name, index=False)
    return table


def labelled(
    rng: np.random.Generator, rows: int, labels: int = 3, *, prevalence: float = 0.3, units: Units | None = None
) -> Sample:
    """Labels that hang together by a common part of their signals; probabilities lean to the truth."""
    common = rng.normal(size=(rows, 1))
    signal = (common + rng.normal(size=(rows, labels))) / np.sqrt(2)
    truth = (signal > NormalDist().inv_cdf(1 - prevalence)).astype(float)
    score = 1 / (1 + np.exp(-(2.5 * (truth - 0.5) + rng.normal(size=truth.shape))))
    names = tuple(f"label{position}" for position in range(labels))
    return Sample("multilabel", truth, (score > 0.5).astype(float), score, units or by_row(rows), None, names)
