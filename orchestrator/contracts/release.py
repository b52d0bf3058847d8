"""Parameters of packaging and registration."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from orchestrator.contracts.calls import Code
from orchestrator.contracts.roles import Columns, Objective
from orchestrator.contracts.values import Value


class CustomStep(Value):
    """A team's own stage that the table went through on its way to the features."""

    name: str
    code: Code
    options: dict[str, Any] = Field(default_factory=dict)  # its `with:` values
    rowwise: bool  # each row comes out of its own values alone; otherwise raw rows cannot be served
    prepared: bool  # it stands after `prepare`; otherwise it took the source's table
    secret: bool = False  # its options hold a secret, which no bundle may carry; they are left out here


class PackageParams(Value):
    """What the bundle is called, and what it must know about its columns."""

    model: str
    objective: Objective
    roles: Columns = Columns()
    derive: dict[str, str] = Field(default_factory=dict)
    custom: tuple[CustomStep, ...] = ()  # in their order
    own: Code | None = None  # the code of the team's own estimators, which the bundle then carries


class RegisterParams(Value):
    """The name under which the version is registered."""

    model: str
