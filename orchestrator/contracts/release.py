"""Parameters of packaging and registration."""

from __future__ import annotations

from pydantic import Field

from orchestrator.contracts.roles import Columns, Objective
from orchestrator.contracts.values import Value


class PackageParams(Value):
    """What the bundle is called, and what it must know about its columns."""

    model: str
    objective: Objective
    roles: Columns = Columns()
    derive: dict[str, str] = Field(default_factory=dict)
    trusted: tuple[str, ...] = ()  # classes of the team's own code that the model file may hold


class RegisterParams(Value):
    """The name under which the version is registered."""

    model: str
