"""One model per segment through the real functions of every stage: what is fitted, what answers, what falls back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import Ridge
from sklearn.pipeline import Pipeline

from orchestrator.contracts.documents.data import Preparation, SplitSummary
from orchestrator.contracts.documents.training import Ranking
from orchestrator.contracts.errors import InvalidInput, StageFailed
from orchestrator.contracts.segments import SegmentParams, SegmentPlan, SegmentResult, SegmentResults, SegmentTrial
from orchestrator.contracts.training import Segmenting
from tests.unit.segment_case import WORKFLOW, sales
from tests.unit.training_case import Quiet
from tests.unit.whole_case import Whole, whole
from workers.features.preparation import feature_columns, learned
from workers.routing import RoutedModel
from workers.runtime.codecs import Artifact
from workers.runtime.context import StageContext
from workers.training.routing import summary_of
from workers.training.segment import segment

SHOPS = 8


def ran(folder: Path, table: pd.DataFrame, text: str = WORKFLOW, until: str = "package") -> Whole:
    folder.mkdir(exist_ok=True)
    table.to_csv(folder / "sales.csv", index=False)
    (folder / "people.csv").write_text("unused\n")
    return whole(folder, text, until)


WEIGHED = WORKFLOW + "columns: {weight: days}\n"


def weighed() -> pd.DataFrame:
    """Seven shops with laws of their own, a small eighth one, rows that belong to none; rows of one to nine days."""
    table = sales(SHOPS, 100)
    table.loc[table.index[::97], "shop"] = None
    return table.assign(days=np.random.default_rng(2).integers(1, 10, len(table)))


@pytest.fixture(scope="module")
def shops(tmp_path_factory: pytest.TempPathFactory) -> Whole:
    return ran(tmp_path_factory.mktemp("shops"), weighed(), WEIGHED)


def test_each_large_segment_has_a_model_and_the_others_are_counted(shops: Whole) -> None:
    found = shops.document("select", "ranking")["segments"]
    assert (found["segments"], found["own"], found["small"], found["failed"], found["thin"]) == (8, 7, 1, 0, 0)
    assert found["champions"] == {"ridge": 7}
    training = shops.table("split", "rows")["part"].eq("train").sum()
    assert found["rows"] + found["other_rows"] == training
    assert found["means"][-1] < 1.5  # the noise has a standard deviation of 1
    assert [name for name in shops.outputs if name.startswith("segment[")] == [f"segment[{n}]" for n in range(1, 8)]
    plan, rows = shops.document("segments", "segments"), training_rows(shops)["shop"]
    assert plan["small_rows"] == (rows == "s0007").sum() > 0
    assert plan["missing_rows"] == rows.isna().sum() > 0


def test_a_segments_scores_and_model_are_those_of_scikit_learn_on_its_rows_of_the_splits_folds(shops: Whole) -> None:
    preparation = Preparation.model_validate(shops.document("features", "preparation"))
    frame, rows = shops.table("features", "frame"), shops.table("split", "rows")
    train = rows[rows["part"] == "train"]
    frame = frame.loc[train.index]
    mine = frame["shop"].eq("s0003").to_numpy()

    def fitted(inside: np.ndarray) -> Pipeline:
        transformer = learned(preparation).fit(frame.loc[inside, feature_columns(preparation)])
        fit = frame[inside & mine]
        features = transformer.transform(fit[feature_columns(preparation)])
        model = Ridge(alpha=0.1).fit(features, fit["__target__"], sample_weight=fit["__weight__"])
        return Pipeline([("prepare", transformer), ("model", model)])

    scores = []
    for fold in range(3):
        judged = frame[(train["fold"] == fold).to_numpy() & mine]
        answers = fitted((train["fold"] != fold).to_numpy()).predict(judged[feature_columns(preparation)])
        wrong = (answers - judged["__target__"]) ** 2
        scores.append(float(np.sqrt(np.average(wrong, weights=judged["__weight__"]))))
    found = [one for name in shops.outputs if name.startswith("segment[") for one in results(shops, name)]
    trials = next(one["trials"] for one in found if one["segment"] == "s0003")
    assert [trial["params"] for trial in trials] == [{"alpha": 0.1}, {"alpha": 10}, {}]
    assert trials[0]["scores"] == pytest.approx(scores)
    model = shops.bundle().pipeline.named_steps["model"].models[3]
    assert model.coef_ == pytest.approx(fitted(np.ones(len(frame), dtype=bool)).named_steps["model"].coef_)


def results(run: Whole, stage: str) -> list[dict]:
    return run.document(stage, "fitted")["results"]


def test_the_bundle_routes_by_the_raw_column_and_has_one_model_for_all_the_rest(shops: Whole) -> None:
    bundle = shops.bundle()
    row = {"price": 5.0, "footfall": 40}
    asked = [{"shop": shop, **row} for shop in ("s0000", "s0001", "s0007", "never seen", None)] + [row]
    falls, rises, *others = bundle.predict(asked)["prediction"]
    assert falls == pytest.approx(40 - 15 + 2, abs=1)
    assert rises == pytest.approx(40 + 15 + 2, abs=1)
    assert len({*others}) == 1
    assert others[0] == pytest.approx(40, abs=5)
    assert isinstance(bundle.pipeline.named_steps["model"], RoutedModel)
    assert [column.required for column in bundle.signature.inputs if column.name == "shop"] == [False]


def test_the_column_divides_and_is_no_feature_of_any_model(shops: Whole) -> None:
    assert [len(one.coef_) for one in shops.bundle().pipeline.named_steps["model"].models] == [2] * 8


def test_evaluation_judges_the_routed_model_and_tells_what_segments_gain(shops: Whole) -> None:
    evaluation = shops.document("evaluate", "evaluation")
    segments = evaluation["segments"]
    assert evaluation["rows"] == segments["own_rows"] + segments["other_rows"]
    assert segments["routed"] == pytest.approx(1, abs=0.3)
    assert segments["single"] > 10
    assert segments["gain"]["low"] > 9
    assert evaluation["importance"][0]["feature"] == "shop"
    assert segments["judged"] + segments["unjudged"] == 7
    assert segments["best"][0]["metrics"]["rmse"]["value"] == segments["means"][0]
    assert segments["weakest"][0]["metrics"]["rmse"]["value"] == segments["means"][-1]
    levels = {one["metrics"]["rmse"]["confidence"] for one in (*segments["best"], *segments["weakest"])}
    assert {round(level, 9) for level in levels} == {round(1 - 0.05 / segments["judged"], 9)}


def test_the_same_data_and_seed_make_the_same_bytes(shops: Whole, tmp_path: Path) -> None:
    again = ran(tmp_path, weighed(), WEIGHED)
    for stage in ("segments", "segment[3]", "select", "evaluate", "package"):
        assert again.outputs[stage] == shops.outputs[stage], stage


@pytest.mark.parametrize("kind", ["int64", "bool"])
def test_whole_numbers_and_truths_route_too_and_may_be_missing_in_a_raw_row(tmp_path: Path, kind: str) -> None:
    table = sales(2, 120)
    table = pd.concat([table, table[table["shop"] == "s0000"].assign(shop="s0001", sold=7.0)])
    table["shop"] = (table["shop"] == "s0001").astype(kind)
    bundle = ran(tmp_path, table).bundle()
    row = {"price": 5.0, "footfall": 40}
    first, second, missing = bundle.predict(
        [{"shop": shop, **row} for shop in (*table["shop"].unique().tolist(), None)]
    )["prediction"]
    assert len({first, second, missing}) == 3
    assert second == pytest.approx(8, abs=4)


CLASSES = """
objective: {predict: bought, task: classification, positive: 'yes', metric: roc_auc}
data: {sources: {sales: sales.csv}}
train:
  candidates: [decision_tree: {fixed: {max_depth: 2}}, {logistic_regression: {grid: {C: [0.1, 10]}}}]
  search: {folds: 3}
  select: one_standard_error
  weights: balanced
  per: {column: shop, min_rows: 40}
