"""models, model, promote, rollback, archive: the registry."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from orchestrator.cli.connecting import client_for
from orchestrator.cli.output import Output, verb

if TYPE_CHECKING:
    from orchestrator.contracts.documents.release import Performance
    from orchestrator.contracts.records import ModelVersion

NOTE = click.option("--note", metavar="TEXT", help="Why; kept in the audit log.")


@click.command()
@click.argument("name", required=False)
@verb
def models(output: Output, name: str | None) -> None:
    """List models with their versions."""
    from orchestrator.report.document import models_document

    client = client_for(output)
    found = client.models(name)
    if output.as_json:
        output.document(models_document(found))
        return
    if not found:
        output.show(client.lost() or "No models yet. Next: cyclery run FILE")
        return
    from rich.text import Text

    from orchestrator.cli.words import STYLES, ago, interval, settings_of

    rows = [
        (
            one.name,
            Text(one.stage, STYLES.get(one.stage, "")),
            one.candidate,
            settings_of(one.params),
            next((f"{metric} {interval(value)}" for metric, value in one.metrics_in_order.items()), ""),
            ago(one.created),
            one.run,
        )
        for one in found
    ]
    output.table(("model", "stage", "candidate", "parameters", "on the test rows", "made", "run"), rows)


@click.command()
@click.argument("reference", metavar="NAME[@VERSION|@production]")
@click.option("--export", "folder", type=click.Path(path_type=Path), metavar="DIR", help="Copy its artifacts here.")
@verb
def model(output: Output, reference: str, folder: Path | None) -> None:
    """Show one model version; with --export copy its bundle, rows, features, trials and evidence."""
    client = client_for(output)
    version = client.model(reference)
    measured = client.performance(version)
    document = _document(version) | {"performance": measured and measured.model_dump(mode="json")}
    if folder is not None:
        from orchestrator.client.exporting import export

        written = export(client.session(), version, folder)
        document["exported"] = [str(path) for path in written]
    if output.as_json:
        output.document(document)
        return
    _show(output, version, measured)
    for path in document.get("exported", ()):
        output.show(path)


def _document(version: ModelVersion) -> dict[str, Any]:
    from orchestrator.report.document import models_document

    (entry,) = models_document([version])
    (row,) = entry["versions"]
    return {"model": version.name, **row}


def _show(output: Output, version: ModelVersion, measured: Performance | None) -> None:
    from orchestrator.cli.words import ago, interval, settings_of
    from orchestrator.contracts.documents.training import DecisionThreshold

    output.show(f"{version.name}  {version.stage}  made {ago(version.created)} by {version.run}")
    params = settings_of(version.params)
    output.show(f"{version.candidate}{f' ({params})' if params else ''}")
    if version.threshold is not None:
        output.show(f"Decides: {DecisionThreshold.model_validate(version.threshold).sentence}")
    rows = [(name, interval(value)) for name, value in version.metrics_in_order.items()]
    output.table(("on the test rows", ""), rows)
    if measured is not None:
        from orchestrator.report.wording import performance

        output.table(("what it takes to run", ""), performance(measured))
    for reason in version.reasons:
        output.show(f"Refused: {reason}")
    output.show(f"Bundle: {version.digest}")
    if version.stage in ("candidate", "staging"):
        output.show(f"Next: cyclery promote {version.name}")


@click.command()
@click.argument("reference", metavar="NAME[@VERSION]")
@click.option(
    "--to", type=click.Choice(["production", "staging"]), default="production", show_default=True, help="Where to."
)
@NOTE
@verb
def promote(output: Output, reference: str, to: Literal["staging", "production"], note: str | None) -> None:
    """Put a version into production (or staging); the one before is kept for `rollback`."""
    _moved(output, client_for(output).promote(reference, to, note), f"cyclery model {reference.partition('@')[0]}@{to}")


@click.command()
@click.argument("reference", metavar="NAME[@VERSION]")
@NOTE
@verb
def archive(output: Output, reference: str, note: str | None) -> None:
    """Take a version out of use; it stays in the registry."""
    _moved(output, client_for(output).promote(reference, "archived", note), "cyclery models")


@click.command()
@click.argument("name", metavar="NAME")
@NOTE
@verb
def rollback(output: Output, name: str, note: str | None) -> None:
    """Put the version that was in production before there again."""
    _moved(output, client_for(output).rollback(name, note), f"cyclery model {name}@production")


def _moved(output: Output, version: ModelVersion, following: str) -> None:
    if output.as_json:
        output.document(_document(version))
    else:
        output.show(
            f"{version.name} is in {version.stage}" if version.stage != "archived" else f"{version.name} is archived"
        )
        output.show(f"Next: {following}")
