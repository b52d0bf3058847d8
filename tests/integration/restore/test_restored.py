"""Redis lost altogether: what the store keeps comes back, whatever cuts the restore off; nothing else is touched."""

from __future__ import annotations

import json
import shutil
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import redis as redis_py

from orchestrator.client.planning import calls_of
from orchestrator.client.session import Session
from orchestrator.contracts.calls import ArtifactRef, Code, Kind
from orchestrator.contracts.errors import LedgerBehind, NotPermitted, Unreachable
from orchestrator.contracts.records import Decision
from orchestrator.engine import restore_steps
from orchestrator.engine.ledger import Ledger
from orchestrator.engine.restore import LOST, Restore, Restored
from orchestrator.engine.submission import Submission
from orchestrator.service import Service
from orchestrator.settings import Settings
from orchestrator.store import audit
from orchestrator.store.artifacts import ArtifactStore
from orchestrator.store.continuity import standing
from tests.integration.ledger_case import call, plan, ref
from tests.integration.restore.past import Past, draft, ended_run, held_run, lose, restored
from tests.waiting import wait_until


def test_what_was_kept_comes_back_as_it_was(past: Past, settings: Settings) -> None:
    before = past.look()
    lose(past.hand.ledger.redis, settings)
    found = restored(past)
    after = past.look()
    for name in before:
        assert after[name] == before[name], name
    assert (found.runs, found.models) == (3, {"churn": (3, 1), "wine": (1, None)})
    assert (found.decisions, found.last) == (len(before["audit"]), int(before["drained"]))
    assert found.in_flight == found.missing == found.damaged == []


def test_life_goes_on_after_it(past: Past, service: Service, settings: Settings) -> None:
    lose(past.hand.ledger.redis, settings)
    restored(past)
    assert past.registry.register(draft(past.store, past.ended[0]), "key0").version == 1  # the effect, done again
    assert past.registry.register(draft(past.store, "new"), "new").version == 4
    assert past.registry.promote("churn@3", by="ann").stage == "production"
    assert past.registry.rollback("churn", by="ann").version == 1
    before = len(list(audit.entries(past.store)))
    again = past.hand.submit(call("a", key="k1"), call("b", "a"), new=True)
    assert past.hand.states(again.run)["a"] == "done"  # its result was found again
    past.hand.work(again.bells)
    service.keep_records()
    entries = list(audit.entries(past.store))
    assert [one["number"] for one in entries] == list(range(1, len(entries) + 1))
    assert [one["event"] for one in entries[before:]] == ["registered", "promoted", "rolled back", "submitted"]
    record = past.hand.record(past.ended[1])
    retry = Submission(plan(call("bad"), call("after", "bad")), run=record.run, generation=2)
    past.hand.work(past.hand.ledger.submit(retry).bells)
    assert past.hand.record(record.run).status == "succeeded"
    assert standing(past.hand.ledger.redis, past.hand.ledger.keys, past.store).problem is None


def test_runs_under_way_are_listed_and_can_be_retried(past: Past, service: Service, settings: Settings) -> None:
    hand = past.hand
    code = Code(snapshot=ArtifactRef(kind=Kind.FILE, digest=ref(7).digest, size=1), entry="m:f")
    own = call("own", key="unknown").model_copy(update={"code": code, "inputs": {"file": ref(8)}})
    running = hand.submit(call("a", key="k1"), own, call("z", "own"), new=True, notes=("planned so",))
    held = held_run(hand)
    retried = hand.ledger.submit(Submission(plan(call("bad"), call("x", "bad")), run=past.ended[1], generation=2))
    service.keep_records()
    late = hand.submit(call("late"), new=True)
    audit.drain(hand.ledger.redis, settings, past.store)  # cut off before the submission's own record was written
    lose(hand.ledger.redis, settings)
    found = restored(past)
    listed = {one.run: one for one in found.in_flight}
    assert list(listed) == [running.run, held, retried.run, late.run]
    assert (listed[running.run].stages, listed[running.run].known) == (3, 1)
    assert (listed[retried.run].generation, listed[late.run].stages) == (2, None)
    assert listed[running.run].author == listed[late.run].author == "unknown"
    record = hand.record(running.run)
    assert (record.status, record.notes) == ("cancelled", ("planned so", LOST))
    assert record.stage("own").code == code  # type: ignore[union-attr]
    assert hand.record(past.ended[1]).generation == 2
    service.keep_records()
    assert json.loads(past.store.get_record(f"manifests/{running.run}.json") or b"{}")["status"] == "cancelled"
    for run in (running.run, held, retried.run):
        again = Submission(plan(call("a", key="k1")), run=run, generation=hand.record(run).generation + 1)
        hand.work(hand.ledger.submit(again).bells)
        assert hand.record(run).status == "succeeded"


