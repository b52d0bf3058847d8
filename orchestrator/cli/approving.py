"""approvals, approve, reject: what waits for a person."""

from __future__ import annotations

from typing import Literal

import click

from orchestrator.cli.connecting import client_for
from orchestrator.cli.models import NOTE
from orchestrator.cli.output import Output, verb


@click.command()
@verb
def approvals(output: Output) -> None:
    """List what waits for a person."""
    client = client_for(output)
    waiting = client.approvals()
    if output.as_json:
        output.document(
            [{"run": run, "stage": stage.id, "since": _since(stage.started, stage.finished)} for run, stage in waiting]
        )
        return
    if not waiting:
        output.show("Nothing waits for a person")
        return
    output.table(("run", "stage"), [(run, stage.id) for run, stage in waiting])
    output.show(f"Next: cyclery status {waiting[0][0]} · cyclery approve {waiting[0][0]} --note '…'")


def _since(*times: float | None) -> float | None:
    return next((time for time in times if time is not None), None)


@click.command()
@click.argument("held", metavar="RUN|MODEL")
@NOTE
@verb
def approve(output: Output, held: str, note: str | None) -> None:
    """Let a held run go on."""
    _decide(output, held, "approved", note)


@click.command()
@click.argument("held", metavar="RUN|MODEL")
@NOTE
@verb
def reject(output: Output, held: str, note: str | None) -> None:
    """Do not let a held run go on."""
    _decide(output, held, "rejected", note)


def _decide(output: Output, held: str, verdict: Literal["approved", "rejected"], note: str | None) -> None:
    client = client_for(output)
    run = client.decide(held, verdict, note)
    if output.as_json:
        output.document(client.run(run).document())
    else:
        output.show(f"{run} is {verdict}", f"Next: cyclery watch {run}")
