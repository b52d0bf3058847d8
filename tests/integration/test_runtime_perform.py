"""Performing: a claimed stage is run, recorded once under its family, found again, limited and stopped."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
import redis as redis_py

from orchestrator.contracts.calls import ArtifactRef, Code, Gather, Kind, Output, Plan, Policy, StageCall
from orchestrator.contracts.records import RunRecord, StageRecord
from orchestrator.engine.history import History
from orchestrator.engine.ledger import Ledger
from orchestrator.engine.submission import Submission
from orchestrator.settings import Settings
from tests.servers import RedisServer
from tests.waiting import wait_until
from workers.app import Worker
from workers.runtime import patience
from workers.runtime.child import Child
from workers.runtime.nursery import Nursery
from workers.runtime.perform import perform


def probe(identifier: str, **fields: Any) -> StageCall:
    params = {name: fields.pop(name) for name in ("echo", "seconds", "fail") if name in fields}
    return StageCall(id=identifier, task="ops.probe", queue="ops", version=1, params=params, **fields)


@dataclass
class Bench:
    """A child in this process, and everything that its stages need."""

    child: Child
    ledger: Ledger
    history: History
    folder: Path

    def submit(self, *calls: StageCall, new: bool = True, refresh: bool = False) -> str:
        plan = Plan(workflow="w", stages=calls, on_failure="continue")
        skipped = frozenset(call.id for call in calls) if refresh else frozenset()
        return self.ledger.submit(Submission(plan, new=new, refresh=skipped)).run

    def perform(self, run: str, *stages: str) -> None:
        perform(self.child, run, list(stages), "0")

    def stage(self, run: str, stage: str) -> StageRecord:
        record = self.record(run).stage(stage)
        assert record is not None
        return record

    def record(self, run: str) -> RunRecord:
        record = self.history.snapshot(run)
        assert record is not None
        return record

    def log_of(self, run: str, stage: str) -> str:
        ref = self.stage(run, stage).log
        return "" if ref is None else self.child.store.read(ref).decode()

    def custom(self, identifier: str, source: str, entry: str = "team:stage", **fields: Any) -> StageCall:
        archive = self.folder / f"{identifier}.zip"
        with zipfile.ZipFile(archive, "w") as target:
            target.writestr(zipfile.ZipInfo("team.py"), source)
        code = Code(
            snapshot=self.child.store.put_file(archive, Kind.FILE), entry=entry, requires=fields.pop("requires", ())
        )
        return StageCall(id=identifier, task="custom", queue="prep", version=1, code=code, **fields)


@pytest.fixture(scope="module")
def nursery() -> Iterator[Nursery]:
    """A process that forks guests; started, not forked, since the tests' process has threads."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours:
        with theirs:
            command = [sys.executable, "-P", "-m", "workers.runtime.nursery", str(theirs.fileno())]
            process = subprocess.Popen(command, pass_fds=(theirs.fileno(),))
        yield Nursery(ours)
    assert process.wait(10) == 0


@pytest.fixture
def bench(settings: Settings, redis: redis_py.Redis, tmp_path: Path, nursery: Nursery) -> Iterator[Bench]:
    settings = settings.model_copy(update={"heartbeat_s": 0.1, "lease_s": 5.0})
    child = Worker(settings, "ops", 1, nursery).child
    handlers = {number: signal.getsignal(number) for number in (signal.SIGUSR2, signal.SIGTERM)}
    yield Bench(child, Ledger(redis, settings), History(redis, settings.namespace), tmp_path)
    child.close()
    for number, handler in handlers.items():
        signal.signal(number, handler)


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
    error = bench.stage(run, "a").error
    assert error is not None


def test_a_run_that_is_cancelled_stops_its_stage(bench: Bench) -> None:
    run = bench.submit(probe("a", seconds=60))
    cancelling = threading.Thread(
        target=lambda: wait_until(lambda: bench.stage(run, "a").state == "running") and bench.ledger.cancel(run, "me")
    )
    cancelling.start()
    begun = time.monotonic()
    bench.perform(run, "a")
    cancelling.join()
    assert time.monotonic() - begun < 5
    assert bench.stage(run, "a").state == "cancelled"
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
    error = bench.stage(run, "a").error
    assert error is not None
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


# — guests


def test_a_guest_runs_a_teams_stage_on_tables(bench: Bench) -> None:
    source = """
import pandas as pd
from workers import stage

@stage("make")
def make(*, rows: int) -> pd.DataFrame:
    print("making", rows)
    return pd.DataFrame({"x": range(rows)})

@stage("double")
def double(table: pd.DataFrame, *, by: float = 2) -> pd.DataFrame:
    return table.assign(y=table["x"] * by)
"""
    made = bench.custom("make", source, "team:make", params={"rows": 3})
    doubled = bench.custom(
        "double", source, "team:double", inputs={"table": Output(stage="make", output="result")}, after=("make",)
    )
    run = bench.submit(made, doubled)
    bench.perform(run, "make")
    bench.perform(run, "double")
    from workers.runtime.tables import read_table

    record = bench.stage(run, "double")
    assert record.error is None
    assert read_table(bench.child.store.fetch(record.outputs["result"]))["y"].tolist() == [0.0, 2.0, 4.0]
    assert "making 3" in bench.log_of(run, "make")


