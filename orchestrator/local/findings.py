"""What the doctor found, as data."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.contracts.errors import Unreachable
from orchestrator.local.origins import SettingOrigin


@dataclass(frozen=True, slots=True)
class Finding:
    """What one test found."""

    check: str  # "redis", "store", "queue train", "flower"
    ok: bool  # False: out of reach
    detail: str  # what was found; of a failure, what to do
    seconds: float | None = None
    warning: bool = False  # it works, and yet is not as it should be


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """All that the doctor found."""

    settings: tuple[SettingOrigin, ...]
    findings: tuple[Finding, ...]

    @property
    def exit_code(self) -> int:
        """5 if something is out of reach."""
        return 0 if all(finding.ok for finding in self.findings) else Unreachable.exit_code