gates: [roc_auc >= 0.55, {beats: dummy}]
"""


def visits(**only: str) -> pd.DataFrame:
    """Who buys depends on the price, in every other shop the other way; `only` says of a shop that all do the same."""
    table = sales(6, 120)
    table["bought"] = np.where(table["sold"] + np.random.default_rng(1).normal(0, 8, len(table)) > 42, "yes", "no")
    for shop, answer in only.items():
        table.loc[table["shop"] == shop, "bought"] = answer
    return table.drop(columns="sold")


def test_classes_are_told_apart_segment_by_segment_and_one_class_is_left_to_the_model_of_all_rows(tmp_path) -> None:
    table = visits(s0002="no")
    mine = table.index[table["shop"] == "s0004"]
    table.loc[mine, "bought"] = "no"
    table.loc[mine[2], "bought"] = "yes"  # of the training rows, so one fold alone can be judged
    run = ran(tmp_path, table, CLASSES)
    found = run.document("select", "ranking")["segments"]
    assert (found["own"], found["small"], found["thin"], found["failed"]) == (3, 1, 2, 0)
    reasons = {one["segment"]: one["reason"] for one in found["unserved"]}
    assert reasons["s0002"] == "all training rows are of one class"
    assert reasons["s0004"].startswith("roc_auc can be told on fewer than 2 folds: too few rows of a class")
    assert found["champions"] == {"logistic_regression": 2, "decision_tree": 1}
    (near,) = (one["trials"] for one in results(run, "segment[4]"))
    assert near[0]["candidate"] == "decision_tree"  # the simplest, by the order of candidates, and nearly the best
    assert near[0]["mean"] < near[1]["mean"] < near[0]["mean"] + near[1]["std"]
    verdicts = run.document("gates", "verdicts")
    assert verdicts["passed"], verdicts
    answers = run.table("evaluate", "predictions")
    assert answers[["probability_0", "probability_1"]].sum(axis=1).to_numpy() == pytest.approx(1)
    assert "score" not in answers
    assert run.document("evaluate", "evaluation")["segments"]["gain"]["low"] > 0


def test_a_class_that_a_segment_never_saw_has_no_probability_there(tmp_path) -> None:
    table = visits()
    table["bought"] = np.where(table["footfall"] > 66, "later", table["bought"])
    table.loc[(table["shop"] == "s0001") & (table["bought"] == "later"), "bought"] = "no"
    text = CLASSES.replace("positive: 'yes', metric: roc_auc", "metric: accuracy")
    text = text.split("gates:")[0].replace("weights: balanced\n", "timeout: 1h\n")
    bundle = ran(tmp_path, table, text).bundle()
    assert bundle.signature.classes == ("later", "no", "yes")
    asked = [{"shop": shop, "price": 5, "footfall": 99} for shop in ("s0001", "s0000")]
    assert (bundle.predict(asked)["probability_0"] > 0).tolist() == [False, True]


def test_a_value_has_rows_enough_from_the_least_number_on(shops: Whole, tmp_path: Path) -> None:
    counts = training_rows(shops)["shop"].value_counts()
    count = int(counts.iloc[3])
    run = ran(tmp_path, weighed(), WEIGHED.replace("min_rows: 40", f"min_rows: {count}"), until="segments")
    large = {name for batch in run.document("segments", "segments")["batches"] for name in batch}
    assert large == set(counts.index[counts >= count])


def training_rows(run: Whole) -> pd.DataFrame:
    """Shop and fold of the training rows."""
    rows = run.table("split", "rows")
    return rows[rows["part"] == "train"].join(run.table("features", "frame")["shop"])


def test_a_trial_that_fails_on_one_fold_is_out_and_takes_no_fold_from_the_others(shops: Whole, tmp_path: Path) -> None:
    mine = training_rows(shops).query("shop == 's0003'")
    most = max(len(mine) - count for count in mine["fold"].value_counts())  # of a fold's training rows
    near = f"{{k_neighbors: {{fixed: {{n_neighbors: {most}}}}}}}"  # asks for more than the other folds have
    text = WEIGHED.replace("grid: {alpha: [0.1, 10]}}}, dummy]", f"fixed: {{alpha: 0.1}}}}}}, {near}]")
    run = ran(tmp_path, weighed(), text, until="select")
    found = [one for name in run.outputs if name.startswith("segment[") for one in results(run, name)]
    champion, failed = next(one["trials"] for one in found if one["segment"] == "s0003")
    assert (champion["candidate"], len(champion["scores"])) == ("ridge", 3)
    assert (failed["candidate"], failed["scores"]) == ("k_neighbors", [])
    assert "n_neighbors" in failed["error"]


FRAIL = WORKFLOW.replace("candidates: [", "candidates: [k_neighbors: {fixed: {n_neighbors: 50}}]  # [").replace(
    "min_rows: 40", "min_rows: 40, max_failed: SHARE"
)


def test_segments_whose_fits_fail_are_left_to_the_model_of_all_rows_and_named(tmp_path) -> None:
    table = sales(10, 130)
    short = table[table["shop"] == "s0004"].index[70:]  # neighbours are asked of fewer rows than there are
    run = ran(tmp_path, table.drop(short), FRAIL.replace("SHARE", "20%"), until="evaluate")
    found = run.document("select", "ranking")["segments"]
    assert (found["own"], found["small"], found["failed"], found["thin"]) == (8, 1, 1, 0)
    assert found["unserved"][0]["segment"] == "s0004"
    assert "n_neighbors" in found["unserved"][0]["reason"]


def test_more_failed_segments_than_are_borne_end_the_run(tmp_path) -> None:
    table = sales(10, 130)
    short = table[table["shop"] == "s0004"].index[70:]
    with pytest.raises(StageFailed, match=r"1 of 9 segments failed, and train\.per\.max_failed bears 10 %: s0004: c"):
        ran(tmp_path, table.drop(short), FRAIL.replace("SHARE", "10%"), until="evaluate")


class Away(Ridge):
    """A team's own, whose licence server is away, at once or when all rows of a segment are fitted."""

    def __init__(self, rows: int = 0) -> None:
        super().__init__()
        self.rows = rows

    def fit(self, features: Any, target: Any) -> Any:
        if len(target) >= self.rows:
            raise RuntimeError("the licence server is away")
        return super().fit(features, target)


