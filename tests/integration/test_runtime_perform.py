"""Performing: a claimed stage is run, recorded once under its family, found again, limited and stopped."""

from __future__ import annotations

import os
import re
import signal
import socket
import threading
from pathlib import Path

import pytest

from orchestrator.contracts.calls import ArtifactRef, Gather, Kind, Output, Policy, StageCall
from orchestrator.engine.history import History
from orchestrator.engine.ledger import Ledger
from orchestrator.settings import Settings
from tests.integration.runtime_case import Bench, bench, nursery, probe
from tests.servers import RedisServer
from tests.waiting import wait_until
from workers.app import Worker
from workers.runtime import patience

__all__ = ["bench", "nursery"]  # fixtures


def test_a_chain_passes_artifacts_and_ends(bench: Bench) -> None:
    run = bench.submit(
        probe("a", echo=1),
        probe("b", echo=2),
        probe("c", echo=3, inputs={"before": Gather(stages=("a", "b"), output="echo")}),
    )
    bench.perform(run, "a", "b")
    bench.perform(run, "c")
    done = bench.stage(run, "c")
    assert done.state == "done"
    assert done.attempt == 1
    assert done.worker == bench.child.node
    assert bench.child.store.read(done.outputs["echo"]) == b'{"before":2,"echo":3}'
    assert done.log is None
    assert bench.record(run).status == "succeeded"


def test_a_duplicate_bell_is_dropped(bench: Bench) -> None:
    run = bench.submit(probe("a", echo=1))
    bench.perform(run, "a")
    bench.perform(run, "a", "no such stage")
    assert bench.stage(run, "a").attempt == 1


def test_the_same_content_is_found_again(bench: Bench) -> None:
    first = bench.submit(probe("a", echo=1), probe("b", inputs={"before": Gather(stages=("a",), output="echo")}))
    bench.perform(first, "a")
    bench.perform(first, "b")
    again = bench.submit(
        probe("other", echo=1), probe("late", inputs={"before": Gather(stages=("other",), output="echo")})
    )
    bench.perform(again, "other")
    bench.perform(again, "late")
    late = bench.stage(again, "late")
    assert late.cached
    assert late.outputs == bench.stage(first, "b").outputs
    assert late.seconds == bench.stage(first, "b").seconds


def test_missing_bytes_are_a_miss(bench: Bench) -> None:
    first = bench.submit(probe("a", echo=1))
    bench.perform(first, "a")
    bench.child.store.delete(bench.stage(first, "a").outputs["echo"].digest)
    again = bench.submit(probe("a", echo=1))
    bench.perform(again, "a")
    record = bench.stage(again, "a")
    assert not record.cached
    assert bench.child.store.has(record.outputs["echo"].digest)


def test_a_failure_is_recorded_with_its_log(bench: Bench) -> None:
    run = bench.submit(probe("a", fail="no more soup"))
    bench.perform(run, "a")
    failed = bench.stage(run, "a")
    assert failed.state == "failed"
    assert failed.error is not None
    assert (failed.error.family, failed.error.message) == ("user", "no more soup")
    assert "no more soup" in bench.log_of(run, "a")
    lines = [entry["line"] for _, entry in bench.history.live_log(run)]
    assert any("no more soup" in line for line in lines)


def test_a_missing_input_artifact_fails_in_words(bench: Bench) -> None:
    gone = ArtifactRef(kind=Kind.JSON, digest="sha256:" + "0" * 64, size=2)
    run = bench.submit(StageCall(id="a", task="data.ingest", queue="prep", version=1, inputs={"file": gone}))
    bench.perform(run, "a")
    assert f"artifact {gone.digest} is not in the store" in bench.error_of(run, "a").message


def test_a_run_that_is_cancelled_stops_its_stage(bench: Bench) -> None:
    run = bench.submit(probe("a", seconds=600))  # longer than a test may take
    bench.perform_cancelled(run, "a")
    assert bench.record(run).status == "cancelled"


def test_a_lost_lease_is_not_committed(bench: Bench) -> None:
    run = bench.submit(probe("a", seconds=60))

    def steal() -> None:
        wait_until(lambda: bench.stage(run, "a").state == "running")
        (lease,) = bench.ledger.leases_of(socket.gethostname())
        bench.ledger.bury(lease)

    thief = threading.Thread(target=steal)
    thief.start()
    bench.perform(run, "a")
    thief.join()
    assert bench.stage(run, "a").state == "ready"


def test_the_soft_limit_raises_inside(bench: Bench) -> None:
    run = bench.submit(probe("a", seconds=60, policy=Policy(soft_timeout_s=0.3)))
    bench.perform(run, "a")
    error = bench.error_of(run, "a")
    assert error.family == "timeout"


