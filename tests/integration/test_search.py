"""Searches that decide as they go, through a real ledger: any order, deaths, failures, and once more from the cache."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import redis as redis_py

from orchestrator.client.client import _from
from orchestrator.client.logs import stages_of
from orchestrator.client.planning import calls_of
from orchestrator.client.session import Session
from orchestrator.client.workflow import Workflow
from orchestrator.contracts.calls import Kind, Plan
from orchestrator.contracts.documents.training import Ranking
from orchestrator.contracts.records import RunRecord
from orchestrator.engine.submission import Submission
from orchestrator.plan import apart, together
from orchestrator.plan.build import build
from orchestrator.plan.fingerprints import Fingerprints
from orchestrator.report.comparison import comparison
from orchestrator.report.document import run_document
from orchestrator.report.evidence import Evidence
from orchestrator.report.html import render
from orchestrator.report.trials import trial_rows, with_warnings
from orchestrator.settings import Settings
from tests.integration.runtime_case import ChildBench
from workers.runtime.perform import perform

WORKFLOW = """
objective: {{predict: bought, task: classification, positive: "yes", metric: roc_auc{needed}}}
data: {{sources: {{people: {{file: people.csv}}}}}}
train:
  candidates: [{{logistic_regression: {{range: {{C: {{low: 0.0001, high: 10, log: true}}}}}}}}, dummy]
  search: {{folds: 2, {search}}}
