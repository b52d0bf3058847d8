"""The plan that judges a registered version again: two stages, made from the version and its run."""

from __future__ import annotations

import pytest

from orchestrator.contracts.calls import ArtifactRef, Kind, Output
from orchestrator.contracts.errors import InvalidInput
from orchestrator.contracts.records import ModelVersion, RunRecord, StageRecord
from orchestrator.contracts.status import RunStatus, StageState
from orchestrator.contracts.values import digest_of
from orchestrator.plan.fresh import fresh_plan, source_like_that_of
from tests.unit.plan_case import plan_of

ENVIRONMENTS = {"prep": "e1", "evaluate": "e2"}


def ref(name: str) -> ArtifactRef:
    return ArtifactRef(kind=Kind.FILE, digest=digest_of(name), size=1)


def made(**changed: object) -> tuple[ModelVersion, RunRecord]:
    plan = plan_of(columns={"group": "home"}, **changed)
    stages = tuple(
        StageRecord(id=one.id, task=one.task, queue=one.queue, state=StageState.DONE, params=one.params,
                    outputs={"frame": ref("frame")} if one.id == "features" else {})
        for one in plan.stages
    )  # fmt: skip
    record = RunRecord(run="churn-1", workflow="churn", status=RunStatus.SUCCEEDED, created=0.0, plan_digest="d",
                       plan_version=1, stages=stages)  # fmt: skip
    given = {name: ref(name) for name in ("bundle", "rows", "signature", "evaluation", "ranking")}
    version = ModelVersion(model="churn", version=3, stage="refused", run="churn-1", created=0.0, candidate="c",
                           digest=ref("bundle").digest, **given)  # fmt: skip
    return version, record


def test_two_stages_take_over_what_the_training_was_told() -> None:
    version, record = made(split={"method": "group"}, evaluation={"slices": ("city",), "weakest": 2}, seed=5)
    asked = source_like_that_of(version, record, "june.csv")
    plan = fresh_plan(version, record, asked, ref("june"), ENVIRONMENTS, lambda _: True)
    ingest, evaluate = plan.stages
    assert plan.workflow == "churn.evaluate"
    assert (ingest.task, ingest.inputs) == ("data.ingest", {"file": ref("june")})
    assert evaluate.task == "evaluate.fresh"
    assert evaluate.inputs == {
        "bundle": version.bundle, "table": Output(stage=ingest.id, output="table"), "trained": version.rows,
        "before": version.evaluation, "frame": ref("frame"),
    }  # fmt: skip
    then = next(one for one in record.stages if one.id == "evaluate").params
    assert {name: evaluate.params[name] for name in then} == then
    assert (evaluate.params["model"], evaluate.params["data"], evaluate.params["seed"]) == ("churn@3", "june.csv", 5)
    assert evaluate.params["roles"]["group"] == "home"
    assert None not in (ingest.key, evaluate.key)
    again = fresh_plan(version, record, asked, ref("june"), ENVIRONMENTS, lambda _: True)
    other = fresh_plan(version, record, asked, ref("july"), ENVIRONMENTS, lambda _: True)
    assert again.stages == plan.stages
    assert other.stages[1].key != evaluate.key


def test_training_rows_that_are_gone_are_not_asked_for() -> None:
    version, record = made(split={"method": "group"})
    asked = source_like_that_of(version, record, "june.csv")
    plan = fresh_plan(version, record, asked, ref("june"), ENVIRONMENTS, lambda digest: digest != ref("frame").digest)
    assert "frame" not in plan.stages[1].inputs


def test_a_file_is_read_as_the_training_s_source_unless_its_ending_says_otherwise() -> None:
    source = {"sources": {"customers": {"file": "c.csv", "delimiter": ";", "decimal": ",", "missing": ("?",)}}}
    version, record = made(split={"method": "group"}, data=source)
    same = source_like_that_of(version, record, "june.txt")
    assert (same.format, same.delimiter, same.decimal, same.missing) == ("csv", ";", ",", ("?",))
    parquet = source_like_that_of(version, record, "june.parquet")
    assert (parquet.format, parquet.delimiter, parquet.decimal, parquet.missing) == ("parquet", None, ".", ("?",))


def test_a_record_without_its_evaluation_says_so() -> None:
    version, record = made(split={"method": "group"})
    without = record.model_copy(update={"stages": record.stages[:2]})
    asked = source_like_that_of(version, without, "june.csv")
    with pytest.raises(InvalidInput, match=r"which made churn@3, has no record of evaluate\.model"):
        fresh_plan(version, without, asked, ref("june"), ENVIRONMENTS, lambda _: True)
    bare = record.model_copy(update={"stages": tuple(one.model_copy(update={"params": {}}) for one in record.stages)})
    with pytest.raises(InvalidInput, match=r"has no record of data\.ingest"):
        source_like_that_of(version, bare, "june.csv")
