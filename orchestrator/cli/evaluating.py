"""evaluate: a registered version on new labelled data."""

from __future__ import annotations

from pathlib import Path

import click

from orchestrator.cli.connecting import FILE, client_for
from orchestrator.cli.following import follow
from orchestrator.cli.output import Output, verb


@click.command()
@click.argument("reference", metavar="NAME[@VERSION|@production]")
@click.argument("file", type=FILE)
@click.option("--new", is_flag=True, help="Start another run even if an identical one is active.")
@verb
def evaluate(output: Output, reference: str, file: Path, *, new: bool) -> int:
    """Judge a version on new labelled data, as a run of its own; the registry stays as it is."""
    client = client_for(output)
    return follow(output, client, client.evaluate(reference, file, new=new))
