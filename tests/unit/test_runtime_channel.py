"""The channel between a child and its guest, and what a queue may hold beside doorbells."""

from __future__ import annotations

import json
import math
import socket
from pathlib import Path

import pytest

from orchestrator.store.cache import HostCache
from workers.runtime.channel import Channel, ChannelClosed, ChannelGarbled
from workers.runtime.context import StageContext
from workers.runtime.doorbell import heard


@pytest.mark.parametrize("frame", [b"{", b"[1]", b"\xff", b'{"a":' * 3000])
def test_what_is_no_message_is_somebody_else_on_the_channel(frame: bytes) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(len(frame).to_bytes(4, "big") + frame)
        with pytest.raises(ChannelGarbled):
            Channel(ours).receive()


def test_a_message_that_is_cut_off_is_the_end_of_the_other_side() -> None:
    ours, theirs = socket.socketpair()
    with ours:
        theirs.sendall(b"\0\0\0\5{}")
        theirs.close()
        with pytest.raises(ChannelClosed) as closed:
            Channel(ours).receive()
        assert not isinstance(closed.value, ChannelGarbled)


def test_a_doorbell_is_heard_with_its_stamp() -> None:
    bell = heard({"run": "churn-7f3a91", "stages": ["train[ridge#1]"], "later": 1}, "1763700000000000")
    assert bell == ("churn-7f3a91", ("train[ridge#1]",), "1763700000000000")


@pytest.mark.parametrize(
    "message",
    [
        {}, {"run": "a-1"}, {"run": 3, "stages": ["a"]}, {"run": "a-1", "stages": "abc"}, {"run": "a-1", "stages": [1]},
        {"run": "../a", "stages": ["a"]}, {"run": "a-1:stages", "stages": ["a"]}, {"run": "a-1", "stages": ["a\nb"]},
        {"run": "a-1", "stages": [""]}, {"run": "a-1", "stages": ["\ud800"]}, {"run": "a" * 300, "stages": ["a"]},
    ],
)  # fmt: skip
def test_anything_else_is_no_doorbell(message: dict[str, object]) -> None:
    assert heard(message, "1") is None


@pytest.mark.parametrize("stamp", [None, 3, "", "inf", "1e3", "-1", "9" * 30, {}])
def test_a_stamp_that_is_none_tells_nothing(stamp: object) -> None:
    bell = heard({"run": "a-1", "stages": ["a"]}, stamp)
    assert bell is not None
    assert bell.stamp == "0"


class Told:
    """A watcher that keeps what it is told."""

    cancelled = False

    def __init__(self) -> None:
        self.shares: list[float] = []

    def progress(self, share: float) -> None:
        self.shares.append(share)


def test_progress_that_is_no_number_is_not_passed_on(tmp_path: Path) -> None:
    told = Told()
    context = StageContext("r", "a", 1, "k", tmp_path, told, HostCache(tmp_path, 1))
    for share in (math.nan, -1.0, math.inf, 0.5):
        context.progress(share)
    assert told.shares == [0.0, 1.0, 0.5]
    assert json.dumps(told.shares, allow_nan=False)