@pytest.mark.parametrize(
    ("estimator", "params", "kept"),
    [
        (f"{__name__}:Away", {}, False),
        (f"{__name__}:Away", {"rows": 70}, False),  # two folds of three have fewer
        ("sklearn.neighbors.KNeighborsRegressor", {"n_neighbors": 999}, True),
    ],
)
def test_what_a_class_of_the_teams_own_failed_at_is_done_again(
    estimator: str, params: dict, kept: bool, shops: Whole
) -> None:
    plan = SegmentPlan.model_validate(shops.document("segments", "segments"))
    trial = plan.trials[0].model_copy(update={"estimator": estimator, "params": params})
    asked = plan.model_copy(update={"trials": (trial,)})
    context = StageContext("w-1", "segment[1]", 1, "k", shops.store.cache.root / "w", Quiet(), shops.store.cache)
    left = segment(
        Artifact(shops.outputs["features"]["frame"], shops.store),
        Artifact(shops.outputs["split"]["rows"], shops.store),
        Preparation.model_validate(shops.document("features", "preparation")),
        SplitSummary.model_validate(shops.document("split", "summary")),
        asked,
        params=SegmentParams(number=1),
        context=context,
    )  # fmt: skip
    assert {one.why for one in left.fitted.results} == {"failed"}
    assert any(one.mean is not None for one in left.fitted.results[0].trials) == bool(params.get("rows"))
    assert context.kept is kept


