"""The host's cache: built once by whoever is first, bounded, whole files only."""

from __future__ import annotations

import errno
import fcntl
import multiprocessing
import os
import threading
import time
from pathlib import Path

import pytest

from orchestrator.contracts.errors import Unreachable
from orchestrator.store.cache import HostCache
from orchestrator.store.locks import file_lock


@pytest.fixture
def cache(tmp_path: Path) -> HostCache:
    return HostCache(tmp_path, 10_000, grace_s=0)


def age(path: Path, seconds: float) -> None:
    """As if the file had been used so long ago."""
    then = time.time() - seconds
    os.utime(path, (then, then))


def derive(cache: HostCache, key: str, size: int = 3000) -> Path:
    def build(path: Path) -> None:
        path.write_bytes(bytes(size))

    return cache.derived(key, build)


def test_a_derived_file_is_built_once_per_key(cache: HostCache) -> None:
    built: list[str] = []

    def build(path: Path) -> None:
        built.append(path.name)
        path.write_text("content")

    first = cache.derived("matrix/1", build)
    assert cache.derived("matrix/1", build) == first
    assert first.read_text() == "content"
    assert cache.derived("matrix/2", build) != first
    assert len(built) == 2


def test_a_build_that_fails_leaves_nothing_and_is_tried_again(cache: HostCache, tmp_path: Path) -> None:
    def fail(path: Path) -> None:
        path.write_text("half")
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        cache.derived("k", fail)
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and path.parent.name != "locks"]
    assert derive(cache, "k").stat().st_size == 3000


def test_a_full_disk_is_said_in_one_line(cache: HostCache) -> None:
    def fill(path: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(Unreachable, match="CYCLERY_CACHE"):
        cache.derived("k", fill)


def test_a_build_may_derive_another_file(cache: HostCache) -> None:
    def outer(path: Path) -> None:
        path.write_bytes(derive(cache, "inner", 10).read_bytes() * 2)

    assert cache.derived("outer", outer).stat().st_size == 20


def test_the_least_recently_used_goes_first(cache: HostCache) -> None:
    paths = [derive(cache, key) for key in "abc"]
    for path, seconds in zip(paths, (30, 20, 10), strict=True):
        age(path, seconds)
    derive(cache, "a")  # used again
    new = derive(cache, "d")
    assert [path.exists() for path in paths] == [True, False, False]
    assert new.exists()


def test_what_was_used_within_the_grace_stays_whatever_the_bound(tmp_path: Path) -> None:
    cache = HostCache(tmp_path, 1000, grace_s=60)
    old = derive(cache, "old")
    age(old, 120)
    paths = [derive(cache, key) for key in "abc"]
    assert all(path.exists() for path in paths)
    assert not old.exists()


def test_a_file_that_is_open_is_readable_after_its_eviction(cache: HostCache) -> None:
    path = derive(cache, "mapped")
    age(path, 30)
    with path.open("rb") as opened:
        for key in "abcd":
            derive(cache, key)
        assert not path.exists()
        assert len(opened.read()) == 3000


def test_a_damaged_note_of_usage_is_counted_again(cache: HostCache, tmp_path: Path) -> None:
    for key in "ab":
        age(derive(cache, key), 30)
    (tmp_path / "usage").write_text("")
    for key in "cd":
        derive(cache, key)
    assert int((tmp_path / "usage").read_text()) == sum(path.stat().st_size for path in tmp_path.glob("derived/*/*"))


def _race(root: Path, gate: object, log: Path) -> None:
    cache = HostCache(root, 10_000)

    def build(path: Path) -> None:
        with log.open("a") as sink:
            sink.write("built\n")
        path.write_bytes(os.urandom(3000))

    gate.wait()  # type: ignore[attr-defined]
    for number in range(20):
        assert cache.derived(f"k{number}", build).stat().st_size == 3000


def test_processes_that_race_build_each_file_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    gate = context.Barrier(3)
    processes = [context.Process(target=_race, args=(tmp_path / "cache", gate, tmp_path / "log")) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert (tmp_path / "log").read_text().count("built") == 20


def test_what_another_process_is_making_is_not_waited_for_unless_asked(cache: HostCache) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def build(path: Path) -> None:
        begun.set()
        assert go_on.wait(30)
        path.write_text("made by the other")

    other = threading.Thread(target=cache.derived, args=("k", build))
    other.start()
    assert begun.wait(30)
    assert cache.derived_unless_busy("k", lambda _: pytest.fail("made twice")) is None
    assert cache.derived_unless_busy("free", Path.touch) is not None
    go_on.set()
    other.join()
    found = cache.derived_unless_busy("k", lambda _: pytest.fail("made twice"))
    assert found is not None
    assert found.read_text() == "made by the other"


def test_a_lock_is_exclusive_and_leaves_no_file(tmp_path: Path) -> None:
    inside, worst = 0, 0

    def enter() -> None:
        nonlocal inside, worst
        for _ in range(50):
            with file_lock(tmp_path / "lock"):
                inside += 1
                worst = max(worst, inside)
                inside -= 1

    threads = [threading.Thread(target=enter) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert worst == 1
    assert not list(tmp_path.iterdir())


def test_what_nobody_used_for_long_is_cleaned(cache: HostCache, tmp_path: Path) -> None:
    for name in ("code/old", "code/new", "code/x.1.tmp"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "a.py").write_text("")
    (tmp_path / "tmp").mkdir()
    (tmp_path / "tmp/half").write_text("")
    for name in ("code/old", "code/x.1.tmp", "tmp/half"):
        age(tmp_path / name, 40 * 86400)
    assert cache.clean(older_than_s=86400) == 3
    assert {path.name for path in tmp_path.rglob("*")} == {"tmp", "code", "new", "a.py"}


def test_a_lock_waited_for_on_a_file_that_its_holder_removed_is_taken_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, lock, removed = tmp_path / "lock", fcntl.flock, []

    def holder_leaves_meanwhile(descriptor: int, how: int) -> None:
        if not removed:
            removed.append(path.unlink())
        lock(descriptor, how)

    monkeypatch.setattr(fcntl, "flock", holder_leaves_meanwhile)
    with file_lock(path), path.open("rb") as other, pytest.raises(BlockingIOError):
        lock(other.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
