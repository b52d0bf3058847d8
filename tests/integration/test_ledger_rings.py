"""The doorbell that the ledger writes is the message that Celery writes."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
import redis as redis_py

from orchestrator.engine.app import make_app
from orchestrator.settings import Settings
from tests.integration.ledger_case import Hand, call

OUR_OWN = {"origin"}  # who published: free text for people


def popped(hand: Hand) -> dict[str, Any]:
    text = hand.ledger.redis.rpop(hand.ledger.keys.broker("ops"))
    message: dict[str, Any] = json.loads(str(text))
    if message["properties"].get("body_encoding") == "base64":
        message["body"] = base64.b64decode(message["body"]).decode()
    message["body"] = json.loads(message["body"])
    return message


@pytest.mark.parametrize(("shadow", "timeout"), [(None, 30.0), ("custom.geo", 3600.0)])
def test_the_ledgers_message_is_celerys_own(hand: Hand, settings: Settings, shadow: str | None, timeout: float) -> None:
    stage = call('train[a "b"#1]', timeout_s=timeout).model_copy(update={"shadow": shadow})
    bell = hand.submit(stage).bells[0]
    ours = popped(hand)
    app = make_app(settings)
    app.send_task(
        bell.task, kwargs={"run": bell.run, "stages": list(bell.stages)}, task_id=bell.task_id, queue=bell.queue,
        shadow=bell.shadow, time_limit=timeout + 60, headers={"stamp": bell.stamp}, ignore_result=True,
    )  # fmt: skip
    app.close()
    celerys = popped(hand)
    assert ours["body"] == celerys["body"]
    for name in ("content-encoding", "content-type"):
        assert ours[name] == celerys[name]
    assert {name: value for name, value in ours["headers"].items() if name not in OUR_OWN} == {
        name: value for name, value in celerys["headers"].items() if name not in OUR_OWN
    }
    for name in ("correlation_id", "delivery_mode", "delivery_info", "priority"):
        assert ours["properties"][name] == celerys["properties"][name]
    assert set(celerys["properties"]) - set(ours["properties"]) == {"body_encoding"}  # ours is not encoded


def test_each_ready_stage_is_rung_once_in_the_step_that_makes_it_ready(hand: Hand, redis: redis_py.Redis) -> None:
    accepted = hand.submit(call("a"), call("b", "a"), call("c", "a"))
    queue = hand.ledger.keys.broker("ops")
    assert redis.llen(queue) == 1
    redis.delete(queue)
    bells = hand.done(hand.must_claim(accepted.bells[0])).bells
    rung = [popped(hand)["body"][1] for _ in range(redis.llen(queue))]
    assert rung == [{"run": accepted.run, "stages": list(bell.stages)} for bell in bells]
    assert [one["stages"] for one in rung] == [["b"], ["c"]]


def test_delivery_tags_differ(hand: Hand) -> None:
    hand.submit(*(call(f"s{i}") for i in range(10)))
    tags = {popped(hand)["properties"]["delivery_tag"] for _ in range(10)}
    assert len(tags) == 10