def test_segments_of_a_stage_that_failed_count_as_failed() -> None:
    plan = SegmentPlan(
        column="shop", min_rows=40, segments=5, small=1, small_rows=3, missing_rows=2, trials=(), rule="best",
        batches=(("a", "b"), ("c", "d")),
    )  # fmt: skip
    trial = SegmentTrial(candidate="ridge", index=1, params={}, scores=(1.0, 3.0), mean=2.0, std=1.0)
    done = SegmentResults(results=tuple(SegmentResult(segment=one, rows=50, trials=(trial,)) for one in "ab"))
    found = summary_of(plan, [done], Segmenting(column="shop", max_failed=0.5), rows=200)
    assert (found.own, found.failed, found.rows, found.other_rows, found.others) == (2, 2, 100, 100, 3)
    assert [(one.segment, one.reason) for one in found.unserved] == [
        ("c", "its stage segment[2] failed"),
        ("d", "its stage segment[2] failed"),
    ]
    with pytest.raises(StageFailed, match="2 of 4 segments failed"):
        summary_of(plan, [done], Segmenting(column="shop", max_failed=0.4), rows=200)


def test_where_no_segment_is_large_enough_one_model_answers_for_all(tmp_path) -> None:
    run = ran(tmp_path, sales(3, 60), WORKFLOW.replace("min_rows: 40", "min_rows: 500"))
    found = run.document("select", "ranking")["segments"]
    assert (found["own"], found["small"]) == (0, 3)
    ranking = Ranking.model_validate(run.document("select", "ranking"))
    assert (ranking.per, ranking.who) == (None, ranking.champion.candidate)
    assert "segments" not in run.document("evaluate", "evaluation")
    assert not isinstance(run.bundle().pipeline.named_steps["model"], RoutedModel)


