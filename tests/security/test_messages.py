"""Messages from somebody who may write to the broker: a worker drops what is no doorbell, says so, and works on."""

from __future__ import annotations

import json
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from orchestrator.contracts.calls import Plan, StageCall
from orchestrator.contracts.tasks import TASKS
from orchestrator.engine.history import History
from orchestrator.engine.ledger import Ledger
from orchestrator.engine.submission import Submission
from orchestrator.settings import Settings
from orchestrator.store.connection import connect
from tests.security import payloads
from tests.security.payloads import call, message
from tests.servers import RedisServer, stop
from tests.waiting import wait_until
from workers.runtime.incoming import NoDoorbell, check_doorbell, check_question

QUEUE = "prep"
MEMORY = 1 << 30  # bytes that a worker's processes may come to hold each: far below any bomb


@dataclass
class Victim:
    """A pool of one process on a Redis that the attacker writes to."""

    settings: Settings
    process: subprocess.Popen[bytes]
    log: Path
    marker: Path
    told: int = field(default=0)  # bytes of the log before the attack

    def __post_init__(self) -> None:
        self.redis = connect(self.settings)
        self.ledger, self.history = Ledger(self.redis, self.settings), History(self.redis, self.settings.namespace)

    def push(self, data: bytes | str) -> None:
        """Put raw bytes into the queue."""
        self.redis.lpush(self.ledger.keys.broker(QUEUE), data)

    def publish(self, channel: str, data: bytes | str) -> None:
        """Say raw bytes on a channel of the broker."""
        self.redis.publish(f"{self.ledger.keys.prefix}{channel}", data)

    def works(self) -> bool:
        """Whether a probe comes back, by the very processes that were there before."""
        task = TASKS["ops.probe"]
        probe = StageCall(
            id="probe", task=task.name, queue=QUEUE, version=task.version, params={"echo": os.urandom(4).hex()}
        )
        run = self.ledger.submit(Submission(Plan(workflow="canary", stages=(probe,)), new=True)).run

        def ended() -> str | None:
            record = self.history.snapshot(run)
            return record.status.value if record is not None and record.status.ended else None

        return wait_until(ended, timeout=90) == "succeeded"

    def mains(self) -> list[int]:
        """The main processes of the pool."""
        return sorted(one.pid for one in psutil.Process(self.process.pid).children())

    def memory(self) -> int:
        """The largest resident memory that one of its processes ever had, bytes."""
        return max((_peak(one.pid) for one in psutil.Process(self.process.pid).children(recursive=True)), default=0)

    def said(self) -> str:
        """What it logged since the attack."""
        return self.log.read_text(errors="replace")[self.told :]


def _peak(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victim]:
    folder = tmp_path_factory.mktemp("victim")
    server = RedisServer().start()
    settings = Settings(redis_url=server.url, namespace="victim", home=folder / "home", store=str(folder / "store"))
    log = folder / "log"
    with log.open("wb") as sink:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "workers.runtime.pools", f"{QUEUE}:1"],
            env={**os.environ, "CYCLERY_REDIS_URL": server.url, "CYCLERY_NAMESPACE": "victim",
                 "CYCLERY_HOME": str(folder / "home"), "CYCLERY_STORE": str(folder / "store")},
            stdout=sink, stderr=sink,
        )  # fmt: skip
    victim = Victim(settings, process, log, folder / "marker")
    try:
        wait_until(lambda: len(victim.history.pools()) == 1, timeout=120)
        assert victim.works()
        yield victim
    finally:
        victim.redis.close()
        stop(process, patience=60)
        server.close()


@pytest.fixture
def victim(running: Victim) -> Iterator[Victim]:
    """Works before and after, in the same processes, not grown, and ran nothing of the attacker's."""
    before = running.mains()
    running.told = len(running.log.read_text(errors="replace"))
    yield running
    assert running.works(), running.said()
    assert running.mains() == before, running.said()
    assert not running.marker.exists()
    assert running.memory() < MEMORY
    assert running.redis.llen(running.ledger.keys.broker(QUEUE)) == 0  # dropped, not put back for ever
    assert running.redis.hlen(running.ledger.keys("unacked")) == 0


