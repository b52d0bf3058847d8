"""run, watch, retry, cancel: what moves a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestrator.cli.connecting import FILE, client_for, run_argument
from orchestrator.cli.following import follow
from orchestrator.cli.output import Output, verb

if TYPE_CHECKING:
    from orchestrator.client.run import Run


@click.command()
@click.argument("file", type=FILE)
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override: train.search.folds=3.")
@click.option("--detach", is_flag=True, help="Submit and leave.")
@click.option("--seed", type=int, help="Seed of everything that is drawn.")
@click.option("--new", is_flag=True, help="Start another run even if an identical one is active.")
@verb
def run(
    output: Output, file: Path, overrides: tuple[str, ...], seed: int | None, *, detach: bool, new: bool
) -> int | None:
    """Submit a workflow and watch it. Ctrl-C detaches: the run goes on."""
    from orchestrator.client.workflow import Workflow

    workflow = Workflow.load(file, overrides)
    client = client_for(output)
    submitted = client.submit(workflow, seed, new=new)
    if submitted.attached:
        output.say(f"{submitted.id} is the same and under way: watching it (--new starts another)")
    if detach:
        _leave(output, submitted)
        return 0
    return follow(output, client, submitted)


@click.command()
@run_argument
@verb
def watch(output: Output, run: str) -> int | None:
    """Watch a run until it ends, or waits for a person. Ctrl-C leaves it running."""
    client = client_for(output)
    return follow(output, client, client.run(run))


@click.command()
@run_argument
@click.option("--from", "from_stage", metavar="STAGE", help="Run this stage and what depends on it afresh.")
@click.option("--same-code", is_flag=True, help="With the spec and code of the run, not with today's.")
@click.option("--file", type=FILE, help="The workflow file, where it moved or the run came from elsewhere.")
@click.option("--detach", is_flag=True, help="Submit and leave.")
@verb
def retry(
    output: Output, run: str, from_stage: str | None, file: Path | None, *, same_code: bool, detach: bool
) -> int | None:
    """Run an ended run again with today's spec and code, keeping what still matches."""
    client = client_for(output)
    again = client.retry(run, from_stage=from_stage, same_code=same_code, file=file)
    if detach:
        _leave(output, again)
        return 0
    return follow(output, client, again)


@click.command()
@run_argument
@verb
def cancel(output: Output, run: str) -> None:
    """Stop a run: what has not begun never begins, what runs is told."""
    client = client_for(output)
    before = client.run(run)
    if before.status.ended:
        output.say(f"{before.id} had ended already")
    else:
        client.cancel(before.id)
    document = before.document()
    if output.as_json:
        output.document(document)
    elif before.status.ended:
        following = "retry" if document["status"] == "cancelled" else "status"
        output.show(f"{before.id} is {document['status']}", f"Next: cyclery {following} {before.id}")
    else:  # a stage that runs hears of it with its next heartbeat
        output.show(
            f"{before.id} is being cancelled; stages that run stop within seconds", f"Next: cyclery watch {before.id}"
        )


def _leave(output: Output, run: Run) -> None:
    if output.as_json:
        output.document(run.document())
    else:
        output.show(f"{run.id} is under way", f"Next: cyclery watch {run.id}")
