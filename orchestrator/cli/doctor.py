"""doctor: every setting with where it came from, every connection tested."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from orchestrator.cli.connecting import read_settings
from orchestrator.cli.output import Output, verb

if TYPE_CHECKING:
    from orchestrator.local.findings import Finding
    from orchestrator.local.origins import SettingOrigin

UNREACHABLE = 5


@click.command()
@verb
def doctor(output: Output) -> int:
    """Show every setting and where it came from, test the store and Redis, send a probe through every queue."""
    from orchestrator.local import find
    from orchestrator.local.doctor import examine
    from orchestrator.local.origins import origins

    settings = read_settings()
    rows = origins(settings, find(settings))
    if not output.as_json:
        output.table(("setting", "value", "from"), [(one.variable, one.value, one.origin) for one in rows])
        output.show("")
    findings: list[Finding] = []
    for finding in examine(settings):
        findings.append(finding)
        _show(output, finding)
    healthy = all(finding.ok for finding in findings)
    if output.as_json:
        checks = [asdict(finding) for finding in findings]
        output.document({"healthy": healthy, "settings": [_setting(one) for one in rows], "checks": checks})
    return 0 if healthy else UNREACHABLE


def _setting(one: SettingOrigin) -> dict[str, str]:
    return {"variable": one.variable, "value": one.value, "from": one.origin, "about": one.about}


def _show(output: Output, finding: Finding) -> None:
    from rich.text import Text

    from orchestrator.cli.words import duration

    if output.as_json:
        return
    sign, style = ("!", "yellow") if finding.warning else ("✓", "green") if finding.ok else ("✗", "red")
    took = f"  {duration(finding.seconds)}" if finding.seconds is not None else ""
    output.show(Text.assemble((sign, style), f" {finding.check}: {finding.detail}", (took, "dim")))
