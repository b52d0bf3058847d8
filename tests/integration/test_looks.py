"""The account of test rows on a real Redis: one judgement for each key, each in the knowledge of all before it."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import redis as redis_py

from orchestrator.contracts.calls import Kind
from orchestrator.contracts.documents.evaluation import Spending
from orchestrator.contracts.errors import RecordDamaged, Unreachable
from orchestrator.contracts.evaluation import GatesParams, MetricGate
from orchestrator.contracts.records import Look
from orchestrator.contracts.roles import Objective
from orchestrator.settings import Settings
from orchestrator.store.artifacts import ArtifactStore
from orchestrator.store.cache import HostCache
from orchestrator.store.looks import Looks
from orchestrator.store.steps import step
from tests.unit.training_case import Quiet
from workers.evaluation.gates.spend import spend
from workers.runtime.codecs import Desk
from workers.runtime.context import StageContext
from workers.runtime.tables import write_table

RNG = np.random.default_rng(3)
ROWS = RNG.integers(0, 2**63, 4000).astype(np.uint64)


def judgement(run: str, judgements: int = 0) -> Look:
    return Look(run=run, by="ann", rows=3, sketch="", judgements=judgements, looks=judgements)


@pytest.fixture
def looks(redis: redis_py.Redis, settings: Settings) -> Looks:
    return Looks(redis, settings)


def outbox(redis: redis_py.Redis, looks: Looks) -> list[dict]:
    return [json.loads(entry) for entry in redis.lrange(looks._keys("audit:outbox"), 0, -1)]


def test_a_judgement_is_recorded_once_for_its_key(looks: Looks, redis: redis_py.Redis) -> None:
    first = looks.add("Churn", "k", lambda known: judgement("churn-1", len(known)))
    again = looks.add("Churn", "k", lambda known: judgement("churn-2", len(known)))
    assert first == again == judgement("churn-1")
    assert looks.add("Churn", "other", lambda known: judgement("churn-3", len(known))).judgements == 1
    assert looks.add("Price", "k", lambda known: judgement("homes-1", len(known))).judgements == 0
    assert sorted(one.run for one in looks.list("Churn")) == ["churn-1", "churn-3"]
    told = outbox(redis, looks)
    assert [(one["event"], one["objective"], one["key"]) for one in told] == [
        ("judged", "Churn", "k"), ("judged", "Churn", "other"), ("judged", "Price", "k"),
    ]  # fmt: skip
    assert told[0]["record"] == first.model_dump(mode="json")
    assert told[0]["at"] > 1.7e9


def test_who_judges_at_the_same_time_does_not_spend_the_same(looks: Looks) -> None:
    found: list[int] = []

    def judge(number: int) -> None:
        one = looks.add("Churn", f"k{number % 6}", lambda known: judgement(f"r{number}", len(known)))
        found.append(one.judgements)

    threads = [threading.Thread(target=judge, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]


def test_a_judgement_that_goes_by_fewer_than_there_are_is_not_recorded(looks: Looks, redis: redis_py.Redis) -> None:
    sent = ("Churn", "b", 0, "{}", '{"event":"judged"}')
    assert step(redis, "look", looks._keys, "Churn", "a", 0, "{}", '{"event":"judged"}') == "{}"
    assert step(redis, "look", looks._keys, *sent) == "changed"
    assert redis.hlen(looks._keys("looks", "Churn")) == len(outbox(redis, looks)) == 1
    before = int(redis.get(looks._keys("settled")) or 0)
    assert step(redis, "look", looks._keys, "Churn", "a", 0, "other", "{}") == "{}"
    assert int(redis.get(looks._keys("settled"))) == before + 1  # there is something to wait for on Redis's disk


def test_while_the_account_is_restored_nothing_new_is_judged(looks: Looks, redis: redis_py.Redis) -> None:
    known = looks.add("Churn", "k", lambda _: judgement("churn-1"))
    redis.hset(looks._keys("restoring"), "nonce", "x")
    assert looks.add("Churn", "k", lambda _: judgement("churn-2")) == known
    with pytest.raises(Unreachable, match="being restored"):
        looks.add("Churn", "new", lambda _: judgement("churn-2"))
    assert len(looks.list("Churn")) == 1


def test_a_damaged_judgement_is_told(looks: Looks, redis: redis_py.Redis) -> None:
    redis.hset(looks._keys("looks", "Churn"), "k", '{"run": 1}')
    with pytest.raises(RecordDamaged, match="'run': "):
        looks.list("Churn")


class Stage:
    """evaluate.spend as workers run it, on test rows of one's choice."""

    def __init__(self, folder: Path, client: redis_py.Redis, settings: Settings) -> None:
        self.folder, self.resources = folder, (client, settings)
        self.store = ArtifactStore(str(folder / "store"), folder / "cache", 1 << 30)

    def spend(
        self,
        test: np.ndarray,
        *,
        answer: float = 0.5,
        bound: float = 0.8,
        run: str = "churn-1",
        rival: np.ndarray | None = None,
    ) -> Spending:
        rows = pd.DataFrame({"identity": np.concatenate([test, ROWS[-100:]])}).rename_axis(index="row")
        rows["part"] = np.where(rows.index < len(test), "test", "train")
        file = self.folder / "predictions.parquet"
        write_table(pd.DataFrame({"probability_1": answer}, index=rows.index[: len(test)]), file)
        ref = self.store.put_file(file, Kind.TABLE)
        context = StageContext(
            run=run, stage="spend", attempt=1, key="k", scratch=self.folder / "scratch", watcher=Quiet(),
            host_files=HostCache(self.folder / "host", 1 << 20), resources=self.resources, author="ann",
        )  # fmt: skip
        gate = MetricGate(text=f"roc_auc >= {bound}", metric="roc_auc", at_least=bound)
        params = GatesParams(
            gates=(gate,), objective=Objective(predict="Churn", task="classification", metric="roc_auc")
        )
        trained = None if rival is None else pd.DataFrame({"identity": rival, "part": "train"})
        handle = Desk(self.store, lambda: self.folder).handle(ref)
        return spend(rows, handle, trained, params=params, context=context).spending