def test_candidates_whose_answers_cannot_be_compared_between_segments_are_refused_before_any_fit(tmp_path) -> None:
    text = CLASSES.replace("decision_tree: {fixed: {max_depth: 2}}", "ridge_classifier")
    with pytest.raises(
        InvalidInput, match=r"ridge_classifier#1 .* gives no probabilities, and roc_auc compares rows of"
    ):
        ran(tmp_path, visits(), text, until="segments")


def test_segments_are_judged_by_folds_in_time_where_the_split_is(tmp_path) -> None:
    table = sales(4, 120)
    days = pd.date_range("2024-01-01", periods=120).strftime("%Y-%m-%d").tolist()
    late = [days[75 + place * 45 // 120] for place in range(120)]  # a shop that opened in the last fold but one
    table["day"] = [*days, *days, *late, *days[::12]]
    text = WORKFLOW.replace("data:", "columns: {time: day}\nsplit: {method: time}\ndata:")
    run = ran(tmp_path, table, text, until="evaluate")
    assert run.document("split", "summary")["scheme"] == "expanding"
    assert [len(one["trials"][0]["scores"]) for one in results(run, "segment[1]")] == [3]
    (thin,) = run.document("select", "ranking")["segments"]["unserved"]
    assert thin == {"segment": "s0002", "why": "thin", "reason": "rmse can be told on fewer than 2 folds: too few rows"}


def test_a_thousand_segments_make_few_stages_a_small_model_and_a_short_summary(tmp_path) -> None:
    text = WORKFLOW.replace("[{ridge: {grid: {alpha: [0.1, 10]}}}, dummy]", "[dummy]")
    text = text.replace("folds: 3", "folds: 2").replace("min_rows: 40", "min_rows: 20")
    run = ran(tmp_path, sales(1000, 40), text, until="evaluate")
    assert len([name for name in run.outputs if name.startswith("segment[")]) == 16
    ranking, evaluation = run.document("select", "ranking"), run.document("evaluate", "evaluation")
    assert ranking["segments"]["own"] > 980
    assert len(json.dumps(ranking)) < 4_000
    assert len(json.dumps(evaluation["segments"])) < 12_000
    assert run.outputs["segments"]["segments"].size < 20_000
    assert run.outputs["select"]["model"].size < 1_000_000