SERIALIZERS = {
    "pickle": ("application/x-python-serialize", "binary"),
    "pickle as data": ("application/data", "binary"),
    "yaml": ("application/x-yaml", "utf-8"),
    "msgpack": ("application/x-msgpack", "binary"),
    "unknown": ("application/x-surprise", "binary"),
    "json that is a pickle": ("application/json", "binary"),
}


RAW: dict[str, bytes | str] = {
    "nothing": b"",
    "no JSON": b"\x80\x04garbage",
    "bad UTF-8": b'{"body": "\xff\xfe"}',
    "a list": "[]",
    "a number": "1",
    "null": "null",
    "empty": "{}",
    "deep": payloads.nested(200_000),
    "NaN": '{"body": NaN, "properties": Infinity}',
    "no properties": json.dumps({"body": "x", "headers": {}, "content-type": "application/json"}),
    "no delivery tag": json.dumps(message("[]") | {"properties": {}}),
    "no delivery info": json.dumps(message("[]") | {"properties": {"delivery_tag": "t"}}),
    "properties of another kind": json.dumps(message("[]") | {"properties": [1]}),
    "headers of another kind": json.dumps(message("[]") | {"headers": "x"}),
    "body of another kind": json.dumps(message("[]") | {"body": {"a": 1}}),
    "no base64": json.dumps(message("%%%", properties={"body_encoding": "base64"})),
    "unknown encoding of the body": json.dumps(message("[]", properties={"body_encoding": "rot13"})),
    "unknown charset": json.dumps(message(b"[]", encoding="no-such-charset")),
    "charset that runs": json.dumps(message(b"[]", encoding="zlib_codec")),
}


BODIES: dict[str, str] = {
    "no arguments": call({}),
    "run of another kind": call({"run": ["x"], "stages": ["a"]}),
    "run is null": call({"run": None, "stages": ["a"]}),
    "stages is text": call({"run": "x-000000", "stages": "../../etc/passwd"}),
    "stages is a mapping": call({"run": "x-000000", "stages": {"a": 1}}),
    "stages is a number": call({"run": "x-000000", "stages": 7}),
    "stages of other kinds": call({"run": "x-000000", "stages": [None, 1, {"a": []}, ["b"], True]}),
    "paths": call({"run": "../../../etc", "stages": ["/etc/passwd", "..", "a\u0000b"]}),
    "patterns": call({"run": "*", "stages": ["*", "{victim}:runs"]}),
    "a huge name": call({"run": "r" * 5_000_000, "stages": ["s" * 5_000_000]}),
    "very many stages": call({"run": "x-000000", "stages": ["s"] * 200_000}),
    "more arguments": call({"run": "x-000000", "stages": ["a"], "evil": 1}),
    "positional": call({}, args=["x-000000", ["a"]]),
    "arguments of another kind": json.dumps([1, 2, 3]),
    "body too short": json.dumps([[]]),
    "body is text": json.dumps("x"),
    "deep": json.dumps([[], {"run": "x", "stages": []}, {}])[:-1] + "," + payloads.nested(50_000) + "]",
    "callbacks": json.dumps([[], {"run": "x-000000", "stages": []}, {
        "callbacks": [{"task": "celery.map", "args": [], "kwargs": {}, "options": {}, "subtask_type": None}],
        "errbacks": [{"task": "os.system", "args": ["true"], "kwargs": {}, "options": {}}],
        "chain": [{"task": "os.system", "args": ["true"], "kwargs": {}, "options": {"queue": "prep"}}],
        "chord": {"task": "os.system", "args": [], "kwargs": {}, "options": {}},
    }]),
}  # fmt: skip


