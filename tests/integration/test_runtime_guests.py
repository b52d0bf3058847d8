"""Guests: a team's code runs in a process of its own, which is kept warm, limited, stopped and told no secret."""

from __future__ import annotations

import socket
import subprocess
import sys

import psutil
import pytest

from orchestrator.contracts.calls import Gather, Output, Policy
from tests.integration.runtime_case import Bench, bench, nursery
from tests.waiting import wait_until
from workers.runtime.nursery import Nursery

__all__ = ["bench", "nursery"]  # fixtures


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


def test_what_came_of_some_is_never_taken_for_what_comes_of_all(bench: Bench) -> None:
    away, told = bench.folder / "away", bench.folder / "told"
    source = f"""
from pathlib import Path

def part(*, n: int) -> dict:
    if n == 2 and Path({str(away)!r}).exists():
        raise RuntimeError("the licence server is away")
    return {{"n": n}}

def join(parts: list[dict]) -> dict:
    return {{"parts": len(parts)}}

def tell(joined: dict) -> dict:
    with Path({str(told)!r}).open("a") as log:
        log.write(f"{{joined['parts']}}\\n")
    return joined
"""
    parts = [
        bench.custom(f"p{n}", source, "team:part", params={"n": n}, key=f"p{n}", purity="pure",
                     policy=Policy(tolerate=True, attempts=1))
        for n in (1, 2)
    ]  # fmt: skip
    gathered = {"parts": Gather(stages=("p1", "p2"), output="result")}
    some = Policy(min_success=1)
    join = bench.custom("join", source, "team:join", inputs=gathered, key="join", purity="pure", policy=some)
    joined = {"joined": Output(stage="join", output="result")}
    tell = bench.custom("tell", source, "team:tell", inputs=joined, key="tell", purity="effect")
    calls = (*parts, join, tell)

    def again() -> tuple[str, list[str]]:
        run = bench.submit(*calls)
        return run, [stage.id for stage in bench.record(run).stages if stage.state != "done"]

    def perform(run: str, *stages: str) -> None:
        for stage in stages:
            bench.perform(run, stage)

    away.touch()
    for expected in (["p1", "p2", "join", "tell"], ["p2", "join", "tell"]):
        run, left = again()
        assert left == expected
        perform(run, *left)
        assert bench.stage(run, "p2").state == "failed"
        assert told.read_text().split() == ["1"]  # the second time the effect had been applied
    away.unlink()
    run, left = again()
    perform(run, "p2")
    bench.ledger.cancel(run, "me")  # before anything is made of it
    run, left = again()
    assert left == ["join", "tell"]
    perform(run, "join")
    bench.ledger.cancel(run, "me")  # before anything is made of what it joined
    run, left = again()
    assert left == ["tell"]
    perform(run, *left)
    assert told.read_text().split() == ["1", "2"]
    assert again()[1] == []


def test_what_a_stage_forgets_is_done_again(bench: Bench) -> None:
    source = "def stage(*, n: int, context) -> dict:\n    if n == 2:\n        context.forget()\n    return {'n': n}\n"
    calls = [bench.custom(f"p{n}", source, "team:stage", params={"n": n}, key=f"k{n}", purity="pure") for n in (1, 2)]
    for left in (["p1", "p2"], ["p2"]):
        run = bench.submit(*calls)
        assert [stage.id for stage in bench.record(run).stages if stage.state != "done"] == left
        for stage in left:
            bench.perform(run, stage)
            assert (bench.stage(run, stage).state, bench.stage(run, stage).cached) == ("done", False)


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
    error = bench.error_of(run, "a")
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
    error = bench.error_of(run, "a")
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
    error = bench.error_of(run, "a")
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
    error = bench.error_of(run, "a")
    assert error.family == "requires"
    assert "requires no-such>=1" in error.message


def test_secrets_reach_the_code_and_no_log(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEAM_TOKEN", "s3cr3t-value")
    source = "def stage(*, token: str):\n    print('token', token)\n    raise ValueError(token)\n"
    run = bench.submit(bench.custom("a", source, params={"token": {"secret": "TEAM_TOKEN"}}))
    bench.perform(run, "a")
    error = bench.error_of(run, "a")
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
    error = bench.error_of(run, "a")
    assert error.family == "timeout"
    assert "ran longer than its limit of 2 s" in error.message
    assert bench.stage(run, "b").state == "done"


def test_the_soft_limit_lets_a_guest_clean_up(bench: Bench) -> None:
    source = "import time\ndef stage():\n    try:\n        time.sleep(600)\n    finally:\n        print('cleaned up')\n"
    run = bench.submit(bench.custom("a", source, policy=Policy(soft_timeout_s=2.0)))
    bench.perform(run, "a")
    error = bench.error_of(run, "a")
    assert error.family == "timeout"
    assert "cleaned up" in bench.log_of(run, "a")


def test_the_memory_limit_ends_the_guest(bench: Bench) -> None:
    source = "import time\ndef stage():\n    kept = bytearray(400 << 20)\n    time.sleep(600)\n"
    run = bench.submit(bench.custom("a", source, policy=Policy(memory_mb=300)))
    bench.perform(run, "a")
    error = bench.error_of(run, "a")
    assert error.family == "memory"
    assert "its limit is 300 MB" in error.message


def test_cancel_ends_a_guests_stage(bench: Bench) -> None:
    run = bench.submit(bench.custom("a", "import time\ndef stage():\n    time.sleep(600)\n"))
    bench.perform_cancelled(run, "a")


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
