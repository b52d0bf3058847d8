"""What a model answers to feature rows, as the table that evaluation keeps."""

from __future__ import annotations

from typing import Any

import pandas as pd

from orchestrator.contracts.documents.data import Preparation
from workers.labels import truth_of
from workers.scoring import label_answers, probabilities, respond


def predicted(model: Any, features: pd.DataFrame, truth: pd.Series, preparation: Preparation) -> pd.DataFrame:
    """`truth`, `prediction`, `probability_<i>` where the model gives them, `score` where it has a decision function.

    Of several labels `truth_<label>` and what `label_answers` gives; `truth` holds their numbers.
    """
    if preparation.target_kind == "multilabel":
        indicator = truth_of(truth.to_numpy(), preparation)
        true = {f"truth_{label}": column for label, column in zip(preparation.classes, indicator.T, strict=True)}
        return pd.DataFrame({**true, **label_answers(model, features, preparation.classes)}, index=features.index)
    table = pd.DataFrame({"truth": truth, "prediction": model.predict(features)}, index=features.index)
    if preparation.target_kind == "regression":
        return table
    if hasattr(model, "predict_proba"):
        columns = probabilities(model, features, preparation.classes, why="evaluate")
        for index, column in enumerate(columns.T):
            table[f"probability_{index}"] = column
    if preparation.target_kind == "binary" and hasattr(model, "decision_function"):
        table["score"] = respond(model, features, "roc_auc", classes=preparation.classes, positive=preparation.positive)
    return table
