"""The client against a real Redis and store; a hand does what workers would."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from orchestrator import Client, Workflow
from orchestrator.client.datasets import choose, datasets
from orchestrator.client.logs import Following, lines_of
from orchestrator.client.run import Run
from orchestrator.contracts.calls import StageCall
from orchestrator.contracts.errors import InvalidInput, SpecError
from orchestrator.contracts.status import RunStatus
from orchestrator.plan import apart
from orchestrator.report.comparison import comparison
from orchestrator.settings import Settings
from orchestrator.store.manifests import write_manifest
from tests.integration.client_case import Workers
from tests.integration.test_registry import draft

SPEC = """\
name: churn
objective: {predict: churn, task: classification, positive: "yes", metric: roc_auc}
data: {sources: {customers: {file: customers.csv}}}
train: {candidates: [{ridge_classifier: {grid: {alpha: [1, 10]}}}]}
"""


@pytest.fixture
def client(settings: Settings) -> Client:
    return Client(settings)


@pytest.fixture
def workers(client: Client) -> Workers:
    workers = Workers(client)
    workers.serve()
    return workers


@pytest.fixture
def file(tmp_path: Path) -> Path:
    rows = [f"{number},{number * 7 % 5},{'yes' if number % 3 else 'no'}" for number in range(60)]
    (tmp_path / "customers.csv").write_text("\n".join(["age,spend,churn", *rows, ""]))
    (tmp_path / "churn.yaml").write_text(SPEC)
    return tmp_path / "churn.yaml"


def finish(client: Client, workers: Workers, file: Path, *overrides: str, **options: bool) -> Run:
    run = client.submit(Workflow.load(file, overrides), **options)
    workers.work(run.id)
    return run


def test_what_workers_read_is_in_the_store_when_a_run_is_accepted(client, workers, file):
    run = client.submit(Workflow.load(file))
    ref = client.session().sources.digest(file.with_name("customers.csv"))
    assert client.session().store.read(ref) == file.with_name("customers.csv").read_bytes()
    assert run.status is RunStatus.RUNNING


def test_a_run_is_followed_to_its_end(client, workers, file):
    run = client.submit(Workflow.load(file))
    seen = []
    for record in run.follow():
        seen.append(record.status)
        workers.work(run.id, upto=4)
    assert seen[0] is RunStatus.RUNNING
    assert seen[-1] is RunStatus.SUCCEEDED
    assert run.wait().status is RunStatus.SUCCEEDED


def test_an_identical_active_run_is_attached_to_unless_another_is_asked_for(client, workers, file):
    first = client.submit(Workflow.load(file))
    second = client.submit(Workflow.load(file))
    assert (second.id, second.attached) == (first.id, True)
    assert client.submit(Workflow.load(file), new=True).id != first.id
    assert client.submit(Workflow.load(file), seed=9).id != first.id


def test_an_unchanged_workflow_rings_nobody(client, workers, file, settings):
    finish(client, workers, file)
    fresh = Client(settings)
    again = fresh.submit(Workflow.load(file))
    assert again.status is RunStatus.SUCCEEDED
    assert all(stage.cached for stage in again.record().stages)
    assert "app" not in fresh.session().__dict__  # the Celery app was never made


def test_an_outlook_tells_what_is_cached_what_changed_and_how_long_it_takes(client, workers, file):
    unknown = client.plan(Workflow.load(file))
    assert (unknown.cached, unknown.estimate_s, unknown.previous) == (frozenset(), None, None)
    run = finish(client, workers, file)
    same = client.plan(Workflow.load(file))
    assert same.cached == {call.id for call in same.plan.stages}
    assert (same.estimate_s, same.previous, same.changes) == (0.0, run.id, ())
    gated = client.plan(Workflow.load(file, ["split.test=0.3"]))
    assert gated.cached == {"ingest[customers]", "prepare"}
    assert gated.estimate_s == pytest.approx(7 * 0.5, abs=0.5)
    assert gated.changes[0].reasons == ("params: test",)


def test_planning_uploads_nothing(client, workers, file):
    client.plan(Workflow.load(file))
    assert list(client.session().store.digests()) == []


def test_a_plan_is_made_where_the_home_cannot_be_written(file, tmp_path):
    (tmp_path / "a-file").touch()
    os.utime(tmp_path / "customers.csv", (1, 1))  # old enough to be remembered
    outlook = Client(Settings(home=tmp_path / "a-file" / "home")).plan(Workflow.load(file))
    assert len(outlook.plan.stages) == 10


def test_a_rival_that_nobody_registered_is_said_at_its_gate(client, file):
    workflow = Workflow.load(file, ['gates=["roc_auc >= 0.5", "beats: nobody@3"]'])
    with pytest.raises(SpecError, match=r"^.*churn\.yaml(:\d+:\d+)?: no model is called 'nobody'"):
        client.plan(workflow)


def test_production_is_the_version_that_is_live_when_a_run_is_submitted(client, file):
    asked = Workflow.load(file, ['gates=["not_worse_than: production by 0.1"]'])

    def gates() -> StageCall:
        return next(call for call in client.plan(asked).plan.stages if call.id == "gates")

    registry = client.session().registry
    version = registry.register(draft("churn"), "k")
    assert gates().params["live"] is None
    registry.promote(version.name, by="ann")
    assert (gates().params["live"], gates().inputs["rival_bundle"]) == ("churn@1", version.bundle)


def test_data_is_found_by_digest_source_and_run(client, workers, file):
    run = finish(client, workers, file)
    session = client.session()
    known = datasets(session)
    for reference in (known[0].short, "customers", run.id, run.id[:-2], "last"):
        assert choose(session, known, reference).runs == (run.id,)
    with pytest.raises(InvalidInput, match="no data is known as 'nope'"):
        choose(session, known, "nope")


def test_without_anything_to_reach_a_plan_is_made_offline(file, tmp_path):
    outlook = Client(Settings(home=tmp_path / "none")).plan(Workflow.load(file))
    assert outlook.cached is None
    assert len(outlook.plan.stages) == 10


def test_runs_are_found_by_prefix_by_last_and_by_their_manifest(client, workers, file):
    first = finish(client, workers, file)
    second = finish(client, workers, file, "seed=5")
    assert client.run("last").id == second.id
    assert client.run(first.id[:-1]).id == first.id
    with pytest.raises(InvalidInput, match=r"'churn' is the beginning of several runs: .*; type more of it"):
        client.run("churn")
    with pytest.raises(InvalidInput, match=r"there is no run 'chrun-1'.*`cyclery runs` lists them"):
        client.run("chrun-1")
    session = client.session()
    write_manifest(session.store, first.record())
    kept = first.record()
    names = list(session.redis.scan_iter(session.history.keys.run(first.id) + "*"))
    session.redis.delete(*names)
    session.redis.zrem(session.history.keys("runs"), first.id)
    assert client.run(first.id).record().stages == kept.stages


def test_a_retry_keeps_what_still_matches_and_plans_from_the_file_as_it_is(client, workers, file):
    workers.fails = {"select"}
    run = finish(client, workers, file)
    assert run.status is RunStatus.FAILED
    workers.fails = set()
    again = client.retry(run.id)
    assert (again.id, again.record().generation) == (run.id, 2)
    assert workers.work(run.id) == ["select", "evaluate", "package", "register"]
    file.write_text(SPEC.replace("alpha: [1, 10]", "alpha: [1, 20]"))
    third = client.retry(run.id)
    assert set(workers.work(third.id)) == {"train[ridge_classifier#2]", "select", "evaluate", "package", "register"}


def test_a_retry_of_a_failed_trial_chooses_anew_among_those_that_there_are_then(client, workers, file):
    trial = "train[ridge_classifier#2]"
    workers.fails = {trial}
    run = finish(client, workers, file)
    assert run.status is RunStatus.SUCCEEDED
    client.retry(run.id)
    assert workers.work(run.id)[:2] == [trial, "select"]
    assert all(not stage.cached for stage in run.record().stages if stage.id in ("select", "evaluate", "register"))
    workers.fails = set()
    client.retry(run.id)
    assert workers.work(run.id) == [trial, "select", "evaluate", "package", "register"]
    again = client.submit(Workflow.load(file))
    assert all(stage.cached for stage in again.record().stages)


def test_a_retry_with_the_same_code_does_not_look_at_the_file(client, workers, file):
    workers.fails = {"select"}
    run = finish(client, workers, file)
    file.unlink()
    workers.fails = set()
    client.retry(run.id, same_code=True)
    assert workers.work(run.id)[0] == "select"
    with pytest.raises(InvalidInput, match="there is no such file"):
        client.retry(run.id)


def test_a_retry_from_a_stage_runs_it_and_what_depends_on_it_afresh(client, workers, file):
    run = finish(client, workers, file)
    client.retry(run.id, from_stage="evaluate")
    assert workers.work(run.id) == ["evaluate", "package", "register"]
    with pytest.raises(InvalidInput, match=r"there is no stage 'evaluat' \(did you mean 'evaluate'\?\)"):
        client.retry(run.id, from_stage="evaluat")


def test_a_retry_from_a_trial_takes_its_folds_along(client, workers, file, monkeypatch):
    monkeypatch.setattr(apart, "QUICK_BYTES", 0)
    run = finish(client, workers, file, "train.search.folds=2")
    trial = "train[ridge_classifier#2]"
    client.retry(run.id, from_stage=trial)
    again = workers.work(run.id)
    assert again[:4] == ["train[ridge_classifier#2/1]", "train[ridge_classifier#2/2]", trial, "select"]
    client.retry(run.id, from_stage="train[ridge_classifier#1/2]")
    assert workers.work(run.id)[:3] == ["train[ridge_classifier#1/2]", "train[ridge_classifier#1]", "select"]


def test_a_run_that_is_under_way_is_not_retried(client, workers, file):
    run = client.submit(Workflow.load(file))
    with pytest.raises(InvalidInput, match="is running: cancel it first"):
        client.retry(run.id)
    assert client.cancel(run.id).status is RunStatus.CANCELLED


def test_a_held_run_waits_for_a_decision_by_run_or_model(client, workers, file):
    run = finish(client, workers, file, "approve=true")
    assert run.wait().status is RunStatus.HELD
    assert [(held, stage.id) for held, stage in client.approvals()] == [(run.id, "approve")]
    assert client.decide("churn", "approved", "looks right") == run.id
    workers.work(run.id)
    assert run.status is RunStatus.SUCCEEDED
    decision = run.record().stage("approve").decision
    assert (decision.by, decision.note, decision.identity) == ("tester", "looks right", "unverified")
    with pytest.raises(InvalidInput, match="nothing waits for a person"):
        client.decide(run.id, "approved")


def test_logs_are_whole_for_stages_that_ended_and_live_for_the_others(client, workers, file):
    run = client.submit(Workflow.load(file))
    workers.work(run.id, upto=1)
    client.session().ledger.log(run.id, "prepare", 1, ["half way"])
    assert run.logs() == ["ingest[customers]: ingest[customers] was here", "prepare: half way"]
    assert run.logs("prepare") == ["half way"]
    assert run.logs("inge") == ["ingest[customers] was here"]
    with pytest.raises(InvalidInput, match=r"has no stage 'prepar_' \(did you mean 'prepare'\?\)"):
        run.logs("prepar_")


def test_the_attempts_of_a_stage_are_read_in_order(client, workers, file):
    run = client.submit(Workflow.load(file))
    client.session().ledger.log(run.id, "ingest[customers]", 0, ["the attempt before"])
    workers.work(run.id, upto=1)
    read = [(line.attempt, line.line) for line in lines_of(client.session(), run, "ingest")]
    assert read == [(0, "the attempt before"), (1, "ingest[customers] was here")]


def test_following_a_log_says_each_line_once(client, workers, file):
    run = client.submit(Workflow.load(file))
    session = client.session()
    workers.work(run.id, upto=1)
    session.ledger.log(run.id, "prepare", 1, ["one", "two"])
    lines = iter(Following(session, run, None))
    seen = [next(lines).line for _ in range(3)]
    session.ledger.log(run.id, "prepare", 1, ["three"])
    seen.append(next(lines).line)
    client.cancel(run.id)
    assert [*seen, *(line.line for line in lines)] == ["ingest[customers] was here", "one", "two", "three"]


def test_a_run_tells_of_queues_that_no_pool_serves(client, file, settings):
    run = client.submit(Workflow.load(file))
    waiting = run.waiting(run.record())
    assert [one.queue for one in waiting] == ["evaluate", "ops", "prep", "train"]
    prep = waiting[2]
    assert (prep.reason, prep.stages) == ("no pool", 1)
    assert prep.message.startswith("nobody works on queue prep: 1 stage waits; start a pool")
    assert run.document()["waiting_for"][2]["queue"] == "prep"
    Workers(client).serve()
    assert run.waiting(run.record()) == ()
    assert run.document()["waiting_for"] == []


def test_python_sees_what_the_document_says(client, workers, file):
    run = finish(client, workers, file)
    document = run.document()
    assert document["champion"]["model"] == run.champion.model == "churn@1"
    assert run.champion.metrics["roc_auc"].low == document["champion"]["metrics"]["roc_auc"]["low"]
    assert [trial.mean for trial in run.trials] == [trial["score"] for trial in document["trials"]]
    assert run.gates == ()
    assert document["report"] is None
    assert run.document(report=True)["report"] == str(run.report())


def test_a_champion_is_asked_for_too_early(client, workers, file):
    with pytest.raises(InvalidInput, match="has no champion"):
        _ = client.submit(Workflow.load(file)).champion


def test_a_run_that_took_everything_from_the_cache_gets_the_report_of_the_one_that_worked(client, workers, file):
    first = finish(client, workers, file)
    written = Path(first.document(report=True)["report"])
    second = client.submit(Workflow.load(file))
    taken = Path(second.document(report=True)["report"])
    assert second.id in str(taken)
    assert taken.read_bytes() == written.read_bytes()
    assert second.report().read_bytes() != written.read_bytes()


def test_runs_are_compared_also_when_one_has_left_redis(client, workers, file):
    first, second = finish(client, workers, file), finish(client, workers, file, "train.search.folds=3")
    write_manifest(client.session().store, first.record())
    client.session().redis.delete(client.session().history.keys.run(first.id))
    assert client.session().history.snapshot(first.id) is None
    document = comparison([client.run(first.id).evidence(), client.run(second.id).evidence()])
    assert document["differences"] == [{"key": "train.search.folds", "values": [5, 3]}]
    assert document["same_data"]
    assert [run["status"] for run in document["runs"]] == ["succeeded", "succeeded"]
