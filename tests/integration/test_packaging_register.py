"""Registering: one version per idempotency key, refused where a gate did not pass, with the reasons."""

from __future__ import annotations

from pathlib import Path

import pytest
import redis as redis_py

from orchestrator.contracts.calls import Kind
from orchestrator.contracts.documents.evaluation import Evaluation, Interval, Verdict, Verdicts
from orchestrator.contracts.documents.training import RankedTrial, Ranking
from orchestrator.contracts.release import RegisterParams
from orchestrator.contracts.values import Value, canonical
from orchestrator.settings import Settings
from orchestrator.store.artifacts import ArtifactStore
from orchestrator.store.cache import HostCache
from orchestrator.store.models import Registry
from tests.unit.training_case import Quiet
from workers.packaging.register import register
from workers.runtime.codecs import Artifact
from workers.runtime.context import StageContext

TRIAL = RankedTrial(rank=1, candidate="logistic", index=2, params={"C": 1}, mean=0.8, std=0.1, scores=(0.7, 0.9))
AUC = Interval(value=0.8, low=0.75, high=0.85, confidence=0.95, method="bootstrap")


class Desk:
    """What earlier stages left, and a context per attempt."""

    def __init__(self, folder: Path, client: redis_py.Redis, settings: Settings) -> None:
        self.folder, self.redis, self.settings = folder, client, settings
        self.store = ArtifactStore(str(folder / "store"), folder / "cache", 1 << 20)
        ranking = Ranking(
            metric="roc_auc", greater_is_better=True, rule="best", trials=(TRIAL,), champion=TRIAL,
            estimator="sklearn.linear_model.LogisticRegression", reason="best",
        )  # fmt: skip
        self.inputs = {
            "bundle": self.file(b"bundle"),
            "signature": self.file(b"{}"),
            "evaluation": self.document(
                Evaluation(kind="binary", rows=9, metrics={"accuracy": AUC, "brier": AUC, "roc_auc": AUC}, dummy={})
            ),
            "ranking": self.document(ranking),
            "rows": self.file(b"rows"),
        }

    def file(self, data: bytes) -> Artifact:
        return Artifact(self.store.put_bytes(data, Kind.FILE), self.store)

    def document(self, value: Value) -> Artifact:
        return Artifact(self.store.put_bytes(canonical(value.model_dump(mode="json")), Kind.JSON), self.store)

    def register(
        self,
        key: str = "k",
        verdicts: Verdicts | None = None,
        refusal: str | None = None,
        recipe: str = "",
        run: str = "churn-1",
    ) -> tuple[str, str]:
        context = StageContext(
            run=run, stage="register", attempt=1, key=key, scratch=self.folder / "scratch", watcher=Quiet(),
            host_files=HostCache(self.folder / "host", 1 << 20), refusal=refusal, resources=(self.redis, self.settings),
            recipe=recipe,
        )  # fmt: skip
        given = None if verdicts is None else self.document(verdicts)
        params = RegisterParams(model="churn")
        found = register(**self.inputs, verdicts=given, params=params, context=context).registration
        return found.model, found.stage


@pytest.fixture
def desk(tmp_path: Path, redis: redis_py.Redis, settings: Settings) -> Desk:
    return Desk(tmp_path, redis, settings)


def verdicts(*passed: bool) -> Verdicts:
    made = tuple(Verdict(gate=f"g{i}", passed=ok, sentence=f"gate {i} says {ok}") for i, ok in enumerate(passed))
    return Verdicts(verdicts=made, passed=all(passed))


def test_a_version_holds_what_later_gates_and_people_need(desk: Desk) -> None:
    assert desk.register() == ("churn@1", "candidate")
    version = Registry(desk.redis, desk.settings).get("churn@1")
    assert list(version.metrics_in_order) == ["roc_auc", "accuracy", "brier"]  # the objective's first
    assert version.digest == version.bundle.digest == desk.inputs["bundle"].ref.digest
    assert version.rows == desk.inputs["rows"].ref
    assert version.metrics["roc_auc"]["low"] == 0.75
    assert (version.candidate, version.params, version.run) == ("logistic", {"C": 1}, "churn-1")
    assert version.reasons == ()


def test_the_same_effect_again_is_the_same_version(desk: Desk) -> None:
    assert desk.register("a") == desk.register("a") == ("churn@1", "candidate")
    assert desk.register("b") == ("churn@2", "candidate")


def test_what_a_worker_of_the_release_before_registered_and_did_not_tell_is_found_by_its_run(desk: Desk) -> None:
    assert desk.register("recipe") == ("churn@1", "candidate")  # as 0.1.0 does, which has the recipe as its key
    assert desk.register("recipe and content", recipe="recipe") == ("churn@1", "candidate")
    assert desk.register("recipe and content", recipe="recipe", run="churn-2") == ("churn@1", "candidate")
    assert desk.register("same evidence", recipe="recipe", run="churn-2") == ("churn@2", "candidate")
    assert desk.register("other content", recipe="recipe", refusal="a gate did not pass") == ("churn@3", "refused")
    desk.inputs["bundle"] = desk.file(b"another champion's")
    assert desk.register("another's content", recipe="recipe") == ("churn@4", "candidate")


def test_a_refused_model_is_kept_with_its_reasons(desk: Desk) -> None:
    assert desk.register(verdicts=verdicts(True, False)) == ("churn@1", "refused")
    version = Registry(desk.redis, desk.settings).get("churn@1")
    assert version.reasons == ("gate 1 says False",)
    assert version.verdicts is not None


def test_passed_verdicts_make_a_candidate(desk: Desk) -> None:
    assert desk.register(verdicts=verdicts(True, True)) == ("churn@1", "candidate")


def test_a_run_that_is_refused_elsewhere_registers_no_candidate(desk: Desk) -> None:
    assert desk.register(refusal="a person said no") == ("churn@1", "refused")
    assert Registry(desk.redis, desk.settings).get("churn").reasons == ("a person said no",)
