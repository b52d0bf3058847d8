"""Manifests of ended runs in the store."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.contracts.errors import InvalidInput, RecordConflict, RecordDamaged
from orchestrator.contracts.records import RunRecord
from orchestrator.contracts.status import RunStatus
from orchestrator.store.artifacts import ArtifactStore
from orchestrator.store.manifests import manifests, read_manifest, write_manifest


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(str(tmp_path / "store"), tmp_path / "cache", 2**30)


def record(run: str = "churn-1", **more: object) -> RunRecord:
    given = {"workflow": "churn", "status": RunStatus.SUCCEEDED, "created": 1.0, "plan_digest": "d", "plan_version": 1}
    return RunRecord.model_validate({"run": run, **given, **more})


def test_a_manifest_comes_back_as_it_was(store: ArtifactStore) -> None:
    assert read_manifest(store, "churn-1") is None
    assert write_manifest(store, record(finished=2.5)) == "manifests/churn-1.json"
    assert read_manifest(store, "churn-1") == record(finished=2.5)


def test_each_generation_has_its_own_and_the_latest_is_read(store: ArtifactStore) -> None:
    for generation in (1, 2, 3):
        write_manifest(store, record(generation=generation, finished=float(generation)))
    latest, second = read_manifest(store, "churn-1"), read_manifest(store, "churn-1", generation=2)
    assert (latest and latest.generation, second and second.generation) == (3, 2)
    assert read_manifest(store, "churn-1", generation=4) is None


def test_writing_again_is_harmless_and_rewriting_history_is_not(store: ArtifactStore) -> None:
    write_manifest(store, record(position="5-0"))
    write_manifest(store, record(position="9-0"))
    assert read_manifest(store, "churn-1") == record(position="5-0")
    with pytest.raises(RecordConflict):
        write_manifest(store, record(status=RunStatus.FAILED))


def test_a_damaged_manifest_is_named_and_not_written_over(store: ArtifactStore) -> None:
    store.put_record("manifests/churn-1.json", b"{")
    for use in (lambda: read_manifest(store, "churn-1"), lambda: write_manifest(store, record())):
        with pytest.raises(RecordDamaged, match=r"manifest of churn-1 .*: put it back from a backup"):
            use()
    assert store.get_record("manifests/churn-1.json") == b"{"


def test_runs_are_listed_once(store: ArtifactStore) -> None:
    for run, generation in (("b.v2-1", 1), ("a-1", 1), ("a-1", 2)):
        write_manifest(store, record(run, generation=generation))
    assert list(manifests(store)) == ["a-1", "b.v2-1"]


def test_a_name_that_leads_elsewhere_is_refused(store: ArtifactStore) -> None:
    with pytest.raises(InvalidInput, match="cyclery runs"):
        read_manifest(store, "../../etc/passwd")


def test_a_manifest_of_a_newer_version_is_refused(store: ArtifactStore) -> None:
    write_manifest(store, record(version=99))
    with pytest.raises(InvalidInput, match="newer version"):
        read_manifest(store, "churn-1")
