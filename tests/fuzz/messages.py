"""Messages: doorbells as Celery hands them over, calls as a worker claims them, frames between child and guest."""

from __future__ import annotations

import io
import json
import socket
import subprocess
import zipfile
from functools import cache
from typing import Any

from celery import Task

from orchestrator.contracts.calls import Code, Kind, Plan, Policy, StageCall
from orchestrator.engine.messages import Lease
from orchestrator.engine.submission import Submission, encode_call
from tests.fuzz import place
from tests.fuzz.contract import Broken, readable, target
from tests.fuzz.mutation import changing, text_of
from tests.fuzz.records import CALL, NEXT, ledger
from workers.app import Worker
from workers.runtime.channel import Channel, ChannelClosed
from workers.runtime.child import Child
from workers.runtime.guest import first_message, order
from workers.runtime.guests import GuestBody, GuestFailed, Guests
from workers.runtime.job import Job, Outcome
from workers.runtime.perform import perform
from workers.runtime.running import Running

JOB = {"run": "r", "attempt": 1, "key": "k", "call": {"id": "a", "task": "custom", "queue": "prep", "version": 1}}


@cache
def child() -> Child:
    """A pool's child that is this process."""
    return Child(place.settings(), "ops")


@cache
def task() -> Task:
    """A task as the workers' app has registered it."""
    return Worker(place.settings(), "ops", 1).app.tasks["ops.probe"]


@changing(lambda: {"args": [], "kwargs": {"run": "r", "stages": ["a"]}, "headers": {"stamp": "1"}})
def bell(value: Any) -> None:
    """The arguments and headers of a doorbell: what is no doorbell is dropped."""
    if not isinstance(value, dict):
        return
    args, kwargs, headers = (value.get(name) for name in ("args", "kwargs", "headers"))
    body = task()
    body.push_request(**(headers if isinstance(headers, dict) else {}))
    try:
        body.run(*(args if isinstance(args, list) else []), **(kwargs if isinstance(kwargs, dict) else {}))
    finally:
        body.pop_request()


@changing(lambda: {"call": json.loads(encode_call(CALL))})
def claimed_call(value: Any) -> None:
    """A stage whose call, or whose input, is not what a plan would say: it ends, and says why."""
    accepted = ledger().submit(Submission(Plan(workflow="claimed", stages=(CALL, NEXT)), new=True))
    run, keys = accepted.run, ledger().keys
    call = value.get("call") if isinstance(value, dict) else value
    place.client().hset(keys.run(run, "calls"), "a", text_of(call))
    place.client().delete(keys("cache", str(CALL.key)))
    perform(child(), run, ["a"], "0")
    record = json.loads(str(place.client().hget(keys.run(run, "stages"), "a")))
    for name in place.client().scan_iter(keys.run(run).replace("[", "\\[") + "*"):
        place.client().delete(name)
    for name in ("runs", "active", "work", "ended"):
        place.client().zrem(keys(name), run) if name in ("runs", "ended") else place.client().srem(keys(name), run)
    if record["state"] not in ("done", "failed", "ready", "waiting", "cancelled"):
        raise Broken(f"the stage is left {record['state']}")
    error = json.loads(record["error"]) if "error" in record else {"message": "-"}
    if not error["message"] or not readable(error["message"]) or "fault of Cyclery" in error["message"]:
        raise Broken(f"the stage failed with {error['message']!r}")


@target
def frames(data: bytes) -> None:
    """Bytes on a channel: messages, then its end."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        _feed(theirs, data)
        channel = Channel(ours)
        try:
            while True:
                if not isinstance(channel.receive(), dict):
                    raise Broken("a message that is no mapping")
        except ChannelClosed:
            return


@changing(lambda: {"job": JOB, "scratch": "work", "snapshot": "code", "settings": {"namespace": "n"}})
def guest_order(value: Any) -> None:
    """What a guest is told first, and then for each stage."""
    for read in (first_message, order):
        if isinstance(value, dict):
            try:
                read(value)
            except ChannelClosed:
                continue


@target
def guest_answer(data: bytes) -> None:
    """What a guest answers, its team's code having got hold of the channel: an outcome, or a failed stage."""
    guests = Guests(place.settings(), child().store, "train@here", lambda channel, _: _Talker(channel, data))
    call = StageCall(id="own", task="custom", queue="prep", version=1, code=_code())
    body = GuestBody(guests)
    running = Running(Lease("r", "own", "f"), 1, Policy(), body)
    try:
        outcome = body.run(Job(run="r", attempt=1, key="k", call=call), running)
        if not isinstance(outcome, Outcome):
            raise Broken(f"an outcome of type {type(outcome)}")
    except GuestFailed as failed:
        if not failed.error.message:
            raise Broken("a failure without a word") from failed
        return  # its words are the code's own
    finally:
        guests.close()
        if running.share is not None and not 0 <= running.share <= 1:
            raise Broken(f"progress of {running.share!r}")


class _Talker:
    """A guest's process that says what it was given and ends; a real one, since it is killed with its group."""

    def __init__(self, channel: socket.socket, data: bytes) -> None:
        self._channel = channel.dup()  # it takes what it is asked, and never reads it
        _feed(self._channel, data)
        self._process = subprocess.Popen(["/bin/true"], start_new_session=True)
        self.pid, self.poll = self._process.pid, self._process.poll

    def wait(self) -> int:
        """The exit code; the channel goes with the process."""
        self._channel.close()
        return self._process.wait()


@cache
def _code() -> Code:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("own.py", "def own(): ...\n")
    return Code(snapshot=child().store.put_bytes(packed.getvalue(), Kind.FILE), entry="own:own")


def _feed(sock: socket.socket, data: bytes) -> None:
    """Write without waiting for a reader; what the socket does not hold is dropped."""
    sock.setblocking(False)
    try:
        sock.send(data)
    except BlockingIOError:
        return
    finally:
        sock.setblocking(True)
        sock.shutdown(socket.SHUT_WR)
