"""The account of test rows: every judgement on them, across runs and people, each recorded by one Lua step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, cast

from orchestrator.contracts.errors import RecordDamaged, TransientError, Unreachable
from orchestrator.contracts.records import Look, why_unreadable
from orchestrator.contracts.values import canonical
from orchestrator.settings import Settings
from orchestrator.store.connection import answering
from orchestrator.store.keys import Keys
from orchestrator.store.steps import durable_step

if TYPE_CHECKING:
    import redis

TURNS = 100  # each but the last is another run's judgement


class Looks:
    """The judgements on test rows in one namespace, by the column that is predicted."""

    def __init__(self, client: redis.Redis, settings: Settings) -> None:
        self._redis = client
        self._keys = Keys(settings.namespace)

    def list(self, objective: str) -> tuple[Look, ...]:
        """All judgements of an objective, in no order."""
        with answering(self._redis):
            found = cast("dict[str, str]", self._redis.hgetall(self._keys("looks", objective)))
        return tuple(map(_look, found.values()))

    def add(self, objective: str, key: str, draft: Callable[[Sequence[Look]], Look]) -> Look:
        """Record what `draft` makes of the judgements so far: of all of them, whoever judges at the same time.

        The same idempotency key again answers what it recorded the first time, and spends nothing. It is durable when
        this returns, and stands in the audit outbox.
        """
        for _ in range(TURNS):
            earlier = self.list(objective)
            record = draft(earlier).model_dump(mode="json")
            entry = {"event": "judged", "objective": objective, "key": key, "record": record}
            texts = (canonical(value).decode() for value in (record, entry))
            answer = durable_step(self._redis, "look", self._keys, objective, key, len(earlier), *texts)
            if answer == "restoring":
                raise Unreachable("the account of test rows is being restored: try again when `cyclery restore` ended")
            if answer != "changed":
                return _look(answer)
        raise TransientError(f"{TURNS} judgements on test rows for {objective} came in between, one by one: try again")


def _look(text: str) -> Look:
    try:
        return Look.model_validate_json(text)
    except ValueError as error:
        raise RecordDamaged(
            f"a judgement on test rows cannot be read in Redis ({why_unreadable(error)}): another release wrote it, "
            "or it is damaged",
            "looks",
        ) from error
