"""The proof of a bundle: raw rows through it alone give what the run predicted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from orchestrator.contracts.errors import StageFailed
from workers.packaging.alone import ask, ask_in_own_process
from workers.packaging.bundle import Bundle

# Absolute up to 1, relative beyond: sums of float32 come out otherwise for one row than for many.
TOLERANCE = {"float64": 1e-9, "float32": 1e-4}


def prove(path: Path, raw: pd.DataFrame, predictions: pd.DataFrame, *, dtype: str, own: bool, workdir: Path) -> int:
    """Compare on all rows at once and on a few by themselves; answers how many rows were compared.

    `dtype` is that of its features. A bundle with a team's own code is asked in a process of its own. Raises
    StageFailed with the row and the difference.
    """
    answers = ask_in_own_process(path, raw, workdir) if own else ask(Bundle.load(path), raw)
    _compare(answers.together, predictions, "", TOLERANCE[dtype])
    _compare(answers.singly, predictions.iloc[: len(answers.singly)], ", asked about by itself", TOLERANCE[dtype])
    return len(raw)


def _compare(answers: pd.DataFrame, predictions: pd.DataFrame, how: str, tolerance: float) -> None:
    for name in predictions.columns:
        if name in ("truth", "score") or name.startswith(
            "truth_"
        ):  # not answers: the target, and the decision function that evaluation ranks by
            continue
        if name not in answers.columns:
            raise StageFailed(f"the bundle answers no {name}, which the run predicted")
        ours, theirs = answers[name].to_numpy(), predictions[name].to_numpy()
        wrong = np.flatnonzero(~_same(ours, theirs, tolerance))
        if len(wrong):
            first = wrong[0]
            raise StageFailed(
                f"the bundle does not predict what the run predicted: row {predictions.index[first]}{how}, {name}: "
                f"{_shown(ours[first])} instead of {_shown(theirs[first])} ({len(wrong)} of {len(theirs)} rows); "
                "is a stage declared row-wise that looks at other rows?"
            )


def _same(ours: NDArray[Any], theirs: NDArray[Any], tolerance: float) -> NDArray[np.bool_]:
    if np.issubdtype(ours.dtype, np.floating) and np.issubdtype(theirs.dtype, np.floating):
        close: NDArray[np.bool_] = np.isclose(ours, theirs, rtol=tolerance, atol=tolerance, equal_nan=True)
        return close
    return np.asarray(ours == theirs, dtype=bool)


def _shown(value: Any) -> str:
    return repr(value.item() if isinstance(value, np.generic) else value)
