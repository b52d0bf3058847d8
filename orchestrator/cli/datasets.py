"""data list, data show: the tables that runs have ingested."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from orchestrator.cli.connecting import client_for
from orchestrator.cli.output import Output, verb

if TYPE_CHECKING:
    from orchestrator.client.datasets import Dataset


@click.group(invoke_without_command=True)
@click.pass_context
@verb
def data(output: Output, context: click.Context) -> None:
    """List and show the data that runs have seen."""
    if context.invoked_subcommand is None:
        context.invoke(listed, as_json=output.as_json)
    elif output.as_json:
        raise click.UsageError(f"write --json at the end: cyclery data {context.invoked_subcommand} … --json", context)


@data.command(name="list")
@verb
def listed(output: Output) -> None:
    """List each table that a run has ingested, the newest first."""
    from orchestrator.cli.words import ago

    found = _datasets(output)
    if output.as_json:
        output.document([one.document() for one in found])
        return
    if not found:
        output.show("No data yet. Next: cyclery run FILE")
        return
    rows = [
        (one.short, one.source, one.file, one.rows, one.columns, ago(one.created), ", ".join(one.runs[:2]))
        for one in found
    ]
    output.table(("data", "source", "file", "rows", "columns", "seen", "runs"), rows, right=("rows", "columns"))
    output.show(f"Next: cyclery data show {found[0].short}")


@data.command(name="show")
@click.argument("reference", metavar="DATA|SOURCE|RUN")
@verb
def show(output: Output, reference: str) -> None:
    """Show the columns of a table: by the beginning of its digest, its source's name, or a run of it."""
    from orchestrator.client.datasets import choose, datasets, profile_of

    session = client_for(output).session()
    found = choose(session, datasets(session), reference)
    profile = profile_of(session, found)
    if output.as_json:
        output.document(found.document() | {"profile": profile.model_dump(mode="json")})
        return
    from orchestrator.cli.words import number

    output.show(f"{found.source} ({found.file}): {profile.rows} rows, {found.digest}")
    rows = [
        (
            one.name,
            one.type,
            f"{one.missing / max(1, profile.rows):.1%}" if one.missing else "",
            one.distinct,
            one.min,
            number(one.mean) if one.mean is not None else "",
            one.max,
            ", ".join(f"{value} ({count})" for value, count in one.top[:3]) if one.type in ("text", "boolean") else "",
        )
        for one in profile.columns
    ]
    columns = ("column", "type", "missing", "distinct", "min", "mean", "max", "most frequent")
    output.table(columns, rows, right=("missing", "distinct", "min", "mean", "max"))


def _datasets(output: Output) -> list[Dataset]:
    from orchestrator.client.datasets import datasets

    client = client_for(output)
    return datasets(client.session()) if client.reachable else []