"""


class Bench(ChildBench):
    """Does whatever is ready, in any order."""

    def submit(self, search: str, needed: str = "", workflow: str = WORKFLOW) -> str:
        file = self.folder / "shop.yaml"
        file.write_text(workflow.format(search=search, needed=needed))
        spec = Workflow.load(file).spec
        source = self.child.store.put_file(self.folder / "people.csv", Kind.FILE)
        environments = dict.fromkeys(("prep", "train", "evaluate", "ops"), "sha256:env")
        return self.ledger.submit(
            Submission(build(spec, Fingerprints(sources={"people": source}, environments=environments)), new=True)
        ).run

    def work(self, run: str, order: int | None = None, *, deadly: bool = False) -> RunRecord:
        """Do what is ready until the run ends; `deadly`: the first owner of every fourth stage dies under it."""
        dice = random.Random(order)
        died: set[str] = set()
        while not (record := self.record(run)).status.ended:
            ready = [stage.id for stage in record.stages if stage.state == "ready"]
            self.ledger.repair(100, 0)
            one = ready[0] if order is None else dice.choice(ready)
            if deadly and one not in died and dice.random() < 0.25:
                died.add(one)
                claim = self.ledger.claim(run, one, worker="train@gone", host="gone", pid=1)
                if claim is not None:
                    self.ledger.bury(claim.lease)
                continue
            perform(self.child, run, [one], "0")
        groups = {one.id.partition("[")[0] for one in record.stages}
        assert not deadly or {one.partition("[")[0] for one in died} >= {"search", "train"} & groups
        return record

    def evidence(self, record: RunRecord) -> Evidence:
        return Evidence(record, self.child.store.read)

    def ranking(self, record: RunRecord) -> Ranking:
        select = record.stage("select")
        assert select is not None, record
        assert select.state == "done", select
        return Ranking.model_validate_json(self.child.store.read(select.outputs["ranking"]))


def people(rows: int) -> pd.DataFrame:
    dice = np.random.default_rng(3)
    table = pd.DataFrame(dice.normal(size=(rows, 6)), columns=list("abcdef")).round(3)
    table["bought"] = np.where(table["a"] + table["b"] + dice.normal(0, 1, rows) > 0, "yes", "no")
    return table


@pytest.fixture
def bench(settings: Settings, redis: redis_py.Redis, tmp_path: Path) -> Iterator[Bench]:
    people(160).to_csv(tmp_path / "people.csv", index=False)
    with Bench.of("train", settings, redis, tmp_path, None) as bench:
        yield bench


def states(record: RunRecord) -> dict[str, str]:
    return {stage.id: str(stage.state) for stage in record.stages}


@pytest.mark.parametrize(
    ("search", "trials"),
    [
        ("method: asha, trials: 9, batch: 3", 14),
        ("method: halving, trials: 9", 13),
        ("method: hyperband, trials: 9", 10),
        ("method: bayesian, trials: 9, batch: 2", 9),
    ],
)
def test_whatever_the_order_and_the_deaths_the_trials_scores_and_champion_are_the_same(
    bench: Bench, search: str, trials: int
) -> None:
    first = bench.work(bench.submit(search))
    assert first.status == "succeeded"
    assert set(states(first).values()) == {"done"}
    ranking = bench.ranking(first)
    assert ranking.search is not None
    assert ranking.search.ended == "all 9 settings were tried"
    assert ranking.search.trials == len([one for one in states(first) if one.startswith("train[")]) == trials
    for key in bench.ledger.redis.scan_iter(f"{bench.ledger.keys.prefix}cache:*"):
        bench.ledger.redis.delete(key)  # nothing is known any more
    again = bench.work(bench.submit(search), order=1, deadly=True)
    assert not any(stage.cached for stage in again.stages)
    assert states(again) == states(first)
    assert bench.ranking(again) == ranking


def test_recorded_decisions_replay_and_a_budget_of_time_is_among_them(bench: Bench) -> None:
    search = "method: random, trials: 30, batch: 2, worker_time: 1ms"
    first = bench.work(bench.submit(search))
    ranking = bench.ranking(first)
    assert ranking.search is not None
    assert ranking.search.ended == "the budget of worker time (0.001 s) was spent"
    assert ranking.search.worker_s is not None
    assert ranking.search.worker_s > 0.001
    assert 2 <= len(ranking.trials) < 30
    tried = [name for name in states(first) if name.startswith("train[")]
    spent = bench.ledger.spent(first.run, [*tried, "register", "train[nobody#1]"])
    assert (spent.ended, spent.worker >= ranking.search.worker_s) == (len(tried) + 1, True)
    again = bench.work(bench.submit(search), order=2)
    assert states(again) == states(first)
    assert all(stage.cached for stage in again.stages)
    assert bench.ranking(again) == ranking


def test_the_very_calls_of_a_run_are_those_that_were_planned(bench: Bench, settings: Settings) -> None:
    run = bench.submit("method: halving, trials: 6")
    planned = {stage.id for stage in bench.record(run).stages}
    record = bench.work(run)
    session = Session(settings)
    calls = calls_of(session, run)
    assert {call.id for call in calls} == planned < set(states(record))
    assert bench.history.grown(run) == set(states(record)) - planned
    order = [stage.id for stage in record.stages if stage.id in planned]
    stages = tuple(sorted(calls, key=lambda call: order.index(call.id)))
    plan = Plan(workflow="shop", stages=stages)
    for generation, afresh in ((2, frozenset[str]()), (3, _from(plan, "search"))):
        bench.ledger.submit(Submission(plan, run=run, generation=generation, refresh=afresh))
        again = bench.work(run, order=3)
        assert (again.generation, states(again)) == (generation, states(record))
        assert bench.ranking(again) == bench.ranking(record)
        cached = {stage.id for stage in again.stages if stage.cached}
        assert cached & (bench.history.grown(run) | afresh) == (set() if afresh else bench.history.grown(run))


def test_a_trial_that_fails_is_recorded_and_the_search_goes_on(bench: Bench) -> None:
    run = bench.submit("method: random, trials: 6, patience: 5, batch: 2")
    victims: list[str] = []
    while not (record := bench.record(run)).status.ended:
        bench.ledger.repair(100, 0)
        ready = [stage.id for stage in record.stages if stage.state == "ready"]
        if ready[0].startswith("train[") and len(victims) < 2:
            victims.append(ready[0])
            for _ in range(3):  # the host runs out of memory, each time that it is tried
                bench.ledger.repair(100, 0)
                claim = bench.ledger.claim(run, ready[0], worker="train@gone", host="gone", pid=1)
                assert claim is not None
                bench.ledger.bury(claim.lease)
            continue
        perform(bench.child, run, ready[:1], "0")
    assert record.status == "succeeded"
    failed = [stage.id for stage in record.stages if stage.state == "failed"]
    assert failed == victims
    ranking = bench.ranking(record)
    assert ranking.search is not None
    assert ranking.search.failed == 2
    assert len(ranking.trials) == ranking.search.trials - 2
    assert "(2 failed and are left out)" in ranking.reason
    told = run_document(record, bench.child.store.read)["search"]
    assert (told["failed"], told["method"]) == (2, "random")


NEIGHBOURS = WORKFLOW.replace("logistic_regression: {{range: {{C: {{low: 0.0001, high: 10, log: true}}}}}}",
                              "k_neighbors: {{grid: {{n_neighbors: [3, 9, 999, 5, 7]}}}}")  # fmt: skip


def test_trials_that_share_a_stage_are_ranked_and_listed_as_those_that_stand_alone(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = bench.work(bench.submit("method: grid", workflow=NEIGHBOURS))
    monkeypatch.setattr(together, "STAGES", 3)  # six trials: two in a stage
    shared = bench.work(bench.submit("method: grid", workflow=NEIGHBOURS), order=1, deadly=True)
    held = [stage.id for stage in shared.stages if stage.task == "train.trials"]
    assert held == ["train[k_neighbors#1-2]", "train[k_neighbors#3-4]"]
    assert {"train[k_neighbors#5]", "train[dummy#1]"} < states(shared).keys()
    assert set(states(shared).values()) == {"done"}
    ranking = bench.ranking(shared)
    assert ranking == bench.ranking(alone)
    assert "(1 failed and is left out)" in ranking.reason
    rows = [with_warnings(trial_rows(one), one) for one in map(bench.evidence, (alone, shared))]
    told = [[(one["rank"], one["index"], one["scores"], one["status"], one["error"]) for one in some] for some in rows]
    assert told[0] == told[1]
    assert (told[1][-1][1], told[1][-1][3]) == (3, "failed")
    assert [row["stage"] for row in rows[1] if row["index"] == 2] == ["train[k_neighbors#1-2]"]
    assert all(0 < row["fit_s"] < row["seconds"] and row["memory_mb"] > 0 for row in rows[1][:-1])
    assert "n_neighbors" in render(shared, bench.child.store.read)
    again = bench.work(bench.submit("method: grid", workflow=NEIGHBOURS))
    assert all(stage.cached for stage in again.stages)


def test_trials_whose_folds_stand_apart_are_ranked_listed_and_compared_as_those_that_stand_alone(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone = bench.work(bench.submit("method: grid", workflow=NEIGHBOURS))
    monkeypatch.setattr(apart, "QUICK_BYTES", 0)
    stood = bench.work(bench.submit("method: grid", workflow=NEIGHBOURS), order=3, deadly=True)
    found = states(stood)
    lost = {"train[k_neighbors#3]", "train[k_neighbors#3/1]", "train[k_neighbors#3/2]"}
    assert {one for one in found if found[one] != "done"} == {one for one in found if found[one] == "failed"} == lost
    assert len([one for one in found if one.startswith("train[")]) == 6 * 3
    assert stood.status == "succeeded"
    ranking = bench.ranking(stood)
    assert ranking == bench.ranking(alone)
    assert "(1 failed and is left out)" in ranking.reason
    one, two = map(bench.evidence, (alone, stood))
    assert one.results == two.results
    rows = [with_warnings(trial_rows(evidence), evidence) for evidence in (one, two)]
    took = {"seconds", "fit_s", "score_s", "memory_mb"}
    assert [{name: row[name] for name in row.keys() - took} for row in rows[1]] == [
        {name: row[name] for name in row.keys() - took} for row in rows[0]
    ]
    assert (rows[1][-1]["status"], "failed on fold 1" in rows[1][-1]["error"]) == ("failed", True)
    assert {one.id for one in stages_of(stood, "train[k_neighbors#3]")} == lost
    for row in rows[1][:-1]:
        folds = two.record.fits(two.record.stage(row["stage"]))
        assert [row["fit_s"], row["score_s"], row["seconds"]] == [
            sum(fold.measured["fit_seconds"] for fold in folds),
            sum(fold.measured["score_seconds"] for fold in folds),
            sum(fold.seconds for fold in folds),
        ]
        assert row["memory_mb"] == max(fold.measured["peak_memory_mb"] for fold in folds)
    compared = comparison([one, two])
    assert [run["trials"] for run in compared["runs"]] == [5, 5]
    assert all(run["fit_seconds"] > 0 for run in compared["runs"])
    assert "n_neighbors" in render(stood, bench.child.store.read)
    again = bench.work(bench.submit("method: grid", workflow=NEIGHBOURS))
    assert {stage.id for stage in again.stages if not stage.cached} == lost  # what failed is tried again
    assert bench.ranking(again) == ranking


def test_where_the_folds_of_every_trial_fail_the_run_says_why(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apart, "QUICK_BYTES", 0)
    workflow = NEIGHBOURS.replace("[3, 9, 999, 5, 7]", "[998, 999]").replace(", dummy", "")
    record = bench.work(bench.submit("method: grid", workflow=workflow))
    assert record.status == "failed"
    assert states(record)["select"] == "failed"
    told = run_document(record, bench.child.store.read)["error"]
    assert told.startswith("train[k_neighbors#1/1]: candidate k_neighbors#1 (n_neighbors=998) failed on fold 1")


def test_a_search_under_way_can_be_looked_at_and_cancelled(bench: Bench) -> None:
    run = bench.submit("method: asha, trials: 9, batch: 3")
    while not any(stage.id.startswith("train[") and stage.state == "done" for stage in bench.record(run).stages):
        bench.ledger.repair(100, 0)
        ready = [stage.id for stage in bench.record(run).stages if stage.state == "ready"]
        perform(bench.child, run, ready[-1:], "0")
    document = run_document(bench.record(run), bench.child.store.read)
    assert document["search"]["method"] == "asha"
    assert document["search"]["ended"] is None
    assert document["trials"][0]["rung"]["resource"] == "rows"
    bench.ledger.cancel(run, "tester")
    record = bench.record(run)
    assert record.status == "cancelled"
    assert {stage.state for stage in record.stages} == {"done", "cancelled"}


def test_a_search_waits_for_what_is_required_and_never_begins_where_it_is_not_so(bench: Bench) -> None:
    search = "method: halving, trials: 6"
    people(600).to_csv(bench.folder / "people.csv", index=False)
    refused = bench.work(bench.submit(search, ", target: 1, require: realistic"))
    assert refused.status == "refused"
    found = states(refused)
    assert found["require"] == "done"
    assert {state for one, state in found.items() if one.startswith("search[")} == {"skipped"}
    assert not any(one.startswith("train[") for one in found)
    allowed = bench.work(bench.submit(search, ", target: 0.55, require: realistic"), order=4)
    assert allowed.status == "succeeded"
    assert "was expected to spend" in render(allowed, bench.child.store.read)


def test_the_trials_of_a_search_are_listed_with_their_rungs_and_runs_compared(bench: Bench) -> None:
    first = bench.work(bench.submit("method: halving, trials: 6"))
    second = bench.work(bench.submit("method: random, trials: 6"))
    evidence = bench.evidence(first)
    rows = with_warnings(trial_rows(evidence), evidence)
    stages = {stage.id: stage for stage in evidence.stages("train.trial")}
    assert {row["stage"] for row in rows} == stages.keys()
    assert all(f".{row['rung']}]" in row["stage"] and row["fit_s"] > 0 for row in rows)
    ranked = [row for row in rows if row["rank"] is not None]
    assert [row["rank"] for row in ranked] == [1, 2, 3, 4, 5, 6]
    assert [row["rung"] for row in ranked] == sorted((row["rung"] for row in ranked), reverse=True)
    compared = comparison([evidence, bench.evidence(second)])
    assert compared["comparable"]
    assert [one["key"] for one in compared["differences"]] == ["train.search.method"]
    assert [run["trials"] for run in compared["runs"]] == [len(rows), 6]
    assert [run["champion"]["candidate"] for run in compared["runs"]] == ["logistic_regression"] * 2
