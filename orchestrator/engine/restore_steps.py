"""The right to restore a namespace, and the commands that are done under it, many in one step."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from typing import TYPE_CHECKING

from orchestrator.contracts.calls import DIAGNOSTIC
from orchestrator.contracts.errors import NotPermitted
from orchestrator.store.keys import Keys
from orchestrator.store.replay import Command
from orchestrator.store.steps import step

if TYPE_CHECKING:
    import redis

HOLD_MS = 30_000  # of the right to restore; each step renews it
WORDS, BYTES = 2000, 2**20  # of one step at most, since a step stops all of Redis; one long command may exceed it


class RestoreSteps:
    """Steps of one restore, each refused once another restore has taken the right; with `dry_run` none is taken."""

    def __init__(self, client: redis.Redis, keys: Keys, *, dry_run: bool) -> None:
        self._redis, self._keys, self._dry_run = client, keys, dry_run
        self._nonce = secrets.token_hex(8)
        self._batch: list[Command] = []
        self._words = self._weight = 0  # of the batch

    def begin(self) -> None:
        """Take the right. Raises `NotPermitted` where the namespace is not empty or somebody else restores it."""
        arguments = (self._nonce, HOLD_MS, int(self._dry_run), f"{DIAGNOSTIC}-")
        answer = step(self._redis, "restore_begin", self._keys, *arguments)
        if answer == "busy":
            raise NotPermitted(
                f"somebody else is restoring namespace {self._keys.namespace}; if that was killed, try again in "
                f"{HOLD_MS // 1000} s"
            )
        if answer == "occupied":
            raise NotPermitted(
                f"namespace {self._keys.namespace} has runs or models already: restore needs an empty Redis, or "
                "another CYCLERY_NAMESPACE"
            )

    def put(self, *commands: Command) -> None:
        """Commands for the next step, which is sent when it has enough to do."""
        for command in commands:
            self._batch.append(command)
            self._weight += sum(map(len, command))
            self._words += len(command) + 1
            if self._words >= WORDS or self._weight >= BYTES:
                self.flush()

    def flush(self) -> None:
        """Send what was put."""
        self.send(self._batch)
        self._batch, self._weight, self._words = [], 0, 0

    def send(self, commands: Iterable[Command]) -> None:
        """These commands as one step. Raises `NotPermitted` when the right has gone to another restore."""
        if self._dry_run:
            return
        words = [word for command in commands for word in (str(len(command)), *command)]
        if step(self._redis, "restore_put", self._keys, self._nonce, HOLD_MS, *words) != 1:
            raise NotPermitted(
                "another restore has taken over from this one, which was silent for too long: let it end"
            )
