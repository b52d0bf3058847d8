"""Searches that decide as they go: what they ask for, in whatever order trials end, and when they stop."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from orchestrator.contracts.documents.training import Ranking
from orchestrator.contracts.training import SearchParams, TrialParams
from orchestrator.engine.messages import Spent
from tests.unit.plan_case import plan_of
from tests.unit.search_case import RIDGE, closeness, run, steps
from tests.unit.training_case import Quiet
from tests.unit.whole_case import BINARY, DATA, whole
from workers.runtime.context import StageContext
from workers.training.progress import told
from workers.training.search import search

METHODS = [
    {"method": "random", "trials": 20, "patience": 9},
    {"method": "bayesian", "trials": 24},
    {"method": "halving", "trials": 27},
    {"method": "halving", "trials": 27, "resource": "max_iter", "min_resource": 5},
    {"method": "asha", "trials": 40, "batch": 5},
    {"method": "asha", "trials": 27, "factor": 2, "min_resource": 0.01, "batch": 1},
    {"method": "hyperband", "trials": 34, "batch": 4},
]


def flaky(asked: TrialParams) -> float | None:
    """A third of the trials fails, the same ones each time."""
    share = asked.rung.share if asked.rung else 1.0
    return None if random.Random(f"{asked.index} {share:.3f}").random() < 1 / 3 else closeness(asked)


@pytest.mark.parametrize("score", [closeness, flaky])
@pytest.mark.parametrize("wanted", METHODS, ids=lambda wanted: f"{wanted['method']}{len(wanted)}")
def test_the_same_trials_are_asked_for_in_whatever_order_they_end(wanted, score):
    calls = steps(**wanted)
    first = run(calls, score)
    assert first.state.ended
    for order in range(6):
        again = run(calls, score, order=order)
        assert again.state == first.state
    assert {run(calls, score, order=order).ran[3].index for order in range(6)} != {first.ran[3].index}  # it did differ


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("trials", [1, 2, 8, 27, 90])
@pytest.mark.parametrize("method", ["halving", "asha", "hyperband", "random", "bayesian"])
def test_a_search_ends_within_its_steps_and_has_tried_every_setting(method, trials, seed):
    more = {"factor": 2 + seed, "min_resource": 0.02}
    more = {"patience": 1000} if method == "random" else {} if method == "bayesian" else more
    found = run(steps(method=method, trials=trials, seed=seed, **more), flaky)
    assert found.state.ended == f"all {trials} settings were tried"
    assert len({one.index for one in found.state.trials}) == trials
    assert all(one.failed is (one.score is None) for one in found.state.trials)
    full = [one for one in found.state.trials if one.rung is None or one.rung.full]
    assert full or trials < 3


def test_the_draws_are_those_of_a_plain_random_search():
    plain = run(steps(method="random", trials=10, patience=1000), closeness)
    halved = run(steps(method="halving", trials=10), closeness)
    more = run(steps(method="random", trials=30, patience=1000), closeness)
    alphas = [one.params["alpha"] for one in plain.state.trials]
    assert [one.params["alpha"] for one in halved.state.trials[:10]] == alphas
    assert [one.params["alpha"] for one in more.state.trials[:10]] == alphas
    assert run(steps(method="random", trials=10, patience=1000, seed=1), closeness).asked != plain.asked


def test_a_step_asks_for_the_calls_that_a_plan_would_have_written():
    own = {"mine": {"estimator": "team.models:Model", "range": {"depth": {"low": 1, "high": 9, "int": True}}}}
    train = {"candidates": (RIDGE, own), "weights": "balanced"}
    plain, grown = (
        plan_of(seed=5, train=train | {"search": {"method": "random", "trials": 8, **more}}).stages
        for more in ({}, {"patience": 1000})
    )
    planned = {call.id: call for call in plain}
    (first,) = (call for call in grown if call.id == "search[1]")
    context = StageContext("r-1", first.id, 1, "k", Path("unused"), Quiet(), None)  # type: ignore[arg-type]
    context.accounts = lambda _: Spent(0.0, 0.0)
    search([], params=SearchParams.model_validate(first.params), context=context)
    assert len(context.grown) == 8
    for call in context.grown:
        for name in ("task", "queue", "version", "params", "inputs", "policy", "code"):
            assert getattr(call, name) == getattr(planned[call.id], name), name
    assert {call.code is not None for call in context.grown} == {True, False}


def test_halving_keeps_the_best_third_of_each_rung():
    found = run(steps(method="halving", trials=27, min_resource=0.01), closeness)
    assert [len(found.at(rung)) for rung in range(4)] == [27, 9, 3, 1]
    for rung in range(3):
        there = sorted((one for one in found.state.trials if one.rung.number == rung), key=lambda one: -one.score)
        assert [(one.candidate, one.index) for one in there[: 3 ** (2 - rung)]] == found.at(rung + 1)
    assert [round(one.amount, 4) for one in told(found.state).rungs] == [0.037, 0.1111, 0.3333, 1]


def test_a_parameter_as_resource_is_what_the_trials_are_given():
    found = run(steps(method="halving", trials=9, resource="max_iter", min_resource=10), closeness)
    assert [one.params["max_iter"] for one in found.state.trials] == [10] * 9 + [30] * 3 + [90]
    assert {one.params["max_iter"] for one in found.ran} == {10, 30, 90}
    rounded = run(steps(method="halving", trials=7, factor=7, resource="max_iter", min_resource=12), closeness)
    assert [one.params["max_iter"] for one in rounded.state.trials] == [13] * 7 + [90]


def test_asha_raises_before_a_rung_is_done_and_only_what_is_among_the_best_of_it():
    found = run(steps(method="asha", trials=27, batch=3, min_resource=0.1), closeness)
    asked = [one.rung.number for one in found.state.trials]
    assert 1 in asked[:12]  # when nine of 27 were known
    for step in range(1, found.last + 1):
        known = [one for one in found.state.trials if one.step <= step - 2]
        for one in found.state.trials:
            if one.step != step or one.rung.number == 0:
                continue
            there = sorted((each for each in known if each.rung.number == one.rung.number - 1), key=lambda k: -k.score)
            assert (one.candidate, one.index) in [(each.candidate, each.index) for each in there[: len(there) // 3]]


def test_asha_counts_failed_trials_among_those_that_a_third_of_goes_up():
    found = run(
        steps(method="asha", trials=27, min_resource=0.1), lambda one: None if one.index % 3 else closeness(one)
    )
    assert len(found.at(1)) == 9


def test_hyperband_begins_at_every_rung_and_settings_go_up_among_those_that_began_with_them():
    found = run(steps(method="hyperband", trials=34, batch=4), closeness)
    begun: dict[int, int] = {}
    for one in found.state.trials:
        begun.setdefault(one.index, one.rung.number)
    assert [list(begun.values()).count(rung) for rung in range(3)] == [18, 10, 6]  # as 9, 5, 3 in its paper
    assert list(begun) == list(range(1, 35))
    assert [begun[index] for index in range(1, 35)] == [0] * 18 + [1] * 10 + [2] * 6
    for step in range(1, found.last + 1):
        known = [one for one in found.state.trials if one.step <= step - 2]
        for one in found.state.trials:
            first = begun[one.index]
            if one.step != step or one.rung.number == first:
                continue
            there = [each for each in known if each.rung.number == one.rung.number - 1 and begun[each.index] == first]
            best = sorted(there, key=lambda each: -each.score)[: len(there) // 3]
            assert one.index in [each.index for each in best]
    came = [(begun[one.index], one.rung.number) for one in found.state.trials]
    assert [came.count(one) >= least for one, least in (((0, 1), 6), ((0, 2), 2), ((1, 2), 3))] == [True] * 3
    assert told(found.state).resource_used < 20  # 17.3 where nothing goes up too early


def test_an_error_metric_is_searched_from_below():
    calls = steps(method="halving", trials=9)
    errors = [
        call.model_copy(
            update={"params": call.params | {"objective": call.params["objective"] | {"metric": "log_loss"}}}
        )
        for call in calls
    ]
    lowest = run(errors, lambda asked: asked.params["alpha"])
    best = min((one for one in lowest.state.trials if one.rung.number == 0), key=lambda one: one.score)
    assert lowest.at(2)[0] == (best.candidate, best.index)


# — budgets


def test_patience_ends_a_search_that_no_longer_gets_better():
    scores = {index: 0.5 + 0.1 * (index >= 4) for index in range(1, 101)}
    found = run(steps(method="random", trials=100, patience=12, batch=4), lambda asked: scores[asked.index])
    assert found.state.ended == "the best score had not improved in 12 trials"
    assert len(found.state.trials) == 20  # step 6 knows 16 of them: twelve since the fourth
    patient = run(steps(method="random", trials=30, patience=10, batch=4), lambda asked: asked.index / 100)
    assert len(patient.state.trials) == 30
    tolerant = run(
        steps(method="random", trials=30, patience=10, batch=4, tolerance=0.2), lambda asked: asked.index / 100
    )
    assert tolerant.state.ended == "the best score had not improved by more than 0.2 in 10 trials"


def test_patience_ends_hyperband_too():
    found = run(steps(method="hyperband", trials=60, patience=3, batch=3), lambda _: 0.5)
    assert found.state.ended == "the best score had not improved in 3 trials"


def test_patience_of_asha_counts_trials_in_full_only():
    found = run(steps(method="asha", trials=81, patience=2, batch=3), lambda _: 0.5)
    full = [one for one in found.state.trials if one.rung.full]
    assert found.state.ended == "the best score had not improved in 2 trials"
    assert 3 <= len(full) < 9


@pytest.mark.parametrize(
    ("wanted", "words"),
    [({"time": 60.0}, "the budget of time (60 s)"), ({"worker_time": 90.0}, "the budget of worker time (90 s)")],
)
def test_a_budget_ends_a_search_and_what_was_spent_is_recorded(wanted, words):
    spent = run(
        steps(method="random", trials=100, batch=5, **wanted),
        closeness,
        spent=lambda ended: Spent(3.0 * ended, 5.0 * ended),
    )
    assert spent.state.ended == f"{words} was spent"
    assert 18 <= len(spent.state.trials) <= 30
    summary = told(spent.state)
    assert (summary.elapsed_s, summary.worker_s) == (3.0 * summary.trials, 5.0 * summary.trials)
    assert summary.ended == spent.state.ended


@pytest.mark.parametrize("trials", [60, 61, 69])
@pytest.mark.parametrize("budget", ["time", "worker_time"])
def test_a_budget_is_overrun_by_one_batch_at_most(budget, trials):
    """Each trial takes five seconds, ten are done at once, and ten more are under way whenever a step decides."""

    def spent(asked: int) -> Spent:
        ended = max(asked - 10, 0)
        return Spent(5.0 * ended / 10, 5.0 * ended, ended)

    wanted = {budget: 5.0 * trials / (10 if budget == "time" else 1)}
    found = run(steps(method="random", trials=200, batch=10, **wanted), closeness, spent=spent)
    assert trials <= len(found.state.trials) < trials + 10


@pytest.mark.parametrize("method", ["halving", "asha"])
def test_a_halving_search_whose_time_is_over_tries_its_best_setting_in_full(method):
    found = run(steps(method=method, trials=27, time=1.0), closeness, spent=lambda ended: Spent(9.0 * (ended > 0), 0.0))
    assert found.state.ended == "the budget of time (1 s) was spent"
    (full,) = (one for one in found.state.trials if one.rung.full)
    first = [one for one in found.state.trials if one.rung.number == 0]
    assert full.index == max(first, key=lambda one: one.score).index
    assert len(found.state.trials) == len(first) + 1


# — failures


@pytest.mark.parametrize("method", ["halving", "asha"])
def test_where_all_trials_in_full_fail_the_next_best_is_tried(method):
    failed: list[int] = []

    def score(asked: TrialParams) -> float | None:
        if asked.rung.full and len(failed) < 2:
            failed.append(asked.index)
            return None
        return closeness(asked)

    found = run(steps(method=method, trials=9, batch=2) if method == "asha" else steps(method=method, trials=9), score)
    full = [one for one in found.state.trials if one.rung.full]
    assert [one.failed for one in full][:2] == [True, True]
    assert full[-1].score is not None
    assert full[-1].index not in failed


def test_a_search_of_which_everything_fails_ends_and_says_so():
    for wanted in METHODS:
        found = run(steps(**wanted), lambda _: None)
        assert found.state.ended
        assert told(found.state).failed == len(found.state.trials)


def test_several_candidates_take_turns_and_keep_their_own_numbers():
    tree = {"decision_tree": {"grid": {"max_depth": (1, 2)}}}
    found = run(steps([RIDGE, tree], method="random", trials=6, patience=100), lambda _: 0.5)
    assert [one.stage for one in found.state.trials] == [
        "train[ridge_classifier#1]", "train[decision_tree#1]", "train[ridge_classifier#2]", "train[decision_tree#2]",
        "train[ridge_classifier#3]", "train[ridge_classifier#4]",
    ]  # fmt: skip


# — worth


@pytest.mark.parametrize("seed", range(8))
def test_asha_reaches_the_best_score_of_all_settings_with_a_quarter_of_their_fits(seed):
    """Counted in trials in full: 81 settings are 81 of them, where a grid tries each."""
    everything = run(steps(method="random", trials=81, patience=1000, seed=seed), closeness)
    best = max(one.score for one in everything.state.trials)
    found = run(steps(method="asha", trials=81, batch=4, seed=seed, min_resource=0.03), closeness)
    reached = max(one.score for one in found.state.trials if one.rung.full and one.score is not None)
    assert reached >= best - 0.01
    assert told(found.state).resource_used <= 0.25 * len(everything.state.trials)


def test_weights_ensembles_and_a_tuned_threshold_are_as_they_are_without_it(tmp_path: Path) -> None:
    objective = BINARY.replace("roc_auc}", "log_loss, threshold: f1}")  # weights move probabilities, hardly ranks
    stacked = "{stacking: {of: [gaussian_nb, {decision_tree: {fixed: {max_depth: 3}}}], final: logistic_regression}}"
    ridge = "{logistic_regression: {range: {C: {low: 0.001, high: 10, log: true}}}}"

    def ranked(search: str) -> Ranking:
        train = f"train: {{candidates: [{stacked}, {ridge}], weights: balanced, search: {{folds: 2, {search}}}}}\n"
        return Ranking.model_validate(whole(tmp_path, objective + DATA + train, "select").document("select", "ranking"))

    plain, raced = ranked("method: random, trials: 4"), ranked("method: asha, trials: 4, batch: 2")
    scores = {(one.candidate, one.index): one.scores for one in plain.trials}
    assert raced.search is not None
    assert raced.search.settings == len(plain.trials) == 4
    assert all(scores[one.candidate, one.index] == one.scores for one in raced.trials)
    assert {one.candidate for one in (*raced.trials, *raced.stopped)} == {"stacking", "logistic_regression"}
    assert raced.weights == "balanced"
    champion = raced.champion
    assert champion.rung is not None
    assert champion.rung.full
    assert raced.threshold is not None
    assert raced.threshold.by == "f1"
    assert (champion.candidate, champion.index) == (plain.champion.candidate, plain.champion.index)
    assert raced.threshold == plain.threshold