@pytest.fixture
def stage(tmp_path: Path, redis: redis_py.Redis, settings: Settings) -> Stage:
    return Stage(tmp_path, redis, settings)


def test_each_new_model_is_one_more_look_at_the_rows_and_the_same_one_is_none(stage: Stage) -> None:
    test = ROWS[:1000]
    found = [stage.spend(test, answer=answer, run=f"churn-{answer}") for answer in (1.0, 2.0, 3.0)]
    assert [(one.judgements, one.looks, one.rows) for one in found] == [(0, 0, 1000), (1, 1, 1000), (2, 2, 1000)]
    assert found[2].runs == ("churn-1.0", "churn-2.0")
    assert stage.spend(test, answer=2.0, run="churn-9") == found[1]
    assert stage.spend(test, answer=2.0, bound=0.7).looks == 3  # another question to the same model


def test_looks_are_counted_by_the_share_of_rows_that_were_judged_before(stage: Stage) -> None:
    assert stage.spend(ROWS[:400]).looks == 0
    assert stage.spend(ROWS[200:600]).looks == 0.5
    assert stage.spend(ROWS[:600]).looks == pytest.approx(800 / 600, abs=0.07)
    assert stage.spend(ROWS[2000:2400]).judgements == 0


def test_rows_that_a_rival_has_not_trained_on_count_where_they_were_judged_more_often(stage: Stage) -> None:
    stage.spend(ROWS[:200])
    assert stage.spend(ROWS[:400], answer=0.1).looks == 0.5
    assert stage.spend(ROWS[:400], answer=0.2, rival=ROWS[200:3000]).looks == 2
