"""Which results of an ended run are found again after a restore, and under which keys."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.contracts.calls import ArtifactRef, Kind, Output, Plan, StageCall
from orchestrator.contracts.keys import content_key, effect_key
from orchestrator.contracts.records import OFF_RECIPE, RunRecord
from orchestrator.contracts.submissions import SubmissionRecord
from orchestrator.engine.restored import cached_results

ENVIRONMENT = "sha256:" + "e" * 64
MADE = ArtifactRef(kind=Kind.JSON, digest="sha256:" + "1" * 64, size=1)


def call(identifier: str, task: str, key: str | None, before: str | None = None) -> StageCall:
    inputs = {"table": Output(stage=before, output="echo")} if before else {}
    return StageCall(
        id=identifier, task=task, queue="prep", version=1, inputs=inputs, key=key, environment=ENVIRONMENT
    )  # fmt: skip


def found(calls: list[StageCall], status: str = "succeeded", **facts: dict[str, Any]) -> dict[tuple[str, ...], bool]:
    """The keys of each result, and whether it lasts; `facts` by stage change its record."""
    stages = [
        {"id": one.id, "task": one.task, "queue": one.queue, "state": "done", "worker": "w", "outputs": {"echo": MADE}}
        | facts.get(one.id, {})
        for one in calls
    ]
    plan = Plan(workflow="w", stages=tuple(calls))
    record = RunRecord.model_validate(
        {"run": "w-1", "workflow": "w", "status": status, "created": 1.0, "plan_digest": "d", "plan_version": 1,
         "stages": stages}
    )  # fmt: skip
    submission = SubmissionRecord(run="w-1", created=1.0, submitted=1.0, plan_digest="d", plan=plan)
    return {keys: lasting for keys, lasting, _ in cached_results(record, submission)}


def test_a_result_is_found_by_recipe_and_by_content() -> None:
    second = call("b", "data.prepare", "kb", before="a")
    results = found([call("a", "data.ingest", "ka"), second])
    content = content_key(second, {"table": MADE}, ENVIRONMENT)
    assert [keys for keys in results if keys[0] == "kb"] == [("kb", content)]
    assert not any(results.values())


def test_nobody_looked_at_the_inputs_of_a_hit_at_submission() -> None:
    assert list(found([call("a", "data.ingest", "ka")], a={"worker": None, "cached": True})) == [("ka",)]


def test_what_was_done_off_its_recipe_is_found_by_nobody() -> None:
    assert found([call("a", "data.ingest", "ka")], a={"measured": {OFF_RECIPE: True}}) == {}


@pytest.mark.parametrize(("status", "count"), [("succeeded", 1), ("refused", 0), ("failed", 0), ("held", 0)])
def test_gates_are_judged_again_unless_the_run_succeeded(status: str, count: int) -> None:
    assert len(found([call("gates", "evaluate.gates", "kg")], status)) == count


def test_an_effect_lasts_and_is_found_by_recipe_and_by_idempotency_key() -> None:
    register = call("register", "release.register", "kr")
    keys = ("kr", effect_key(register, {}, ENVIRONMENT))
    assert found([register]) == {keys: True}
    assert found([register], register={"worker": None, "cached": True}) == {keys: True}


def test_of_a_volatile_or_unfinished_stage_nothing_is_found() -> None:
    assert found([call("approve", "release.approve", None)]) == {}
    assert found([call("a", "data.ingest", "ka")], a={"state": "failed"}) == {}


def test_of_a_run_that_grew_nothing_is_found() -> None:
    """Its record does not say which stage brought others into being, and a hit would leave them out."""
    plan = Plan(workflow="w", stages=(call("a", "data.ingest", "ka"),))
    stages = [{"id": name, "task": "data.ingest", "queue": "prep", "state": "done"} for name in ("a", "grown")]
    record = RunRecord.model_validate(
        {"run": "w-1", "workflow": "w", "status": "succeeded", "created": 1.0, "plan_digest": "d", "plan_version": 1,
         "stages": stages}
    )  # fmt: skip
    submission = SubmissionRecord(run="w-1", created=1.0, submitted=1.0, plan_digest="d", plan=plan)
    assert list(cached_results(record, submission)) == []