def test_two_versions_of_a_module_never_meet_and_guests_stay_warm(bench: Bench) -> None:
    source = "import os\ndef stage(*, n: int) -> dict:\n    return {'version': %d, 'pid': os.getpid()}\n"
    calls = [bench.custom(f"v{v}n{n}", source % v, params={"n": n}) for n in (1, 2) for v in (1, 2)]
    run = bench.submit(*calls)
    bench.perform(run, *(call.id for call in calls))
    import json

    left = {call.id: json.loads(bench.child.store.read(bench.stage(run, call.id).outputs["result"])) for call in calls}
    assert [left[f"v{v}n1"]["version"] for v in (1, 2)] == [1, 2]
    assert left["v1n1"]["pid"] == left["v1n2"]["pid"]
    assert left["v1n1"]["pid"] != left["v2n1"]["pid"]


def test_a_teams_exception_shows_its_line(bench: Bench) -> None:
    run = bench.submit(bench.custom("a", "def stage():\n    print('before')\n    return {}['zip']\n"))
    bench.perform(run, "a")
    error = bench.stage(run, "a").error
    assert error is not None
    assert (error.family, error.message) == ("user", "KeyError: 'zip' (team.py:3)")
    assert error.frames == ("team.py:3 in stage: return {}['zip']",)
    log = bench.log_of(run, "a")
    assert "before" in log
    assert "KeyError: 'zip'" in log
    assert "execute.py" not in log


def test_a_killed_guest_is_a_death_of_its_worker_and_no_fault_of_the_stage(bench: Bench) -> None:
    run = bench.submit(bench.custom("a", "import os, signal\ndef stage(): os.kill(os.getpid(), signal.SIGKILL)\n"))
    bench.perform(run, "a")
    stage = bench.stage(run, "a")
    assert (stage.state, stage.deaths, stage.error) == ("ready", 1, None)
    for _ in range(bench.child.settings.max_deaths - 1):
        bench.perform(run, "a")
    error = bench.stage(run, "a").error
    assert error is not None
    assert error.family == "poison"


@pytest.mark.parametrize(
    ("body", "family", "message"),
    [
        ("import os; os._exit(7)", "user", "ended with exit code 7"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "user", "was killed by SIGSEGV"),
        ("import sys; sys.exit(2)", "user", "the code called sys.exit(2)"),
        ("return object()", "user", "output result cannot be kept"),
        ("import nowhere", "user", "ModuleNotFoundError: No module named 'nowhere' (team.py:2)"),
    ],
)
def test_rough_code_is_survived(bench: Bench, body: str, family: str, message: str) -> None:
    run = bench.submit(bench.custom("a", f"def stage():\n    {body}\n"), bench.custom("b", "def stage(): return 1\n"))
    bench.perform(run, "a", "b")
    error = bench.stage(run, "a").error
    assert error is not None
    assert error.family == family
    assert message in error.message
    assert bench.stage(run, "b").state == "done"


def test_forks_and_threads_left_behind_are_ended(bench: Bench) -> None:
    forked = """
import os, time
def stage():
    pid = os.fork()
    if pid == 0:
        time.sleep(600)
    return pid
"""
    copied = "import os\ndef stage():\n    os.fork()\n    return 5\n"
    threads = """
import threading, time
def stage():
    threading.Thread(target=time.sleep, args=(600,)).start()
    return 1
"""
    run = bench.submit(bench.custom("f", forked), bench.custom("c", copied), bench.custom("t", threads))
    bench.perform(run, "f", "c", "t")
    assert [bench.stage(run, one).state for one in "fct"] == ["done", "done", "done"]
    pid = int(bench.child.store.read(bench.stage(run, "f").outputs["result"]))
    wait_until(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)


def test_requirements_are_checked_before_the_code(bench: Bench) -> None:
    run = bench.submit(bench.custom("a", "import no_such\ndef stage(): return 1\n", requires=("no-such>=1",)))
    bench.perform(run, "a")
    error = bench.stage(run, "a").error
    assert error is not None
    assert error.family == "requires"
    assert "requires no-such>=1" in error.message