def test_a_decision_on_a_run_under_way_is_shown_and_asked_for_again(
    past: Past, service: Service, settings: Settings
) -> None:
    run = held_run(past.hand, "only here")
    service.keep_records()
    past.hand.ledger.decide(run, "hold", Decision(verdict="approved", by="eve", at=9e9))
    service.keep_records()
    lose(past.hand.ledger.redis, settings)
    (one,) = restored(past).in_flight
    assert (one.stages, one.known) == (3, 1)  # it had been held, and its results were kept by then
    assert [(each["stage"], each["verdict"], each["by"]) for each in one.decisions] == [("hold", "approved", "eve")]
    calls = (call("a", key="only here"), call("hold", after=("a",), hold={}))
    past.hand.work(past.hand.ledger.submit(Submission(plan(*calls), run=run, generation=2)).bells)
    assert past.hand.record(run).status == "held"


class Cut(redis_py.Redis):
    """A connection that breaks for good after so many steps, before or after the last one was done."""

    steps = 0
    last = 0
    done = False

    def execute_command(self, *words: Any, **options: Any) -> Any:
        if words[0] not in ("EVALSHA", "EVAL") or self.steps < self.last:
            self.steps += words[0] == "EVALSHA"
            return super().execute_command(*words, **options)
        if self.done and self.steps == self.last:
            self.steps += 1
            super().execute_command("EVAL" if words[0] == "EVAL" else words[0], *words[1:], **options)
        raise KeyboardInterrupt


