"""One behavioural suite over every kind of store: a local folder, and a bucket behind a real S3 server."""

from __future__ import annotations

import os
import signal
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.contracts.calls import ArtifactRef, Kind
from orchestrator.contracts.errors import ArtifactCorrupt, ArtifactMissing, InvalidInput, RecordConflict, Unreachable
from orchestrator.contracts.values import digest_of
from orchestrator.settings import Settings
from orchestrator.store import artifacts
from orchestrator.store.artifacts import ArtifactStore, open_store
from tests.servers import S3Server

Open = Callable[[str], ArtifactStore]
"""Opens the one store of a test from a host with the cache folder of this name."""


@pytest.fixture(params=["local", "s3"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    if request.param == "local":
        return lambda host: ArtifactStore(str(tmp_path / "store"), tmp_path / host, 2**30)
    server: S3Server = request.getfixturevalue("s3_server")
    url = f"{server.url}/{uuid.uuid4().hex}"
    return lambda host: ArtifactStore(url, tmp_path / host, 2**30, s3_config(server))


@pytest.fixture
def store(opened: Open) -> ArtifactStore:
    return opened("here")


def s3_config(server: S3Server) -> dict[str, str]:
    return {
        "endpoint": server.endpoint,
        "access_key_id": "test",
        "secret_access_key": "test",
        "region": "us-east-1",
    }


def absent() -> ArtifactRef:
    return ArtifactRef(kind=Kind.FILE, digest=digest_of(uuid.uuid4().hex), size=1)


def test_bytes_come_back_on_another_host_under_their_digest(opened: Open) -> None:
    ref = opened("here").put_bytes(b"a table", Kind.TABLE, rows=3)
    assert ref == ArtifactRef(kind=Kind.TABLE, digest=ref.digest, size=7, rows=3)
    assert opened("there").read(ref) == b"a table"
    assert opened("there").fetch(ref).read_bytes() == b"a table"


def test_the_same_bytes_are_kept_once(store: ArtifactStore) -> None:
    first, second = store.put_bytes(b"same", Kind.JSON), store.put_bytes(b"same", Kind.JSON)
    assert first == second
    assert [(found.digest, found.size) for found in store.digests()] == [(first.digest, 4)]
    assert all(abs(found.written - time.time()) < 60 for found in store.digests())


@pytest.mark.parametrize("size", [0, 10, artifacts.WHOLE, 2 * artifacts.PIECE + 5])
def test_files_of_every_length(opened: Open, tmp_path: Path, size: int) -> None:
    source = tmp_path / "source"
    source.write_bytes(os.urandom(size))
    ref = opened("here").put_file(source, Kind.FILE)
    assert ref.size == size
    assert opened("here").put_file(source, Kind.FILE, durable=True) == ref
    assert opened("there").fetch(ref).read_bytes() == source.read_bytes()


def test_durable_bytes_are_flushed_before_they_are_promised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed: list[str] = []
    sync = os.fsync

    def watch(descriptor: int) -> None:
        flushed.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", watch)
    store = ArtifactStore(str(tmp_path / "store"), tmp_path / "cache", 2**30)
    store.put_bytes(b"a result", Kind.JSON)
    assert flushed == []
    path = store.fetch(store.put_bytes(b"a source", Kind.FILE, durable=True))
    store.put_record("audit/1.json", b"{}")
    assert flushed == [str(path), str(path.parent), str(tmp_path / "store/audit/1.json"), str(tmp_path / "store/audit")]


def test_missing_artifacts_are_named(store: ArtifactStore) -> None:
    ref = absent()
    assert not store.has(ref.digest)
    with pytest.raises(ArtifactMissing, match=ref.digest) as raised:
        store.fetch(ref)
    assert raised.value.digest == ref.digest


def test_a_deleted_artifact_is_gone_and_may_be_deleted_again(opened: Open) -> None:
    store = opened("here")
    ref = store.put_bytes(b"short-lived", Kind.FILE)
    assert store.has(ref.digest)
    store.delete(ref.digest)
    store.delete(ref.digest)
    assert not store.has(ref.digest)
    with pytest.raises(ArtifactMissing):
        opened("there").fetch(ref)


def test_a_reference_with_another_size_is_refused(opened: Open) -> None:
    ref = opened("here").put_bytes(b"right", Kind.FILE)
    with pytest.raises(ArtifactCorrupt, match=ref.digest):
        opened("there").fetch(ref.model_copy(update={"size": 4}))


def test_a_damaged_artifact_is_named_counts_as_missing_and_heals(opened: Open) -> None:
    ref = opened("here").put_bytes(b"precious", Kind.FILE)
    damage(opened("here"), ref, b"precioux")
    store = opened("there")
    with pytest.raises(ArtifactCorrupt, match=ref.digest):
        store.fetch(ref)
    assert not store.has(ref.digest)
    store.put_bytes(b"precious", Kind.FILE)
    assert store.has(ref.digest)
    assert opened("third").read(ref) == b"precious"


def test_a_long_artifact_found_damaged_is_missing_for_every_process(opened: Open, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(os.urandom(artifacts.WHOLE + 1))
    ref = opened("here").put_file(source, Kind.TABLE)
    damage(opened("here"), ref, bytes(ref.size))
    with pytest.raises(ArtifactCorrupt, match=ref.digest):
        opened("there").fetch(ref)
    assert not opened("third").has(ref.digest)
    opened("third").put_file(source, Kind.TABLE)
    assert opened("fourth").fetch(ref).read_bytes() == source.read_bytes()


def test_a_hosts_copy_that_rots_is_fetched_again(s3_server: S3Server, tmp_path: Path) -> None:
    def process() -> ArtifactStore:
        return ArtifactStore(f"{s3_server.url}/rot", tmp_path / "cache", 2**30, s3_config(s3_server))

    ref = process().put_bytes(b"precious", Kind.FILE)
    process().fetch(ref).write_bytes(b"precioux")
    assert process().read(ref) == b"precious"


def test_an_artifact_cut_short_heals_wherever_it_is_put_again(opened: Open) -> None:
    ref = opened("here").put_bytes(b"precious", Kind.FILE)
    damage(opened("here"), ref, b"pre")
    opened("there").put_bytes(b"precious", Kind.FILE)
    assert opened("third").read(ref) == b"precious"


def damage(store: ArtifactStore, ref: ArtifactRef, data: bytes) -> None:
    """What a failing disk does; no verb of ours can."""
    store._objects.replace(artifacts._path(ref.digest), data)


def test_records_are_written_once(store: ArtifactStore) -> None:
    assert store.get_record("manifests/churn-1.json") is None
    assert store.put_record("manifests/churn-1.json", b"{}") is True
    assert store.put_record("manifests/churn-1.json", b"{}") is False
    with pytest.raises(RecordConflict, match=r"manifests/churn-1\.json"):
        store.put_record("manifests/churn-1.json", b"[]")
    assert store.get_record("manifests/churn-1.json") == b"{}"


def test_records_are_listed_by_folder(store: ArtifactStore) -> None:
    for name in ("audit/2.json", "audit/1.json", "manifests/a.json"):
        store.put_record(name, b"{}")
    store.put_bytes(b"not a record", Kind.FILE)
    assert list(store.records("audit/")) == ["audit/1.json", "audit/2.json"]
    assert list(store.records("nothing/")) == []


@pytest.mark.parametrize("name", ["plain", "../x/y", "a/../b", "/a/b", "artifacts/sha256/x", "a//b", "a/", "a/.b"])
def test_names_that_lead_elsewhere_are_refused(store: ArtifactStore, name: str) -> None:
    with pytest.raises(InvalidInput, match="record"):
        store.put_record(name, b"")


def test_what_is_no_digest_is_refused(store: ArtifactStore) -> None:
    with pytest.raises(InvalidInput, match="digest"):
        store.has("sha256:../../etc/passwd")


def test_a_file_that_changes_while_it_is_read_leaves_nothing(
    store: ArtifactStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "growing"
    source.write_bytes(os.urandom(artifacts.WHOLE + 1))
    read = artifacts._pieces

    def grow_then_read(path: Path, digest: str) -> object:
        with path.open("ab") as sink:
            sink.write(b"more")
        return read(path, digest)

    monkeypatch.setattr(artifacts, "_pieces", grow_then_read)
    with pytest.raises(InvalidInput, match="changed while"):
        store.put_file(source, Kind.FILE)
    assert list(store.digests()) == []


def test_an_unreadable_file_is_an_input_error(store: ArtifactStore, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="absent"):
        store.put_file(tmp_path / "absent", Kind.FILE)


def test_a_local_store_gives_the_object_itself(tmp_path: Path) -> None:
    store = ArtifactStore(str(tmp_path / "store"), tmp_path / "cache", 2**30)
    path = store.fetch(store.put_bytes(b"x", Kind.FILE))
    assert path.is_relative_to(tmp_path / "store")
    assert not (tmp_path / "cache").exists()


def test_leftovers_of_crashed_writers_are_cleaned(tmp_path: Path) -> None:
    store = ArtifactStore(str(tmp_path / "store"), tmp_path / "cache", 2**30)
    kept = store.put_bytes(b"kept", Kind.FILE)
    object_path = store.fetch(kept)
    leftovers = [object_path.with_name(f"{object_path.name}#1"), tmp_path / "store/tmp/a.1", tmp_path / "cache/tmp/b.2"]
    for path in leftovers:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"half")
    assert store.clean(older_than_s=60) == 0
    assert store.clean(older_than_s=-1) == 3
    assert not any(path.exists() for path in leftovers)
    assert store.read(kept) == b"kept"


def test_a_remote_copy_is_fetched_once_and_again_when_it_is_bad(s3_server: S3Server, tmp_path: Path) -> None:
    store = ArtifactStore(f"{s3_server.url}/{uuid.uuid4().hex}", tmp_path, 2**30, s3_config(s3_server))
    ref = store.put_bytes(b"remote", Kind.FILE)
    copy = store.fetch(ref)
    assert store.fetch(ref).stat().st_ino == copy.stat().st_ino
    copy.write_bytes(b"rem")
    assert store.read(ref) == b"remote"


def test_the_cache_of_a_remote_store_stays_within_its_bound(s3_server: S3Server, tmp_path: Path) -> None:
    store = ArtifactStore(f"{s3_server.url}/{uuid.uuid4().hex}", tmp_path, 10_000, s3_config(s3_server))
    store.cache._grace_s = 0
    refs = [store.put_bytes(os.urandom(3_000), Kind.FILE) for _ in range(6)]
    for ref in refs:
        store.fetch(ref)
    kept = sum(path.stat().st_size for path in (tmp_path / "objects").glob("*/*"))
    assert 0 < kept <= 10_000
    assert all(store.read(ref) for ref in refs)


def test_settings_name_the_remote_store(s3_server: S3Server, settings: Settings) -> None:
    given = {"store": f"{s3_server.url}/named", "store_endpoint": s3_server.endpoint, "store_region": "us-east-1"}
    secrets = {"store_key_id": "test", "store_secret": "test"}
    store = open_store(Settings(**{**settings.model_dump(), **given, **secrets}))
    assert store.read(store.put_bytes(b"x", Kind.FILE)) == b"x"


def test_the_usual_variables_reach_the_remote_store(
    s3_server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in s3_server.environment().items():
        monkeypatch.setenv(name, value)
    store = ArtifactStore(f"{s3_server.url}/environment", tmp_path, 2**30)
    assert store.read(store.put_bytes(b"x", Kind.FILE)) == b"x"


def test_a_store_that_is_away_is_unreachable_in_one_line(s3_server: S3Server, tmp_path: Path) -> None:
    nobody = {**s3_config(s3_server), "endpoint": "http://127.0.0.1:1"}
    with pytest.raises(Unreachable, match=r"^the store s3://cyclery-test/x does not answer .*$") as raised:
        ArtifactStore("s3://cyclery-test/x", tmp_path, 2**30, nobody).put_bytes(b"x", Kind.FILE)
    assert "\n" not in str(raised.value)


def test_a_bucket_that_is_not_there_is_unreachable(s3_server: S3Server, tmp_path: Path) -> None:
    store = ArtifactStore("s3://no-such-bucket", tmp_path, 2**30, s3_config(s3_server))
    with pytest.raises(Unreachable, match="create it"):
        store.put_bytes(b"x", Kind.FILE)
    with pytest.raises(Unreachable, match="create it"):
        store.get_record("manifests/x.json")


def test_a_folder_that_cannot_be_made_is_unreachable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(Unreachable, match="file"):
        ArtifactStore(str(tmp_path / "file"), tmp_path / "cache", 2**30).put_bytes(b"x", Kind.FILE)


def test_an_unknown_kind_of_store_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="ftp"):
        ArtifactStore("ftp://host/x", tmp_path, 2**30)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # that is what this test is about
def test_a_remote_store_refuses_to_hang_after_a_fork(s3_server: S3Server, tmp_path: Path) -> None:
    store = ArtifactStore(f"{s3_server.url}/fork", tmp_path, 2**30, s3_config(s3_server))
    ref = store.put_bytes(b"x", Kind.FILE)
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(10)  # ends a child that hangs
        try:
            store.read(ref)
        except RuntimeError as error:
            os._exit(7 if "forked" in str(error) else 8)
        os._exit(9)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
