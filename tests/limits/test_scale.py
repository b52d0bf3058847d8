"""Width: specs of 10,000 stages, a fan-out of 100,000 beside a small run, 1,000 runs at once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import redis as redis_py

from orchestrator.client.planning import plan_checked
from orchestrator.client.workflow import Workflow
from orchestrator.contracts.calls import Plan, Purity, StageCall
from orchestrator.engine.ledger import Ledger
from orchestrator.engine.messages import Pool
from orchestrator.engine.reconciler import Reconciler
from orchestrator.engine.submission import Submission
from orchestrator.settings import Settings
from tests.faults.world import World
from tests.integration.ledger_case import Hand, call
from tests.waiting import wait_until

STAGES, WIDTH, RUNS = 10_000, 100_000, 1_000


def _spec(folder: Path, stages: int) -> Path:
    """Own stages in three chains that are written backwards, so that no order of the file helps."""
    (folder / "own.py").write_text("def one(*, n: int = 0) -> dict:\n    return {'n': n}\n")
    (folder / "rows.csv").write_text("a,b,y\n" + "".join(f"{i},{i % 7},{i % 2}\n" for i in range(100)))
    head = "name: long\nobjective: {predict: y, task: classification}\ndata: {sources: {rows: {file: rows.csv}}}\n"
    lines = [
        f"  - {{name: s{i}, call: own:one, with: {{n: {i}}}, after: {'ingest' if i < 3 else f's{i - 3}'}}}\n"
        for i in reversed(range(stages))
    ]
    path = folder / "long.yaml"
    path.write_text(f"{head}train: {{candidates: [{{logistic_regression: {{}}}}]}}\nstages:\n{''.join(lines)}")
    return path


def test_a_spec_of_ten_thousand_stages_is_planned_in_their_order(tmp_path: Path) -> None:
    plan = plan_checked(Workflow.load(_spec(tmp_path, STAGES)), Settings(home=tmp_path / "home"))
    place = {stage.id: number for number, stage in enumerate(plan.stages)}
    assert all(f"s{number}" in place for number in range(STAGES))
    assert all(place[before] < place[stage.id] for stage in plan.stages for before in stage.upstream())


@pytest.fixture
def hand(redis: redis_py.Redis, settings: Settings) -> Hand:
    return Hand(Ledger(redis, settings))


def test_a_fan_out_of_a_hundred_thousand_lets_a_small_run_in(hand: Hand, redis: redis_py.Redis) -> None:
    Reconciler(hand.ledger).history.register(Pool("ops@here", "ops", "here", 2, "e", "0", 1, {}))
    Reconciler(hand.ledger).tick()
    names = [f"w{number}" for number in range(WIDTH)]
    wide = hand.submit(*(call(name, batch=16) for name in names), call("join", *names))
    small = hand.submit(call("a"), call("b", "a"))
    queue = [json.loads(text) for text in reversed(redis.lrange(hand.ledger.keys("ops"), 0, -1))]
    ahead = [message["headers"]["id"].split(":")[0] for message in queue].index(small.run)
    assert ahead == 2 * hand.ledger.settings.window  # four messages for each of two processes, not 6,250
    hand.work(small.bells)
    assert hand.record(small.run).status == "succeeded"
    before = redis.llen(hand.ledger.keys("ops"))
    for stage in wide.bells[0].stages + wide.bells[1].stages + wide.bells[2].stages + wide.bells[3].stages:
        claim = hand.ledger.claim(wide.run, stage, worker="ops@here", host="here", pid=1)
        assert claim is not None
        hand.done(claim)
    assert redis.llen(hand.ledger.keys("ops")) > before  # the window goes on with the wide one
    hand.ledger.cancel(wide.run, "tester")
    Reconciler(hand.ledger).tick()
    run = redis.hgetall(hand.ledger.keys.run(wide.run))
    assert (run["status"], run["left"], run["flight"]) == ("cancelled", "0", "0")
    for leftover in ("leases", "bells:ops", "active", "work"):
        assert not redis.exists(hand.ledger.keys(leftover)), leftover


def test_no_step_of_the_ledger_grows_with_the_run(hand: Hand, redis: redis_py.Redis) -> None:
    """Redis does nothing else while a step runs: what a step touches is bounded by its chunk, however wide the run."""
    names = [f"w{number}" for number in range(20_000)]
    wide = hand.submit(call("root"), *(call(name, after=("root",)) for name in names), call("join", *names))
    claim = hand.must_claim(wide.bells[0])
    redis.config_resetstat()
    hand.done(claim)
    commands = redis.info("commandstats")
    steps = commands["cmdstat_evalsha"]["calls"]
    assert steps >= len(names) // 500
    assert commands["cmdstat_hget"]["calls"] / steps < 2 * 500


def test_a_thousand_runs_at_once_all_end(tmp_path: Path) -> None:
    world = World(tmp_path)
    try:
        world.start(host=False).add_host("host1", pools=("ops:2",)).start()
        calls = tuple(
            StageCall(id=name, task="ops.probe", queue="ops", version=1, after=after, purity=Purity.VOLATILE)
            for name, after in (("a", ()), ("b", ("a",)), ("c", ("a",)), ("d", ("b", "c")))
        )
        plan = Plan(workflow="many", stages=calls)
        runs = [world.ledger.submit(Submission(plan, new=True)).run for _ in range(RUNS)]
        keys = world.ledger.keys
        wait_until(lambda: not world.ledger.redis.exists(keys("active")), timeout=240)
        records = [record for run in runs if (record := world.history.snapshot(run))]
        assert len(records) == RUNS
        assert {record.status.value for record in records} == {"succeeded"}
        assert {stage.attempt for record in records for stage in record.stages} == {1}
    finally:
        left = world.close()
    assert not left