def test_sigterm_gives_the_stage_back(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    run = bench.submit(probe("a", seconds=60))
    left: list[int] = []
    kill = os.kill

    def told(pid: int, number: int) -> None:
        left.append(number)  # the child's own end, which this process outlives

    def terminate() -> None:
        wait_until(lambda: bench.stage(run, "a").state == "running")
        kill(os.getpid(), signal.SIGTERM)

    terminator = threading.Thread(target=terminate)
    terminator.start()
    monkeypatch.setattr(os, "kill", told)
    bench.perform(run, "a")
    terminator.join()
    assert bench.stage(run, "a").state == "ready"
    assert bench.stage(run, "a").deaths == 0
    assert left == [signal.SIGTERM]


def test_an_outage_while_completing_is_waited_out(settings: Settings, tmp_path: Path) -> None:
    with RedisServerForOne() as server:
        settings = settings.model_copy(update={"redis_url": type(settings.redis_url)(server.url), "heartbeat_s": 0.1})
        child = Worker(settings, "ops", 1).child
        client = server.client()
        bench = Bench(child, Ledger(client, settings), History(client, settings.namespace), tmp_path)
        run = bench.submit(probe("a", seconds=1, echo=1))

        outage_s, over = 1.5, threading.Event()

        def outage() -> None:
            wait_until(lambda: bench.stage(run, "a").state == "running")
            server.kill()
            over.wait(outage_s)  # beyond the end of the stage
            server.start()
            over.wait(60)  # a server that this thread started ends with the thread

        breaking = threading.Thread(target=outage)
        breaking.start()
        bench.perform(run, "a")
        assert bench.stage(run, "a").state == "done"
        over.set()
        breaking.join()
        child.close()
        client.close()


def test_a_store_that_is_away_for_a_moment_is_waited_for(bench: Bench) -> None:
    store = Path(bench.child.settings.store_url)
    store.write_text("in the way")
    back = threading.Timer(1.0, store.unlink)
    back.start()
    run = bench.submit(probe("a", echo=1))
    bench.perform(run, "a")
    back.join()
    done = bench.stage(run, "a")
    assert (done.state, done.attempt, done.error) == ("done", 1, None)


def test_who_waits_for_the_store_hears_of_a_cancel(bench: Bench) -> None:
    bench.perform(bench.submit(probe("a", echo=1)), "a")
    store = Path(bench.child.settings.store_url)
    away = store.rename(store.with_name("away"))
    store.write_text("in the way")  # it is asked for what is cached, before there is a body that could be stopped
    run = bench.submit(probe("b", echo=1))
    threading.Timer(1.0, bench.ledger.cancel, (run, "somebody")).start()
    bench.perform(run, "b")
    assert bench.stage(run, "b").state == "cancelled"
    store.unlink()
    away.rename(store)


def test_an_outage_of_the_store_uses_up_no_attempt(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "WAIT_S", 0.1)
    store = Path(bench.child.settings.store_url)
    store.write_text("in the way")
    run = bench.submit(probe("a", echo=1, policy=Policy(attempts=1, backoff_s=0)))
    for attempt in range(1, 3):
        bench.perform(run, "a")
        away = bench.stage(run, "a")
        assert (away.state, away.attempt) == ("ready", attempt)
        assert away.error is not None
        assert re.fullmatch(r"the store .* see that it is there", away.error.message)
        wait_until(lambda: bench.ledger.repair(10, 0)[0])  # the pause before the next attempt
    store.unlink()
    bench.perform(run, "a")
    assert bench.stage(run, "a").state == "done"


LOSES_THE_STORE = """
import os, pathlib, threading
def stage():
    store = pathlib.Path({store!r})
    away = store.rename(str(store) + ".away")
    store.write_text("in the way")
    def back():
        store.unlink()
        away.rename(store)
    threading.Timer({seconds}, back).start()
    return 1
"""


def test_a_teams_result_waits_for_the_store(bench: Bench) -> None:
    source = LOSES_THE_STORE.format(store=bench.child.settings.store_url, seconds=1)
    run = bench.submit(bench.custom("own", source))
    bench.perform(run, "own")
    done = bench.stage(run, "own")
    assert (done.state, done.attempt) == ("done", 1)
    assert "waiting for it" in bench.log_of(run, "own")


def test_a_teams_result_that_the_store_never_took_uses_up_no_attempt(bench: Bench) -> None:
    """The stage's own limit is for its work: well before it the stage goes back."""
    source = LOSES_THE_STORE.format(store=bench.child.settings.store_url, seconds=5)
    run = bench.submit(bench.custom("own", source, policy=Policy(attempts=1, timeout_s=11)))
    bench.perform(run, "own")
    given_back = bench.stage(run, "own")
    assert given_back.state == "ready"
    assert given_back.error is not None
    assert given_back.error.family == "transient"


def test_an_artifact_that_rotted_is_taken_out_and_named(bench: Bench) -> None:
    run = bench.submit(probe("a", echo=1), probe("b", inputs={"before": Output(stage="a", output="echo")}))
    bench.perform(run, "a")
    ref = bench.stage(run, "a").outputs["echo"]
    rotten = Path(bench.child.store.fetch(ref))
    rotten.write_bytes(b"7" * ref.size)
    bench.perform(run, "b")
    failed = bench.stage(run, "b")
    assert failed.state == "failed"
    assert failed.error is not None
    assert re.search(r"was damaged at .*: `cyclery retry` of the run makes it again", failed.error.message)
    assert not bench.child.store.has(ref.digest)


class RedisServerForOne:
    def __enter__(self) -> RedisServer:
        self.server = RedisServer(appendfsync="always").start()
        return self.server

    def __exit__(self, *_: object) -> None:
        self.server.close()
