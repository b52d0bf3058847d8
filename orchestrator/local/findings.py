"""What the doctor found, as data."""

from __future__ import annotations

from typing import Literal

from orchestrator.contracts.errors import Unreachable
from orchestrator.contracts.values import Value
from orchestrator.local.origins import SettingOrigin


class Finding(Value):
    """What one trip found."""

    name: str  # "redis", "store", "queue train", "flower"
    level: Literal["ok", "warning", "failed"]
    detail: str  # what was found; of a failure, what to do
    ms: float | None = None  # how long the trip took


class Diagnosis(Value):
    """All that the doctor found."""

    settings: tuple[SettingOrigin, ...]
    findings: tuple[Finding, ...]

    @property
    def exit_code(self) -> int:
        """5 if something is out of reach."""
        return Unreachable.exit_code if any(finding.level == "failed" for finding in self.findings) else 0
