"""Thousands of messages that nobody should have sent, in a real worker's queue: it drops them, and goes on working."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import redis as redis_py

from orchestrator.contracts.calls import Plan, StageCall
from orchestrator.contracts.status import RunStatus
from orchestrator.engine.history import History
from orchestrator.engine.ledger import Ledger
from orchestrator.engine.submission import Submission
from orchestrator.settings import Settings
from tests.fuzz.mutation import changed
from tests.fuzz.variations import EXAMPLES, TOKENS
from tests.servers import stop
from tests.waiting import wait_until

MESSAGES = 40 * EXAMPLES
ODD: tuple[Any, ...] = (None, True, 0, -1, 1e308, 10**30, "", "x", "\x1b[2J", "a" * 3000, [], {}, [[]], {"a": {}}, "é")


@pytest.fixture
def worker(settings: Settings, tmp_path: Path) -> Iterator[Path]:
    """A pool of one process; the path of its log."""
    told = {
        "CYCLERY_REDIS_URL": settings.redis_url.get_secret_value() if settings.redis_url else "",
        "CYCLERY_NAMESPACE": settings.namespace, "CYCLERY_STORE": settings.store_url,
        "CYCLERY_CACHE": str(settings.cache_path), "CYCLERY_HOME": str(settings.home),
    }  # fmt: skip
    log = tmp_path / "log"
    with log.open("wb") as sink:
        process = subprocess.Popen(
            [sys.executable, "-m", "workers.runtime.pools", "ops:1"],
            env={**os.environ, **told}, stdout=sink, stderr=sink,
        )  # fmt: skip
    try:
        yield log
    finally:
        stop(process, 60)


def messages(sound: str, dice: random.Random) -> Iterator[bytes]:
    """Raw bytes, envelopes with something wrong, and sound envelopes of other bodies and headers."""
    envelope = json.loads(sound)
    body = json.loads(envelope["body"])
    places = [[name] for name in envelope] + [["headers", name] for name in envelope["headers"]]
    places += [["properties", name] for name in envelope["properties"]]
    inside = [
        [],
        [0],
        [1],
        [2],
        [1, "run"],
        [1, "stages"],
        [1, "stages", 0],
        [1, "more"],
        [2, "chain"],
        [2, "callbacks"],
    ]
    for number in range(MESSAGES):
        if number % 4 == 0:
            yield dice.choice(
                (dice.choice(TOKENS), dice.randbytes(dice.randrange(200)), sound[: number % len(sound)].encode())
            )
        elif number % 4 == 1:
            yield json.dumps(changed(envelope, json.dumps([_change(places, dice)]).encode())).encode()
        else:
            other = changed(body, json.dumps([_change(inside, dice)]).encode())
            yield json.dumps({**envelope, "body": json.dumps(other)}).encode()


def _change(places: list[list[Any]], dice: random.Random) -> list[Any]:
    place = dice.choice(places)
    return [place] if dice.random() < 0.2 else [place, dice.choice(ODD)]


def test_a_queue_full_of_garbage_holds_nobody_up(settings: Settings, redis: redis_py.Redis, worker: Path) -> None:
    ledger, history = Ledger(redis, settings), History(redis, settings.namespace)
    queue = ledger.keys.broker("ops")
    wait_until(lambda: [pool.node for pool in history.pools()], timeout=120)
    call = StageCall(id="a", task="ops.probe", queue="prep", version=1)
    parked = ledger.submit(Submission(Plan(workflow="sound", stages=(call,)))).run  # nobody serves this queue
    sound = str(redis.lindex(ledger.keys.broker("prep"), 0))
    assert parked in sound
    pipe = redis.pipeline()
    for message in messages(sound.replace(parked, "gone-000000"), random.Random(7)):
        pipe.lpush(queue, message)
    pipe.execute()
    probe = StageCall(id="b", task="ops.probe", queue="ops", version=1)
    run = ledger.submit(Submission(Plan(workflow="real", stages=(probe,)))).run
    wait_until(lambda: _status(history, run).ended, timeout=240, every=0.1)
    assert _status(history, run) is RunStatus.SUCCEEDED
    wait_until(lambda: redis.llen(queue) == 0, timeout=240, every=0.1)
    assert "Traceback" not in worker.read_text(errors="replace")
    assert _status(history, parked) is RunStatus.RUNNING


def _status(history: History, run: str) -> RunStatus:
    record = history.snapshot(run)
    assert record is not None
    return record.status
