"""doctor: every setting with where it came from, every connection tested."""

from __future__ import annotations

import os
import tomllib
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orchestrator.cli.connecting import read_settings
from orchestrator.cli.output import Output, verb

if TYPE_CHECKING:
    from orchestrator.settings import Settings

UNREACHABLE = 5


@click.command()
@verb
def doctor(output: Output) -> int:
    """Show every setting and where it came from, test the store and Redis, send a probe through every queue."""
    from orchestrator.client.examination import Finding, examine
    from orchestrator.client.session import Session
    from orchestrator.local import find

    settings = read_settings()
    rows = _settings(settings)
    if not output.as_json:
        cells = [(one["variable"], one["value"], one["from"]) for one in rows]
        output.table(("setting", "value", "from"), cells)
        output.show("")
    reached = find(settings)
    findings: list[Finding] = []
    if reached is None:
        findings.append(Finding("stack", ok=False, detail="no stack runs in this home: `cyclery up` starts one"))
        _show(output, findings[-1])
    else:
        for finding in examine(Session(reached, embedded=settings.redis_url is None)):
            findings.append(finding)
            _show(output, finding)
    healthy = all(finding.ok for finding in findings)
    if output.as_json:
        output.document({"healthy": healthy, "settings": rows, "checks": [asdict(one) for one in findings]})
    return 0 if healthy else UNREACHABLE


def _show(output: Output, finding: Any) -> None:
    from rich.text import Text

    from orchestrator.cli.words import duration

    if output.as_json:
        return
    sign, style = ("✓", "green") if finding.ok else ("✗", "red")
    took = f"  {duration(finding.seconds)}" if finding.seconds is not None else ""
    output.show(Text.assemble((sign, style), f" {finding.check}: {finding.detail}", (took, "dim")))


def _settings(settings: Settings) -> list[dict[str, str]]:
    """Every setting as it stands; secrets are only told to be there."""
    from dotenv import dotenv_values

    written = {name.upper() for name in dotenv_values(".env")} if Path(".env").is_file() else set()
    toml = Path("cyclery.toml")
    tabled = set(tomllib.loads(toml.read_text(encoding="utf-8"))) if toml.is_file() else set()
    rows = []
    for name, field in type(settings).model_fields.items():
        variable = f"CYCLERY_{name.upper()}"
        origin = (
            "environment"
            if variable in {key.upper() for key in os.environ}
            else ".env"
            if variable in written
            else "cyclery.toml"
            if name in tabled
            else "default"
        )
        rows.append(
            {"variable": variable, "value": _shown(settings, name), "from": origin, "about": field.description or ""}
        )
    return rows


def _shown(settings: Settings, name: str) -> str:
    value = getattr(settings, name)
    if name == "redis_url" and value is not None:
        from orchestrator.store.connection import place

        return place(value.get_secret_value())
    return "" if value is None else str(value)  # a SecretStr shows stars