def _control(method: Any, **arguments: Any) -> dict[str, Any]:
    body = json.dumps({"method": method, "arguments": arguments, "destination": None, "pattern": None, "matcher": None})
    return message(body, queue="", headers={"clock": 1, "expires": None})


CONTROL: dict[str, Any] = {
    "shutdown": _control("shutdown"),
    "pool_restart": _control("pool_restart", modules=["antigravity"], reload=True),
    "pool_shrink": _control("pool_shrink", n=1),
    "pool_grow": _control("pool_grow", n=200),
    "cancel_consumer": _control("cancel_consumer", queue="prep"),
    "add_consumer": _control("add_consumer", queue="elsewhere"),
    "rate_limit": _control("rate_limit", task_name="ops.probe", rate_limit="1/h"),
    "time_limit": _control("time_limit", task_name="ops.probe", hard=0.01, soft=0.01),
    "revoke": _control("revoke", task_id="x", terminate=True, signal="SIGKILL"),
    "disable_events": _control("disable_events"),
    "autoscale": _control("autoscale", max=0, min=0),
    "no method": _control("no such"),
    "method of another kind": _control({"a": 1}),
    "arguments of another kind": _control("ping", a=[1]),
    "no body": message("[]", queue=""),
}

TASKS_NOT_OURS: list[Any] = [
    "os.system", "builtins.eval", "celery.map", "celery.chunks", "celery.group", "celery.chord_unlock",
    "celery.accumulate", "celery.backend_cleanup", "../../x", "x" * 100_000, "", None, 7, {"a": 1}, ["ops.probe"],
]  # fmt: skip
HEADERS: list[dict[str, Any]] = [
    {"eta": "no time"}, {"eta": "9999-12-31T23:59:59+00:00"}, {"expires": "no time"}, {"expires": {"a": 1}},
    {"timelimit": ["a", {}]}, {"timelimit": 7}, {"timelimit": [0, -1]}, {"timelimit": [0.001, None]},
    {"retries": "x"}, {"retries": 10**30}, {"id": None}, {"id": {"a": 1}}, {"id": "i" * 1_000_000},
    {"stamp": {"a": 1}}, {"stamp": "x" * 10_000}, {"stamped_headers": 7, "stamps": "x"}, {"shadow": {"a": 1}},
]  # fmt: skip
HARMLESS: list[dict[str, Any]] = [  # Celery may have them; they are no more than text to it
    {"id": "../../x"}, {"root_id": 7}, {"stamp": "9" * 40}, {"ignore_result": "x", "replaced_task_nesting": "x"},
    {"origin": 7}, {"argsrepr": 7, "kwargsrepr": {}}, {"group": {"a": 1}, "group_index": "x"},
    {"serializer": "pickle", "accept_content": ["pickle"], "content_type": "application/x-python-serialize"},
]  # fmt: skip
COMPRESSED: list[Any] = ["zlib", "gzip", "application/x-gzip", "bzip2", "xz", "lz4", ["zlib"], {"a": 1}]
DOORBELL = call({"run": "x-000000", "stages": ["a"]})


def evil(name: str, marker: Path) -> dict[str, Any]:
    """A message in another serializer, whose payload makes the marker."""
    content_type, encoding = SERIALIZERS[name]
    body: bytes | str = payloads.evil_yaml(marker) if name == "yaml" else payloads.evil_pickle(marker)
    return message(body, content_type=content_type, encoding=encoding)


@pytest.mark.parametrize("name", SERIALIZERS)
def test_another_serializer_is_no_doorbell(name: str, tmp_path: Path) -> None:
    for check in (check_doorbell, check_question):
        with pytest.raises(NoDoorbell):
            check(evil(name, tmp_path / "marker"))
    assert not (tmp_path / "marker").exists()


@pytest.mark.parametrize("kind", COMPRESSED, ids=str)
def test_a_compressed_body_is_no_doorbell(kind: Any) -> None:
    with pytest.raises(NoDoorbell):
        check_doorbell(message(DOORBELL, headers={"compression": kind}))


