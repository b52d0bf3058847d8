"""runs, status, logs, report: what only looks."""

from __future__ import annotations

import click

from orchestrator.cli.connecting import client_for, run_argument
from orchestrator.cli.following import through_outages
from orchestrator.cli.output import Output, verb
from orchestrator.cli.terminal import plain


@click.command()
@click.option("--limit", type=click.IntRange(min=1), default=20, show_default=True, help="How many.")
@verb
def runs(output: Output, limit: int) -> None:
    """List runs, the newest first."""
    client = client_for(output)
    found = client.runs(limit)
    if output.as_json:
        output.document([summary.model_dump(mode="json") for summary in found])
        return
    if not found:
        output.show(client.lost() or "No runs yet. Next: cyclery run FILE")
        return
    from rich.text import Text

    from orchestrator.cli.words import STYLES, ago, duration

    rows = [
        (
            one.run,
            Text(str(one.status), STYLES.get(one.status, "")),
            f"{one.done}/{one.stages}",
            duration(one.finished - one.created) if one.finished else "",
            ago(one.created),
            one.author,
        )
        for one in found
    ]
    output.table(("run", "status", "stages", "took", "begun", "by"), rows, right=("stages", "took"))


@click.command()
@run_argument
@verb
def status(output: Output, run: str) -> int:
    """Show how a run stands; the exit code says it too."""
    from orchestrator.cli.summary import exit_code, show_end

    found = client_for(output).run(run)
    record = found.record()
    document = found.document(record=record)
    if output.as_json:
        output.document(document)
        return exit_code(record)
    from orchestrator.cli.live import tree

    output.show(tree(record, None, [one["message"] for one in document["waiting_for"]]))
    output.show("")
    show_end(output, record, document)
    return exit_code(record)


@click.command()
@run_argument
@click.argument("stage", required=False)
@click.option("-f", "--follow", is_flag=True, help="Go on with each line as it is written.")
@verb
def logs(output: Output, run: str, stage: str | None, *, follow: bool) -> None:
    """Show what the stages of a run wrote, or one of them."""
    from orchestrator.client import logs as reading

    client = client_for(output)
    found = client.run(run)
    lines = reading.lines_of(client.session(), found, stage)
    if follow:
        following = reading.Following(client.session(), found, stage)
        client.session().hurry()
        lines = through_outages(output, found.id, lambda: iter(following))
    if output.as_json:
        written = [{"stage": one.stage, "attempt": one.attempt, "line": one.line} for one in lines]
        output.document({"run": found.id, "stage": stage, "lines": written})
        return
    attempts: dict[str, int] = {}
    for one in lines:
        lead = f"{told}  " if (told := one.of(stage)) else ""
        if attempts.get(one.stage, 1) != one.attempt:
            click.echo(f"{lead}— {heading(one.attempt)} —")
        attempts[one.stage] = one.attempt
        click.echo(plain(f"{lead}{one.line}"))
    if not attempts:
        output.say(f"{stage or found.id} wrote nothing")


def heading(attempt: int) -> str:
    """What stands above the lines of an attempt; a cached stage has made none in this run."""
    return f"attempt {attempt}" if attempt else "cached: written when it ran"


@click.command()
@run_argument
@click.option("--open", "opened", is_flag=True, help="Show it in the browser.")
@verb
def report(output: Output, run: str, *, opened: bool) -> None:
    """Write a run's HTML report and say where it is."""
    found = client_for(output).run(run)
    place = found.report()
    if opened:
        click.launch(str(place))
    if output.as_json:
        output.document({"run": found.id, "report": str(place)})
    else:
        output.show(str(place))
