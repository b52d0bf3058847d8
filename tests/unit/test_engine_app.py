"""Celery's settings that safety rests on."""

from __future__ import annotations

import pytest

from orchestrator.contracts.errors import InvalidInput
from orchestrator.contracts.tasks import Queue
from orchestrator.engine.app import broker_url, make_app
from orchestrator.settings import Settings


@pytest.mark.parametrize(
    ("ledger", "celery"),
    [
        ("redis://:pw@host:6379/3", "redis://:pw@host:6379/3"),
        ("rediss://:pw@host/0", "rediss://:pw@host/0"),
        ("unix://:p%40w@/run/redis.sock?db=2", "redis+socket://:p%40w@/run/redis.sock?virtual_host=2"),
        ("unix:///run/redis.sock", "redis+socket:///run/redis.sock?virtual_host=0"),
    ],
)
def test_the_broker_is_the_ledgers_redis(ledger: str, celery: str) -> None:
    assert broker_url(ledger) == celery


def test_only_json_is_accepted_and_queues_are_the_pools() -> None:
    app = make_app(Settings(redis_url="redis://localhost/0"))
    assert app.conf.accept_content == ["json"]
    assert app.conf.task_serializer == "json"
    assert {queue.name for queue in app.conf.task_queues} == {queue.value for queue in Queue}


def test_an_app_without_a_redis_says_what_to_do() -> None:
    with pytest.raises(InvalidInput, match="cyclery up"):
        make_app(Settings(redis_url=None))
