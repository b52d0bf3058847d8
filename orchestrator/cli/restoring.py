"""restore: an empty Redis is given back what the store keeps."""

from __future__ import annotations

from typing import Any

import click

from orchestrator.cli.connecting import client_for
from orchestrator.cli.output import Output, verb


@click.command()
@click.option("--dry-run", is_flag=True, help="Only say what would come back.")
@click.option("--accept-gaps", is_flag=True, help="Go on without decisions that the store lacks.")
@verb
def restore(output: Output, *, dry_run: bool, accept_gaps: bool) -> None:
    """Rebuild runs, models and the audit log in an empty Redis from the store."""
    found = client_for(output).restore(dry_run=dry_run, accept_gaps=accept_gaps)
    if output.as_json:
        output.document(found)
        return
    _show(output, found)
    _show_in_flight(output, found["in_flight"])
    if dry_run:
        output.show("Nothing was changed. Next: cyclery restore")
    elif not found["in_flight"]:
        output.show("Next: cyclery runs · cyclery models")


def _show(output: Output, found: dict[str, Any]) -> None:
    from orchestrator.cli.words import ago

    would = "would come back" if found["dry_run"] else "came back"
    older = f", {found['older_runs']} older ones stay readable by `status`" if found["older_runs"] else ""
    output.show(f"From {found['store']} into namespace {found['namespace']}, {would}:")
    rows = [
        ("runs", f"{found['runs']}{older}"),
        ("models", _models(found["models"])),
        ("decisions", f"{found['decisions']} (the audit log goes on after {found['audit']})"),
        ("results", f"{found['results']} that will be found again"),
    ]
    output.table(("", ""), rows)
    if found["newest"] is not None:
        output.show(
            f"The newest record is of {ago(found['newest'])}; what was accepted after the service had last written "
            "(each 2 s) is not there"
        )
    if found["missing"]:
        output.show(
            f"! Missing decisions: {', '.join(map(str, found['missing']))}: look whether `cyclery models` is right"
        )
    if found["damaged"]:
        output.show(f"! Cannot be read, left out: {', '.join(found['damaged'])}")


def _models(models: list[dict[str, Any]]) -> str:
    if not models:
        return "none"
    told = [
        f"{one['model']} ({one['versions']}{', live @' + str(one['production']) if one['production'] else ''})"
        for one in models
    ]
    return f"{len(models)}: {', '.join(told)}"


def _show_in_flight(output: Output, runs: list[dict[str, Any]]) -> None:
    if not runs:
        output.show("No run was under way")
        return
    from orchestrator.cli.words import ago

    output.show("", f"Under way when Redis was lost, to be submitted again ({len(runs)}):")
    rows = [
        (one["run"], one["workflow"], one["author"], ago(one["submitted"]), _known(one), _decided(one), one["next"])
        for one in runs
    ]
    output.table(("run", "workflow", "by", "submitted", "known stages", "decided", "next"), rows)


def _known(one: dict[str, Any]) -> str:
    return "" if one["stages"] is None else f"{one['known']} of {one['stages']}"


def _decided(one: dict[str, Any]) -> str:
    return ", ".join(f"{each['verdict']} by {each['by']}" for each in one["decisions"])