def test_secrets_reach_the_code_and_no_log(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEAM_TOKEN", "s3cr3t-value")
    source = "def stage(*, token: str):\n    print('token', token)\n    raise ValueError(token)\n"
    run = bench.submit(bench.custom("a", source, params={"token": {"secret": "TEAM_TOKEN"}}))
    bench.perform(run, "a")
    error = bench.stage(run, "a").error
    assert error is not None
    assert "ValueError: •••" in error.message
    assert "s3cr3t" not in error.model_dump_json() + bench.log_of(run, "a") + str(bench.history.live_log(run))


STUBBORN = """
import signal, time
def stage():
    for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    time.sleep(600)
"""
HOLDS_THE_LOCK = "import ctypes\ndef stage():\n    ctypes.PyDLL(None).sleep(600)\n"


@pytest.mark.parametrize("source", [STUBBORN, HOLDS_THE_LOCK], ids=["stubborn", "holds the lock"])
def test_the_hard_limit_ends_the_guest_not_the_child(bench: Bench, source: str) -> None:
    run = bench.submit(
        bench.custom("a", source, policy=Policy(timeout_s=2.0)), bench.custom("b", "def stage(): return 1\n")
    )
    bench.perform(run, "a", "b")
    error = bench.stage(run, "a").error
    assert error is not None
    assert error.family == "timeout"
    assert "ran longer than its limit of 2 s" in error.message
    assert bench.stage(run, "b").state == "done"


def test_the_soft_limit_lets_a_guest_clean_up(bench: Bench) -> None:
    source = "import time\ndef stage():\n    try:\n        time.sleep(600)\n    finally:\n        print('cleaned up')\n"
    run = bench.submit(bench.custom("a", source, policy=Policy(soft_timeout_s=2.0)))
    bench.perform(run, "a")
    error = bench.stage(run, "a").error
    assert error is not None
    assert error.family == "timeout"
    assert "cleaned up" in bench.log_of(run, "a")


def test_the_memory_limit_ends_the_guest(bench: Bench) -> None:
    source = "import time\ndef stage():\n    kept = bytearray(400 << 20)\n    time.sleep(600)\n"
    run = bench.submit(bench.custom("a", source, policy=Policy(memory_mb=300)))
    bench.perform(run, "a")
    error = bench.stage(run, "a").error
    assert error is not None
    assert error.family == "memory"
    assert "its limit is 300 MB" in error.message


def test_cancel_ends_a_guests_stage(bench: Bench) -> None:
    run = bench.submit(bench.custom("a", "import time\ndef stage():\n    time.sleep(600)\n"))
    cancelling = threading.Thread(
        target=lambda: wait_until(lambda: bench.stage(run, "a").state == "running") and bench.ledger.cancel(run, "me")
    )
    cancelling.start()
    begun = time.monotonic()
    bench.perform(run, "a")
    cancelling.join()
    assert time.monotonic() - begun < 10
    assert bench.stage(run, "a").state == "cancelled"


def test_the_ledgers_password_is_no_business_of_guests(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CYCLERY_REDIS_URL", "redis://:password@host/0")
    run = bench.submit(
        bench.custom("a", "import os\ndef stage(): return os.environ.get('CYCLERY_REDIS_URL', 'none')\n")
    )
    bench.perform(run, "a")
    assert bench.child.store.read(bench.stage(run, "a").outputs["result"]) == b'"none"'


def test_without_a_nursery_a_guest_is_a_new_interpreter(bench: Bench) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    theirs.close()
    with ours:
        bench.child.nursery = Nursery(ours)
        run = bench.submit(bench.custom("a", "import sys\ndef stage(): return 'pandas' in sys.modules\n"))
        bench.perform(run, "a")
    assert bench.stage(run, "a").error is None
    assert bench.child.store.read(bench.stage(run, "a").outputs["result"]) == b"false"


def test_a_guest_ends_with_the_process_that_asked_for_it(nursery: Nursery) -> None:
    code = """
import os, socket, sys
from workers.runtime.nursery import Nursery
requests, theirs = (socket.socket(fileno=int(number)) for number in sys.argv[1:])
sys.stdout.write(str(Nursery(requests).start(theirs, dict(os.environ), 1).pid))
"""
    ours, theirs = socket.socketpair()
    with ours, theirs:  # open: the guest does not see the end by itself
        numbers = (nursery.requests.fileno(), theirs.fileno())
        command = [sys.executable, "-c", code, *map(str, numbers)]
        guest = int(subprocess.run(command, pass_fds=numbers, stdout=subprocess.PIPE, check=True).stdout)
        wait_until(lambda: not psutil.pid_exists(guest))


def test_a_flood_of_output_neither_stalls_nor_fills(bench: Bench) -> None:
    source = "def stage():\n    for n in range(300_000):\n        print(n, 'x' * 93)\n    print('the end')\n"
    run = bench.submit(bench.custom("a", source))
    bench.perform(run, "a")
    record = bench.stage(run, "a")
    assert record.state == "done"
    assert record.log is not None
    assert record.log.size < 6_000_000
    assert bench.log_of(run, "a").endswith("the end\n")
    shown = [entry["line"] for _, entry in bench.history.live_log(run)]
    assert 0 < sum(map(len, shown)) < 5_000_000
