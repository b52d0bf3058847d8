"""The model registry: numbered versions, which one is live, and every decision about them, each as one Lua step."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, cast

from orchestrator.contracts.errors import InvalidInput, NotPermitted, RecordDamaged, Unreachable
from orchestrator.contracts.records import ModelVersion, why_unreadable
from orchestrator.contracts.suggestions import nearest
from orchestrator.contracts.values import canonical
from orchestrator.settings import Settings
from orchestrator.store.connection import answering
from orchestrator.store.keys import Keys
from orchestrator.store.steps import durable_step

if TYPE_CHECKING:
    import redis

UNNUMBERED = 0  # the version of a record that is about to be registered
_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,99}", re.ASCII)


class Registry:
    """The models of one namespace. Decisions are durable when they return, and stand in the audit outbox."""

    def __init__(self, client: redis.Redis, settings: Settings) -> None:
        self._redis = client
        self._keys = Keys(settings.namespace)

    def register(self, draft: ModelVersion, key: str, former: str = "") -> ModelVersion:
        """Give a record (version 0, stage candidate or refused) the model's next number.

        The same idempotency key again answers the version that it made the first time, as it stands now. `former` is
        the key that the release before gave to the same effect: a worker of it may have died before it told of it.
        """
        if draft.stage not in ("candidate", "refused") or draft.version != UNNUMBERED:
            raise InvalidInput(f"{draft.name}: a new version is a candidate or refused, and has no number yet")
        if not _NAME.fullmatch(draft.model):
            raise InvalidInput(f"{draft.model!r} cannot name a model: use letters, digits and -_. (at most 100)")
        record = draft.model_dump(mode="json", exclude={"version", "stage"})
        entry = {"event": "registered", "model": draft.model, "run": draft.run, "stage": draft.stage, "record": record}
        told = (_text(record), _text(entry | {"key": key}))
        answer = self._step("register", draft.model, key, draft.stage, *told, former)
        return _version(*answer)

    def list(self, model: str | None = None) -> tuple[ModelVersion, ...]:
        """All versions, by model and number; of one model when it is named."""
        with answering(self._redis):
            names = [name for name in ([model] if model else self._names()) if _NAME.fullmatch(name)]
            with self._redis.pipeline(transaction=True) as reading:
                for name in names:
                    reading.hgetall(self._keys("model", name, "versions"))
                    reading.hgetall(self._keys("model", name, "stages"))
                answers = reading.execute()
        found = []
        for records, stages in zip(answers[::2], answers[1::2], strict=True):
            found += [_version(number, stages.get(number, ""), record) for number, record in records.items()]
        return tuple(sorted(found, key=lambda one: (one.model, one.version)))

    def get(self, reference: str) -> ModelVersion:
        """The version that NAME (its newest), NAME@3 or NAME@production stands for."""
        model, _, which = reference.partition("@")
        versions = self.list(model)
        if not versions:
            raise self._unknown(model)
        if not which:
            return versions[-1]
        for version in reversed(versions):
            if which in (str(version.version), version.stage):
                return version
        if which.isdigit():
            raise InvalidInput(f"{model} has no version {which}: it has 1 to {versions[-1].version}")
        raise InvalidInput(
            f"{model} has nothing in {which!r}: name a version (1 to {versions[-1].version}) or production"
        )

    def promote(
        self,
        reference: str,
        *,
        to: Literal["staging", "production", "archived"] = "production",
        by: str,
        note: str | None = None,
    ) -> ModelVersion:
        """Put a version on another stage; what was in production before is archived and can be rolled back to.

        Raises `NotPermitted` for a refused version, and for taking the live one away without another in its place.
        """
        version = self.get(reference)
        event = "archived" if to == "archived" else "promoted"
        entry = _decision(event, version.model, by, note) | {"to": to}
        answer = self._step("promote", version.model, version.version, to, _text(entry))
        if answer == "refused":
            raise NotPermitted(f"{version.name} was refused by its gates: train one that passes them")
        if answer == "live":
            raise NotPermitted(f"{version.name} is in production: promote another version, or roll back, first")
        return self.get(version.name)

    def rollback(self, model: str, *, by: str, note: str | None = None) -> ModelVersion:
        """Put the version that was in production before the present one there again."""
        entry = _decision("rolled back", model, by, note)
        answer = self._step("rollback", model, uuid.uuid4().hex, _text(entry))
        if answer == "none":
            if not self.list(model):
                raise self._unknown(model)
            raise InvalidInput(
                f"{model} has no earlier version in production to roll back to: see `cyclery model {model}`"
            )
        return self.get(f"{model}@{answer}")

    def history(self, model: str) -> tuple[int, ...]:
        """The versions that were in production before the present one, the latest last."""
        with answering(self._redis):
            return tuple(int(version) for version in self._redis.lrange(self._keys("model", model, "history"), 0, -1))

    def _step(self, name: str, *arguments: str | int) -> Any:
        answer = durable_step(self._redis, name, self._keys, *arguments)
        if answer == "restoring":
            raise Unreachable("the registry is being restored: try again when `cyclery restore` has ended")
        return answer

    def _names(self) -> Sequence[str]:
        return sorted(cast("set[str]", self._redis.smembers(self._keys("models"))))

    def _unknown(self, model: str) -> InvalidInput:
        with answering(self._redis):
            near = nearest(model, self._names())
        hint = "see `cyclery models`" if near is None else f"did you mean {near!r}?"
        return InvalidInput(f"no model is called {model!r} ({hint})")


def _decision(event: str, model: str, by: str, note: str | None) -> dict[str, Any]:
    return {"event": event, "model": model, "by": by, "identity": "unverified", "note": note}


def _text(value: dict[str, Any]) -> str:
    return canonical(value).decode()


def _version(number: str, stage: str, record: str) -> ModelVersion:
    try:
        return ModelVersion.model_validate({**json.loads(record), "version": int(number), "stage": stage})
    except (ValueError, TypeError, RecursionError) as error:
        raise RecordDamaged(
            f"version {number!a} of a model cannot be read in Redis ({why_unreadable(error)}): another release "
            "wrote it, or it is damaged",
            number,
        ) from error
