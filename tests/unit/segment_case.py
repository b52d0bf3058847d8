"""Shops whose sales follow laws of their own, for tests of one model per shop."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

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


def write(folder: Path, table: pd.DataFrame, text: str = WORKFLOW) -> Path:
    """The data beside its workflow file."""
    folder.mkdir(parents=True, exist_ok=True)
    table.to_csv(folder / "sales.csv", index=False)
    path = folder / "sales.yaml"
    path.write_text(text, encoding="utf-8")
    return path
