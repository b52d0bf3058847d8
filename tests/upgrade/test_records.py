"""What 0.1.0 wrote still parses, and means the same: its Redis and its store, as a real run of it left them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from orchestrator.client.planning import look_ahead
from orchestrator.client.session import Session
from orchestrator.client.workflow import Workflow
from orchestrator.contracts.calls import StageCall
from orchestrator.contracts.environment import COMPUTES_AS, OPTIONAL, environment, environment_digest
from orchestrator.contracts.records import ModelVersion, RunRecord
from orchestrator.contracts.values import digest_of
from orchestrator.engine.messages import CacheRecord, Expansion
from orchestrator.engine.submission import encode_call
from orchestrator.store.audit import entries
from orchestrator.store.manifests import manifests, read_manifest
from tests.faults.world import World
from tests.upgrade.records import missing, put_back

VERSION = "0.1.0"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A Redis and a store, and nobody else."""
    world = World(tmp_path_factory.mktemp("records"))
    world.redis.start()
    try:
        yield world
    finally:
        assert world.close() == []


@pytest.fixture(scope="module")
def told(world: World) -> Any:
    """What the release said of what it left."""
    return put_back(VERSION, world)


def kept(told: Any, prefix: str) -> dict[str, Any]:
    """The values of all keys that begin so."""
    return {name: key["value"] for name, key in told["keys"].items() if name.startswith(prefix)}


def test_the_command_says_what_the_releases_own_said(world: World, told: Any) -> None:
    for words, answer in told["said"].items():
        said = world.say(*words.split(), "--json")
        assert said.out, said.err
        changed = missing(answer, said.json)
        assert [line for line in changed if not line.startswith(".report:")] == [], words


def test_every_run_reads_as_the_release_read_it(world: World, told: Any) -> None:
    assert {one["status"] for one in told["snapshots"].values()} == {
        "succeeded",
        "refused",
        "failed",
        "cancelled",
        "held",
    }
    for run, snapshot in told["snapshots"].items():
        record = world.history.snapshot(run)
        assert record is not None
        assert missing(snapshot, json.loads(record.model_dump_json())) == [], run


def test_every_manifest_is_the_run_that_it_keeps(world: World, told: Any) -> None:
    ended = {run for run, one in told["snapshots"].items() if one["status"] != "held"}
    assert set(manifests(world.store)) == ended
    for run in ended:
        assert read_manifest(world.store, run) == RunRecord.model_validate(told["snapshots"][run])


def test_every_call_and_cached_result_comes_back_as_it_went(told: Any) -> None:
    calls = [text for name, value in kept(told, "run:").items() if name.endswith(":calls") for text in value.values()]
    assert len(calls) > 50
    for text in calls:
        assert json.loads(encode_call(StageCall.model_validate_json(text))) == json.loads(text)
    cached = kept(told, "cache:")
    assert len(cached) > 20
    for text in cached.values():
        record = CacheRecord.decode(text)
        assert record is not None
        assert record.expansion is None or isinstance(record.expansion, Expansion)
        assert json.loads(record.encode()) == json.loads(text)


def test_a_plan_of_the_same_file_has_the_keys_of_the_release(world: World, told: Any) -> None:
    session = Session(world.settings)
    try:
        outlook = look_ahead(session, Workflow.load(world.project / "good.yaml"))
    finally:
        session.close()
    same: set[str] = set()  # as far as no task behaves otherwise by now
    for call in outlook.plan.stages:
        if (call.version == 1 and same.issuperset(call.upstream()) and call.id != "approve") or call.id == "approve":
            same.add(call.id)
    assert outlook.cached == same - {"approve"}
    assert {"ingest[wines]", "own", "train[k_neighbors#1]"} <= {call.id for call in outlook.plan.stages}


def test_what_the_release_computed_counts_as_computed_here(told: Any) -> None:
    """The environment that a stage noted there, with this release in it, has the digest that its pool had."""
    noted = next(
        stage["measured"]["environment"]
        for snapshot in told["snapshots"].values()
        for stage in snapshot["stages"]
        if stage["id"] == "evaluate" and "environment" in stage["measured"]
    )
    assert noted["cyclery"] == VERSION
    digest = told["keys"]["environments"]["value"]["evaluate"]
    assert digest_of(noted | {"cyclery": COMPUTES_AS}) == digest
    assert environment_digest() == digest_of(environment() | {"cyclery": COMPUTES_AS})
    assert set(noted) == set(environment()) - set(OPTIONAL)  # its pools had none of them


def test_versions_of_models_and_what_was_decided_of_them(world: World, told: Any) -> None:
    session = Session(world.settings)
    try:
        versions = session.registry.list("good")
        assert [(one.name, one.stage) for one in versions] == [("good@1", "production"), ("good@2", "archived")]
        assert all(isinstance(one, ModelVersion) for one in versions)
    finally:
        session.close()
    events = [entry["event"] for entry in entries(world.store)]
    assert events.count("submitted") == 7
    assert [event for event in events if event != "submitted"] == [
        *("approved", "registered", "approved", "registered", "promoted", "promoted", "rolled back"),
        *("rejected", "registered"),
    ]


@settings(max_examples=20)
@given(name=st.from_regex(r"[a-z_]{3,12}_later", fullmatch=True), value=st.one_of(st.integers(), st.text(), st.none()))
def test_what_is_read_may_say_more_and_what_is_executed_may_not(told: Any, name: str, value: object) -> None:
    snapshot = next(iter(told["snapshots"].values()))
    stages = [stage | {name: value} for stage in snapshot["stages"]]
    grown = snapshot | {name: value, "stages": stages}
    assert RunRecord.model_validate(grown) == RunRecord.model_validate(snapshot)
    calls = next(value for key, value in kept(told, "run:").items() if key.endswith(":calls"))
    call = json.loads(next(iter(calls.values())))
    assert StageCall.model_validate(call)
    with pytest.raises(ValidationError):
        StageCall.model_validate(call | {name: value})


def test_a_namespace_without_a_format_is_of_the_first(world: World, told: Any) -> None:
    assert "format" not in told["keys"]
    assert world.say("runs", "--json").code == 0
