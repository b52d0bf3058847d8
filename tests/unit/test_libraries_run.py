"""XGBoost, LightGBM and CatBoost on real data: trials, the choice, equal models as equal bytes, bundles that answer."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import root_mean_squared_error

from orchestrator.contracts.documents.training import Ranking
from orchestrator.contracts.estimators import FOREIGN
from tests.unit.whole_case import DATA, Whole, people, whole
from workers.model_files import load_model
from workers.packaging.alone import ask_in_own_process

STARTERS = Path(__file__).parents[2] / "orchestrator" / "starters"
DOCS = Path(__file__).parents[2] / "docs"
CANCER = f"""
objective: {{predict: diagnosis, task: classification, positive: malignant, metric: roc_auc}}
data: {{sources: {{cases: "{STARTERS}/cancer/data/cancer.csv"}}}}
"""
DIABETES = f"""
objective: {{predict: progression, task: regression, metric: rmse}}
data: {{sources: {{patients: "{STARTERS}/diabetes/data/diabetes.csv"}}}}
"""
SMALL = "fixed: {n_estimators: 20}"
BOOSTED = "boosted: {estimator: one_vs_rest, of: {%s: {fixed: {n_estimators: 20}}}%s}"
WORKFLOWS = {
    "catboost.CatBoostClassifier": (CANCER, f"catboost.CatBoostClassifier: {{grid: {{depth: [2, 4]}}, {SMALL}}}"),
    "catboost.CatBoostRegressor": (DIABETES, f"catboost.CatBoostRegressor: {{grid: {{depth: [2, 4]}}, {SMALL}}}"),
    "lightgbm.LGBMClassifier": (CANCER, f"lightgbm.LGBMClassifier: {{grid: {{num_leaves: [7, 15]}}, {SMALL}}}"),
    "lightgbm.LGBMRegressor": (DIABETES, f"lightgbm.LGBMRegressor: {{grid: {{num_leaves: [7, 15]}}, {SMALL}}}"),
    "xgboost.XGBClassifier": (
        CANCER,
        BOOSTED % ("xgboost.XGBClassifier", ", grid: {XGBClassifier__max_depth: [2, 4]}"),
    ),
    "xgboost.XGBRegressor": (DIABETES, f"xgboost.XGBRegressor: {{grid: {{learning_rate: [0.1, 0.2]}}, {SMALL}}}"),
    "xgboost.XGBRFClassifier": (CANCER, BOOSTED % ("xgboost.XGBRFClassifier", "")),
    "xgboost.XGBRFRegressor": (DIABETES, f"xgboost.XGBRFRegressor: {{{SMALL}}}"),
}


def done(estimator: str, folder: Path, until: str = "select") -> Whole:
    head, candidate = WORKFLOWS[estimator]
    return whole(
        folder, f"{head}train:\n  candidates:\n    - {candidate}\n    - dummy\n  search: {{folds: 2}}\n", until
    )


def ranking(run: Whole) -> Ranking:
    return Ranking.model_validate(run.document("select", "ranking"))


def test_all_estimators_of_other_libraries_are_tried_here() -> None:
    assert WORKFLOWS.keys() == set(FOREIGN)


@pytest.mark.filterwarnings("ignore:`XGBRF.* is deprecated:FutureWarning")  # XGBoost 3.4, which Python 3.12 gets
@pytest.mark.parametrize("estimator", WORKFLOWS)
def test_it_is_tried_and_chosen_and_equal_models_are_equal_bytes_that_load(estimator: str, tmp_path: Path) -> None:
    first, second = done(estimator, tmp_path / "first"), done(estimator, tmp_path / "second")
    found = ranking(first)
    assert found.champion.candidate != "dummy"
    assert all(math.isfinite(score) for one in found.trials for score in one.scores)
    assert ranking(second) == found
    kept = first.outputs["select"]["model"]
    assert kept.digest == second.outputs["select"]["model"].digest
    model = load_model(first.store.fetch(kept))
    assert estimator.rpartition(".")[2] in str(model.named_steps["model"])
    frame = first.table("features", "frame")
    rows = first.table("split", "rows")
    unseen = frame[(rows["part"] == "test").to_numpy()]
    said, truth = model.predict(unseen.drop(columns="__target__")), unseen["__target__"].to_numpy()
    if estimator.endswith("Regressor"):
        assert root_mean_squared_error(truth, said) < 0.9 * np.std(truth)
    else:
        assert np.mean(said == truth) > 0.9


@pytest.mark.parametrize("estimator", ["lightgbm.LGBMRegressor", "xgboost.XGBRegressor"])
def test_its_bundle_answers_raw_rows_as_the_run_did(estimator: str, tmp_path: Path) -> None:
    run = done(estimator, tmp_path, "package")
    said = run.table("evaluate", "predictions")["prediction"]
    raw = run.table("ingest[patients]", "table").loc[said.index]
    assert run.bundle().predict(raw)["prediction"].to_numpy() == pytest.approx(said.to_numpy())


def test_catboosts_bundle_answers_raw_rows_with_gaps_by_names_of_several_classes(tmp_path: Path) -> None:
    table = people(tmp_path)
    table["tier"] = np.array(["10", "9", "x"])[np.digitize(table["spent"], table["spent"].quantile([0.3, 0.6]))]
    table.loc[::7, "income"] = np.nan
    table.to_csv(tmp_path / "people.csv", index=False)
    objective = "objective: {predict: tier, task: classification, metric: f1_macro}\n"
    roles = "columns: {ignore: [spent, bought, home, day], weight: weight}\n"
    kept = "features: {columns: {income: {missing: none}}}\n"
    candidate = "{catboost.CatBoostClassifier: {fixed: {iterations: 20}}}"
    train = f"train: {{weights: balanced, sparse: always, search: {{folds: 2}}, candidates: [{candidate}]}}\n"
    run = whole(tmp_path, objective + roles + DATA + kept + train)
    said = run.table("evaluate", "predictions")
    assert np.mean(said["truth"] == said["prediction"]) > 0.5
    raw = run.table("ingest[people]", "table").loc[said.index]
    assert raw["income"].isna().any()
    answers = run.bundle().predict(raw)
    assert answers["prediction"].tolist() == said["prediction"].tolist()
    chances = [f"probability_{at}" for at in range(3)]
    np.testing.assert_allclose(answers[chances], said[chances])


def test_a_library_whose_models_no_file_may_hold_stands_in_a_class_of_ones_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (written,) = re.findall(r"```python\n(class Boosted.*?)```", (DOCS / "spec.md").read_text(), flags=re.DOTALL)
    base = "from sklearn.base import BaseEstimator, ClassifierMixin\n"
    (tmp_path / "other_library.py").write_text(f"import lightgbm\nimport numpy as np\n{base}\n\n{written}")
    monkeypatch.syspath_prepend(tmp_path)
    candidate = "{other_library:Boosted: {grid: {rounds: [5, 30]}, requires: [lightgbm>=4]}}"
    run = whole(tmp_path, f"{CANCER}train: {{search: {{folds: 2}}, candidates: [{candidate}]}}\n")
    assert min(one.mean for one in ranking(run).trials) > 0.9
    raw = pd.read_csv(STARTERS / "cancer" / "data" / "cancer.csv")
    predictions = run.table("evaluate", "predictions")
    (tmp_path / "alone").mkdir()
    told = ask_in_own_process(run.bundle_file(), raw.loc[predictions.index], tmp_path / "alone").together
    np.testing.assert_array_equal(told["prediction"], predictions["prediction"])
