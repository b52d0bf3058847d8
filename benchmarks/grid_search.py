"""`python -m benchmarks.grid_search REQUEST`: scikit-learn's GridSearchCV on the matrix and the folds of a run.

A process of its own, which holds nothing but what a script of scikit-learn would hold. The request and the answer are
JSON: {matrix, target, folds: arrays of NumPy as files, estimator, params, grid, jobs} → {wall_s, fit_s, scores}.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV

ESTIMATORS = {"logistic_regression": LogisticRegression, "hist_gradient_boosting": HistGradientBoostingClassifier}


def grid_search(request: dict[str, Any]) -> dict[str, Any]:
    """Search without the refit, which the other side's time leaves out as well; scores are fold by fold."""
    features, target, fold = (np.load(request[name]) for name in ("matrix", "target", "folds"))
    folds = [(np.flatnonzero(fold != number), np.flatnonzero(fold == number)) for number in np.unique(fold)]
    estimator = ESTIMATORS[request["estimator"]](**request["params"])
    search = GridSearchCV(
        estimator,
        request["grid"],
        scoring="roc_auc",
        cv=folds,
        n_jobs=request["jobs"],
        refit=False,
        error_score="raise",
    )
    begun = time.perf_counter()
    search.fit(features, target)
    wall = time.perf_counter() - begun
    found = search.cv_results_
    scores = np.array([found[f"split{number}_test_score"] for number in range(len(folds))]).T
    return {
        "wall_s": wall,
        "fit_s": float((found["mean_fit_time"] + found["mean_score_time"]).sum() * len(folds)),
        "scores": [[params, row] for params, row in zip(found["params"], scores.tolist(), strict=True)],
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(grid_search(json.loads(Path(sys.argv[1]).read_text()))))