@pytest.mark.parametrize("store", ["folder"], indirect=True)
def test_a_restore_killed_at_any_step_is_run_again(
    past: Past, service: Service, settings: Settings, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    held_run(past.hand)
    service.keep_records()
    monkeypatch.setattr(restore_steps, "WORDS", 8)
    client, keys = past.hand.ledger.redis, past.hand.ledger.keys
    lose(client, settings)
    whole, steps = _counted(past, settings, redis_url)
    assert steps > 15
    before = past.look()
    lost = whole.in_flight[0].run
    for last in range(1, steps + 1):
        for done in (False, True):
            lose(client, settings)
            with Cut.from_url(redis_url, decode_responses=True) as cut:
                cut.last, cut.done = last, done
                with suppress(KeyboardInterrupt):
                    Restore(Ledger(cut, settings), past.store).run()
            if client.exists(keys("restoring")):
                _not_yet_whole(past, service)
                client.hset(keys("restoring"), "until", 0)  # the time that a silent restore is given is over
                again = restored(past)
                assert again.in_flight == whole.in_flight
            after = past.look()
            assert _timeless(after, lost) == _timeless(before, lost), (last, done)
            assert client.exists(keys("bound"))


def _counted(past: Past, settings: Settings, url: str) -> tuple[Restored, int]:
    with Cut.from_url(url, decode_responses=True) as counting:
        counting.last = 10**6
        return Restore(Ledger(counting, settings), past.store).run(), counting.steps


def _not_yet_whole(past: Past, service: Service) -> None:
    """What must not happen while a namespace is half restored."""
    with pytest.raises(Unreachable, match="being restored"):
        past.hand.submit(call("new"), new=True)
    with pytest.raises(Unreachable, match="being restored"):
        past.registry.register(draft(past.store, "new"), "new")
    with pytest.raises(LedgerBehind, match="restore"):
        service.collector.collect()
    with pytest.raises(NotPermitted, match="somebody else"):
        restored(past)
    service.keep_records()
    service.ledger.expire()


def _timeless(look: dict[str, Any], lost: str) -> dict[str, Any]:
    """Without when the run under way was given up."""

    def strip(value: Any) -> Any:
        return value.model_copy(update={"finished": None, "stages": ()}) if value.run == lost else value

    return look | {"runs": [strip(one) for one in look["runs"]], "summaries": [
        one.model_copy(update={"finished": None}) if one.run == lost else one for one in look["summaries"]
    ]}  # fmt: skip


def test_a_damaged_manifest_costs_its_own_run_only(past: Past, settings: Settings) -> None:
    lose(past.hand.ledger.redis, settings)
    past.store._objects.replace(f"manifests/{past.ended[0]}.json", b"{")
    found = restored(past)
    assert found.damaged == [f"manifests/{past.ended[0]}.json"]
    assert set(past.hand.history.run_ids()) == set(past.ended[1:])


def test_records_of_the_first_release_come_back_too(past: Past, settings: Settings) -> None:
    before = past.look()
    lose(past.hand.ledger.redis, settings)
    for name in list(past.store.records("submissions/")):
        past.store._objects.delete(name)
    for name in list(past.store.records("audit/")):
        entry = json.loads(past.store.get_record(name) or b"")
        if entry["event"] == "judged":  # which it knew nothing of
            continue
        told = {key: value for key, value in entry.items() if key not in ("key", "generation", "workflow")}
        past.store._objects.replace(name, json.dumps(told).encode())
    found = restored(past)
    after = past.look()
    for name in ("runs", "summaries", "models", "before", "live", "drained", "latest"):
        assert after[name] == before[name], name
    assert found.runs == 3
    assert after["cache"] == {}
    assert calls_of(Session(settings), past.ended[0]) == []  # what a record tells of calls is not what was planned


def test_runs_whose_time_has_passed_stay_in_the_store(past: Past, settings: Settings) -> None:
    lose(past.hand.ledger.redis, settings)
    short = Ledger(past.hand.ledger.redis, settings.model_copy(update={"expire_s": 0.0001, "cache_expire_s": 0.0001}))
    found = Restore(short, past.store).run()
    assert (found.runs, found.older, found.results) == (0, 3, 0)
    assert past.hand.history.run_ids() == []
    assert len(past.registry.list()) == 4


def test_a_drain_after_a_cut_off_tail_doubles_nothing(past: Past, service: Service) -> None:
    """Redis lost the last trim and then its last entry: what the store has already is not written again behind it."""
    client, keys = past.hand.ledger.redis, past.hand.ledger.keys
    entries = [past.store.get_record(name) for name in past.store.records("audit/")]
    count = len(entries)
    client.set(keys("audit:drained"), count - 3)
    client.rpush(keys("audit:outbox"), *[text.decode() for text in entries[-3:-1] if text])
    past.registry.register(draft(past.store, "after"), "after")
    service.keep_records()
    found = list(audit.entries(past.store))
    assert len(found) == count + 1
    assert (found[-1]["event"], found[-1]["run"]) == ("registered", "after")
    assert standing(client, keys, past.store).missed == (count - 1, count)


@pytest.mark.parametrize("store", ["folder"], indirect=True)
def test_a_backup_made_while_everything_runs_is_whole(
    past: Past, service: Service, settings: Settings, tmp_path: Path
) -> None:
    """Records first, then artifacts, as docs/operations.md says: what a record speaks of is in the copy."""
    stop, rounds = threading.Event(), list[str]()

    def live() -> None:
        while not stop.is_set():
            run = ended_run(past.hand, f"key of {len(rounds)}")
            version = past.registry.register(draft(past.store, run), run)
            past.registry.promote(version.name, by="ann")
            service.keep_records()
            rounds.append(run)

    thread = threading.Thread(target=live)
    thread.start()
    source, copy = tmp_path / "store", tmp_path / "backup"
    try:
        wait_until(lambda: len(rounds) > 5, timeout=60)
        shutil.copytree(source, copy, ignore=shutil.ignore_patterns("artifacts", "tmp", "*#*"))
        seen = len(rounds)
        wait_until(lambda: len(rounds) > seen + 5, timeout=60)
        shutil.copytree(source / "artifacts", copy / "artifacts", ignore=shutil.ignore_patterns("*#*"))
    finally:
        stop.set()
        thread.join()
    lose(past.hand.ledger.redis, settings)
    backup = ArtifactStore(str(copy), tmp_path / "cache", 2**30)
    found = Restore(past.hand.ledger, backup).run()
    assert found.missing == found.damaged == []
    versions = past.registry.list()
    assert len(versions) > 8
    assert all(backup.has(version.digest) for version in versions)
    assert [one.version for one in versions if one.stage == "production"] == [found.models["churn"][1]]
