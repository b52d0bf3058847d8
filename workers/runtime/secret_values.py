"""`{secret: NAME}` in a stage's values: resolved from the worker's environment, and kept out of everything written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orchestrator.contracts.errors import RequirementMissing

HIDDEN = "•••"


def secret_name(value: Any) -> str | None:
    """NAME of `{"secret": NAME}`; None of any other value."""
    if isinstance(value, Mapping) and set(value) == {"secret"} and isinstance(value["secret"], str):
        return value["secret"]
    return None


def resolve(value: Any, environment: Mapping[str, str], where: str) -> Any:
    """The value with every secret in it replaced.

    Raises RequirementMissing where the environment lacks one; `where` names the stage and the pool.
    """
    name = secret_name(value)
    if name is not None:
        if name not in environment:
            raise RequirementMissing(f"{where}: the secret {name} is not set: put {name} in the pool's environment")
        return environment[name]
    if isinstance(value, Mapping):
        return {key: resolve(item, environment, where) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [resolve(item, environment, where) for item in value]
    return value


@dataclass(frozen=True, slots=True)
class Redaction:
    """Takes the values of secrets out of text."""

    values: tuple[str, ...] = ()  # longest first

    @classmethod
    def of(cls, params: Any, environment: Mapping[str, str]) -> Redaction:
        """What must not be written while a stage with these values runs; secrets that are not set are none."""
        found: set[str] = set()
        _collect(params, environment, found)
        return cls(tuple(sorted(found, key=len, reverse=True)))

    def __call__(self, text: str) -> str:
        """The text without secrets."""
        for value in self.values:
            text = text.replace(value, HIDDEN)
        return text


def _collect(value: Any, environment: Mapping[str, str], found: set[str]) -> None:
    name = secret_name(value)
    if name is not None:
        secret = environment.get(name, "")
        # A secret of several lines (a private key) is printed line by line, so each line hides by itself.
        found.update(line for line in (secret, *secret.splitlines()) if line.strip())
    elif isinstance(value, Mapping):
        for item in value.values():
            _collect(item, environment, found)
    elif isinstance(value, (list, tuple)):
        for item in value:
            _collect(item, environment, found)
