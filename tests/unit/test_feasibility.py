"""Feasibility on data whose best possible score is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from orchestrator.contracts.documents.data import Preparation, PreparedColumn, SplitSummary
from orchestrator.contracts.feasibility import Feasibility, FeasibilityParams, RequireParams, TimedCandidate
from orchestrator.contracts.metrics import METRICS
from orchestrator.contracts.roles import Columns, Objective
from orchestrator.contracts.training import Segmenting
from tests.unit.training_case import NUMERIC, Case, case
from workers.feasibility.assess import assess
from workers.feasibility.cost import Growth
from workers.feasibility.curve import fit_power_law, learning_curve
from workers.feasibility.enough import enough_rows, large_segments
from workers.feasibility.models import simple_models
from workers.feasibility.neighbour import bayes_floor
from workers.feasibility.require import require
from workers.feasibility.samples import Scorer, bounded, sizes_of
from workers.feasibility.verdict import judge
from workers.training.folds import PreparedFold
from workers.training.matrix import Fold

FOLDS = 5


def world(folder: Path, features: np.ndarray, target: np.ndarray, metric: str, quantile: float | None = None) -> Case:
    """Rows in five folds; every sixth is held back, and has a target that would give it away if it were read."""
    folder.mkdir(exist_ok=True)
    rows = len(target)
    index = pd.Index(np.arange(rows), name="row")
    names = [f"x{place}" for place in range(features.shape[1])]
    table = pd.DataFrame(features, columns=names, index=index)
    kind = "regression" if METRICS[metric].needs == "values" else "binary"
    table["__target__"] = target
    test = np.arange(rows) % 6 == 5
    split = pd.DataFrame({"identity": np.arange(rows, dtype="uint64"), "part": np.where(test, "test", "train")}, index)
    split["part"] = split["part"].astype("str")
    split["fold"] = np.where(test, -1, np.arange(rows) % 6).astype("int16")
    summary = SplitSummary(
        method="random", scheme="partition", folds=FOLDS, train_rows=0, test_rows=0, fold_rows=(0,) * FOLDS
    )
    preparation = Preparation(
        features=tuple(PreparedColumn(name=name, source="data", rule=NUMERIC, reason="test") for name in names),
        target_kind=kind, classes=() if kind == "regression" else (0, 1), positive=None if kind == "regression" else 1,
    )  # fmt: skip
    task = "regression" if kind == "regression" else "classification"
    objective = Objective(predict="y", task=task, metric=metric, quantile=quantile)
    return Case(folder, table, split, preparation, summary, objective, Columns())


def two_normals(folder: Path, seed: int, rows: int, distance: float, metric: str = "accuracy") -> tuple[Case, float]:
    """Two classes as frequent as one another, normal, `distance` apart; with them the Bayes error."""
    dice = np.random.default_rng(seed)
    target = dice.integers(0, 2, rows)
    features = dice.normal(size=(rows, 2))
    features[:, 0] += distance * target
    return world(folder, features, target, metric), float(norm.cdf(-distance / 2))


def judged(one: Case, target: float | None = None, **more) -> Feasibility:
    params = FeasibilityParams(objective=one.objective, roles=one.roles, target=target, **more)
    return assess(
        one.frame, one.rows, one.preparation, one.summary, params=params, context=one.context()
    ).feasibility  # fmt: skip


def verdict(found: Feasibility, target: float) -> str:
    """Of another target on the same evidence."""
    return judge(target, METRICS[found.metric], found.enough, found.curves, found.reachable)[0]


@pytest.mark.parametrize("seed", [1, 2])
def test_verdicts_and_bands_agree_with_the_known_bayes_error(tmp_path, seed):
    one, bayes = two_normals(tmp_path, seed, 1200, 2.0)
    found = judged(one)
    assert found.verdict is None  # nothing was asked
    assert verdict(found, 1 - bayes - 0.06) == "realistic"
    assert verdict(found, 1 - bayes) in ("doubtful", "realistic")
    assert verdict(found, 0.99) == "out of reach"
    assert found.reachable is not None
    assert found.reachable.low <= bayes <= found.reachable.high
    assert found.reachable.high - found.reachable.low < 0.25  # it says something
    assert any("Cover and Hart" in sentence for sentence in found.reasons)


def test_errors_of_regressions_are_judged_downwards(tmp_path):
    dice = np.random.default_rng(4)
    features = dice.normal(size=(1000, 4))
    target = features @ [1.0, -2.0, 0.5, 0.0] + dice.normal(0, 1.0, 1000)
    found = judged(world(tmp_path, features, target, "rmse"), 0.5)
    assert found.verdict == "out of reach"
    assert "even with ten times the rows" in found.reasons[0]
    assert verdict(found, 1.2) == "realistic"
    assert found.reachable is None


def test_a_quantile_is_judged_by_models_of_it_and_by_the_rows_beyond_it(tmp_path):
    dice = np.random.default_rng(4)
    features = dice.normal(size=(240, 2))
    target = 3 * features[:, 0] + dice.normal(0, 1.0, 240)
    one = world(tmp_path, features, target, "pinball", 0.8)
    found = judged(one, 0.8)
    scores = {one.model: one.mean for one in found.baselines}
    assert list(scores) == ["quantile", "main-effects model", "boosted model"]
    assert scores["quantile"] == pytest.approx(np.sqrt(10) * norm.pdf(norm.ppf(0.8)), abs=0.1)
    assert scores["main-effects model"] < 0.6 * scores["quantile"]
    known = [model.get_params() for model in simple_models(one.objective, 0).values()]
    assert [(model.get("loss"), model["quantile"]) for model in known] == [(None, 0.8), *[("quantile", 0.8)] * 2]
    assert found.verdict == "realistic"
    (tail,) = (one for one in found.enough if one.subject == "tail")
    assert tail.sentence == "40 training rows above the quantile 0.8: enough (at least 30)"
    rows = enough_rows(target[:200], 2, one.preparation, 0.05)
    assert rows[1].sentence == "10 training rows below the quantile 0.05: too few, at least 30 are wanted"
    verdict_of_few, why = judge(5.0, METRICS["pinball"], rows, found.curves, None)
    assert (verdict_of_few, "10 training rows below" in why) == ("doubtful", True)


def test_what_only_a_flexible_model_sees_is_in_reach(tmp_path):
    dice = np.random.default_rng(5)
    features = dice.uniform(-1, 1, size=(1200, 2))
    target = (features[:, 0] * features[:, 1] > 0).astype(int)
    found = judged(world(tmp_path, features, target, "roc_auc"), 0.9)
    assert found.verdict == "realistic"
    scores = {one.model: one.mean for one in found.baselines}
    assert scores["linear model"] < 0.6
    assert found.curves[0].model == "boosted model"


def test_few_rows_are_doubtful_however_good_they_look(tmp_path):
    one, _ = two_normals(tmp_path, 6, 60, 6.0)
    found = judged(one, 0.8)
    assert found.verdict == "doubtful"
    assert "too few" in found.reasons[0]
    scarce = np.random.default_rng(7)
    target = (np.arange(900) % 53 == 0).astype(int)  # two in a hundred
    rare = world(tmp_path / "rare", scarce.normal(size=(900, 2)) + 5 * target[:, None], target, "average_precision")
    assert judged(rare, 0.5).verdict == "doubtful"


def test_the_test_rows_are_not_read(tmp_path):
    one, _ = two_normals(tmp_path, 8, 150, 2.0)
    other = one.table.copy()
    held = (one.split["part"] == "test").to_numpy()
    other.loc[held, "__target__"] = 1 - other.loc[held, "__target__"]
    other.loc[held, "x0"] = 99.0
    (tmp_path / "twin").mkdir()
    twin = Case(tmp_path / "twin", other, one.split, one.preparation, one.summary, one.objective, one.roles)
    assert judged(one, 0.8) == judged(twin, 0.8)


def test_candidates_are_timed_beside_the_document_and_a_broken_one_is_left_out(tmp_path):
    one, _ = two_normals(tmp_path, 9, 300, 2.0)
    timed = (
        TimedCandidate(name="fine", estimator="sklearn.tree.DecisionTreeClassifier", params={"max_depth": 2}),
        TimedCandidate(name="broken", estimator="sklearn.tree.DecisionTreeClassifier", params={"max_depth": "deep"}),
    )
    context = one.context()
    params = FeasibilityParams(objective=one.objective, target=0.8, timed=timed)
    first = assess(one.frame, one.rows, one.preparation, one.summary, params=params, context=context)
    assert set(context.measured["fit_seconds"]) == {"fine"}
    assert context.measured["fit_seconds"]["fine"] > 0
    again = assess(one.frame, one.rows, one.preparation, one.summary, params=params, context=one.context())
    assert again == first  # nothing measured is in it


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([200], "1 of 1 value of store has 100 training rows or more and gets a model of its own, with 100 % of"),
        ([150, 50], "1 of 2 values of store has 100 training rows or more and gets a model of its own, with 75 % of"),
        ([99, 99], "none of the 2 values of store has 100 training rows or more: one model, of all rows, answers for"),
        ([], "store has no value in the training rows: one model, of all rows, answers for"),
    ],
)
def test_how_many_segments_are_large_enough_is_said_in_words(rows, told):
    values = pd.Series([f"s{number}" for number, count in enumerate(rows) for _ in range(count)] or [None] * 5)
    found, each = large_segments(values, Segmenting(column="store"))
    assert found.sentence.startswith(told)
    assert (found.segments, found.large, found.rows) == (len(rows), len(each), each.sum())


def test_segments_large_enough_are_counted_and_the_fits_in_them_timed(tmp_path):
    one, _ = two_normals(tmp_path, 9, 1200, 2.0)
    one.table["store"] = pd.array(["many"] * 600 + ["some"] * 300 + ["few"] * 60 + [None] * 240, dtype="str")
    one.frame = one.artifact(one.table)
    timed = (TimedCandidate(name="tree", estimator="sklearn.tree.DecisionTreeClassifier"),)
    context = one.context()
    params = FeasibilityParams(
        objective=one.objective, timed=timed, segmenting=Segmenting(column="store", min_rows=250)
    )  # fmt: skip
    found = assess(one.frame, one.rows, one.preparation, one.summary, params=params, context=context).feasibility
    assert found.segments is not None
    assert (found.segments.segments, found.segments.large, found.segments.rows) == (
        3,
        2,
        750,
    )  # every sixth is held back
    assert found.reasons[-1].startswith(
        "2 of 3 values of store have 250 training rows or more and get a model of their own, with 75 % of"
    )
    assert context.measured["segments_fit_seconds"]["tree"] > 0


def test_the_time_of_a_fit_is_led_on_by_a_power_and_never_below_the_smaller_sample():
    growth = Growth(least=400, rows=1600, seconds=2.0, power=0.5)
    assert [growth.of(1600), growth.of(6400), growth.of(400), growth.of(10)] == [2.0, 4.0, 1.0, 1.0]
    assert growth.of(np.array([6400, 10])) == 5.0
    assert growth.of(np.array([])) == 0.0


@pytest.mark.parametrize(
    ("kind", "weighted", "scheme"), [("multiclass", False, "partition"), ("binary", True, "expanding")]
)
def test_mixed_columns_weights_and_folds_in_time(tmp_path, kind, weighted, scheme):
    one = case(tmp_path, kind, weighted=weighted, scheme=scheme)
    found = judged(one, 0.1 if kind == "multiclass" else 0.99)
    assert len(found.baselines) == 4
    assert found.verdict in ("doubtful", "out of reach")
    assert found.rows == len(one.training)


def test_the_power_law_is_found_again():
    rows = np.array([50.0, 100, 200, 400, 800, 1600])
    law = fit_power_law(rows, np.array([0.1 + 2.0 * rows**-0.5]))
    assert np.array(law)[:, 0] == pytest.approx((2.0, 0.5, 0.1), rel=1e-6)


def test_bands_of_learning_curves_hold():
    """Errors around a known law, 95 % bands at the rows at hand: they contain it nearly always."""
    sizes = (25, 50, 100, 200, 400, 800)
    truth = 0.1 + 1.5 * 1000**-0.6
    inside = 0
    for seed in range(40):
        dice = np.random.default_rng(seed)
        errors = 0.1 + 1.5 * np.array(sizes) ** -0.6
        hard = dice.normal(0, 0.02, size=(5, 1, 1))  # validation rows of a fold are harder or easier for all sizes
        scores = 1 - (errors + hard + dice.normal(0, 0.02, size=(5, 2, 6)))
        curve = learning_curve("m", sizes, scores, METRICS["accuracy"], rows=1000, confidence=0.95, seed=seed)
        assert curve is not None
        inside += curve.now.low <= 1 - truth <= curve.now.high
    assert inside >= 35


def test_a_curve_needs_three_sizes_on_which_the_metric_is_defined():
    scores = np.full((5, 2, 4), 0.8)
    assert learning_curve("m", (20, 40, 80, 160), scores, METRICS["f1"], rows=200, confidence=0.95, seed=0) is not None
    scores[2, 1, :2] = np.nan
    assert learning_curve("m", (20, 40, 80, 160), scores, METRICS["f1"], rows=200, confidence=0.95, seed=0) is None
    assert sizes_of(1000) == (31, 62, 125, 250, 500, 1000)
    assert sizes_of(19) == ()


def test_cover_and_harts_floor():
    assert bayes_floor(0.0, 2) == 0
    assert bayes_floor(0.5, 2) == 0.5  # coin flips
    assert bayes_floor(0.18, 2) == pytest.approx(0.1)  # 2 · 0.1 · 0.9
    assert bayes_floor(0.9, 10) == pytest.approx(0.9)


def test_only_the_verdict_that_is_required_passes(tmp_path):
    one, _ = two_normals(tmp_path, 1, 300, 4.0)
    found = judged(one, 0.8)
    assert found.verdict == "realistic"
    passed = require(found, params=RequireParams()).verdicts
    assert (passed.passed, passed.verdicts[0].gate) == (True, "require: realistic")
    refused = require(found.model_copy(update={"verdict": "doubtful"}), params=RequireParams()).verdicts
    assert not refused.passed
    assert "the target of 0.8 is doubtful" in refused.verdicts[0].sentence


def test_wide_and_long_folds_are_judged_on_a_sample_with_the_classes_shares():
    dice = np.random.default_rng(3)
    target = (np.arange(5000) % 50 == 0).astype(int)
    fold = PreparedFold(
        number=1, train=dice.normal(size=(5000, 800)), target=target, weight=np.arange(5000.0),
        validation=dice.normal(size=(3000, 800)), truth=np.zeros(3000), truth_weight=None, warnings=(),
        rows=Fold(1, 2, np.arange(5000), np.arange(3000)),
    )  # fmt: skip
    preparation = Preparation(features=(), target_kind="binary", classes=(0, 1), positive=1)
    small = bounded(fold, Scorer("roc_auc", preparation, 0))
    assert (len(small.target), len(small.truth), len(small.validation)) == (1250, 1250, 1250)
    assert small.target.sum() == 25
    assert (fold.train[small.weight.astype(int)] == small.train).all()  # rows stay together


def test_models_that_cannot_take_what_preparation_keeps_are_left_out_and_named(tmp_path):
    dice = np.random.default_rng(11)
    features = dice.normal(size=(400, 2))
    target = (features[:, 0] > 0).astype(int)
    features[::7, 1] = np.nan
    one = world(tmp_path, features, target, "accuracy")
    rule = NUMERIC.model_copy(update={"missing": "none"})
    columns = tuple(column.model_copy(update={"rule": rule}) for column in one.preparation.features)
    one.preparation = one.preparation.model_copy(update={"features": columns})
    found = judged(one, 0.8)
    assert [baseline.model for baseline in found.baselines] == ["majority class", "shallow tree", "boosted model"]
    assert found.verdict == "realistic"
    assert found.reachable is None
    assert found.notes[0].endswith("linear model")