@pytest.mark.parametrize("name", [name for name in BODIES if name not in ("paths", "patterns")])
def test_another_body_is_no_doorbell(name: str) -> None:
    with pytest.raises(NoDoorbell):
        check_doorbell(message(BODIES[name]))


@pytest.mark.parametrize("headers", HEADERS, ids=lambda headers: str(headers)[:40])
def test_other_headers_are_no_doorbell(headers: dict[str, Any]) -> None:
    with pytest.raises(NoDoorbell):
        check_doorbell(message(DOORBELL, headers=headers))


@pytest.mark.parametrize("name", [name for name in CONTROL if name != "arguments of another kind"])
def test_telling_a_worker_something_is_no_question(name: str) -> None:
    with pytest.raises(NoDoorbell):
        check_question(CONTROL[name])


def test_what_the_ledger_rings_and_flower_asks_is_let_in() -> None:
    check_doorbell(message(DOORBELL, headers={"stamp": "1795261446374000", "timelimit": [3660.0, None], "eta": None}))
    check_doorbell(message(DOORBELL.encode()))
    check_question(_control("stats") | {})


def test_the_payloads_would_work_on_whoever_unpickles(tmp_path: Path) -> None:
    pickle.loads(payloads.evil_pickle(tmp_path / "a"))  # noqa: S301  (our own)
    yaml.unsafe_load(payloads.evil_yaml(tmp_path / "b"))
    assert (tmp_path / "a").exists()
    assert (tmp_path / "b").exists()


# All of them again, against real processes: what Celery makes of what is let in counts, too.


def test_a_worker_drops_other_serializers_and_says_so(victim: Victim) -> None:
    for name in SERIALIZERS:
        victim.push(json.dumps(evil(name, victim.marker)))
        victim.publish("/0.celery.pidbox", json.dumps(evil(name, victim.marker)))
    assert victim.works()
    assert "a message in prep was dropped: its content says that it is no JSON" in victim.said()


def test_a_worker_unpacks_no_bomb(victim: Victim) -> None:
    for kind, bomb in (("zlib", payloads.zlib_bomb()), ("bzip2", payloads.bz2_bomb()), ("xz", payloads.xz_bomb())):
        victim.push(json.dumps(message(bomb, headers={"compression": kind})))
        assert victim.works()


def test_a_worker_drops_what_is_no_message(victim: Victim) -> None:
    for data in RAW.values():
        victim.push(data)
        victim.publish("/0.celery.pidbox", data)
    assert victim.works()


def test_a_worker_opens_nothing_for_other_shapes(victim: Victim) -> None:
    for body in BODIES.values():
        victim.push(json.dumps(message(body)))
    for headers in HEADERS + HARMLESS:
        victim.push(json.dumps(message(DOORBELL, headers=headers)))
    assert victim.works()


def test_a_worker_drops_unknown_tasks(victim: Victim) -> None:
    for task in TASKS_NOT_OURS:
        victim.push(json.dumps(message(DOORBELL, task=task)))
        victim.push(json.dumps(message(call({"task": "ops.probe", "it": [1]}), task=task)))
    assert victim.works()


def test_nobody_steers_a_worker_by_remote_control(victim: Victim) -> None:
    for told in CONTROL.values():
        victim.publish("/0.celery.pidbox", json.dumps(told))
    for _ in range(3):
        assert victim.works()


def test_what_was_dropped_does_not_fill_the_log(victim: Victim) -> None:
    for _ in range(200):
        victim.push(json.dumps(message("x" * 100_000, content_type="application/x-surprise", encoding="binary")))
    assert victim.works()
    assert len(victim.said()) < 10_000


def test_the_pool_ends_as_it_should(running: Victim) -> None:
    running.process.send_signal(signal.SIGTERM)
    assert running.process.wait(60) == 0
