"""feasibility: is the data enough and the target realistic, before compute is spent."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import click

from orchestrator.cli.connecting import FILE, client_for
from orchestrator.cli.output import Output, verb

INTERRUPTED = 130
STYLES = {"realistic": "green", "doubtful": "yellow", "out of reach": "red"}


@click.command()
@click.argument("file", type=FILE)
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override: objective.target=0.85.")
@click.option("--seed", type=int, help="Seed of everything that is drawn.")
@verb
def feasibility(output: Output, file: Path, overrides: tuple[str, ...], seed: int | None) -> int:
    """Tell whether data and target are realistic, before the search."""
    from orchestrator.cli.following import watched
    from orchestrator.cli.summary import exit_code, show_end
    from orchestrator.client.workflow import Workflow
    from orchestrator.plan import search
    from orchestrator.plan.candidates import expand
    from orchestrator.report.feasibility import feasibility_document

    workflow = Workflow.load(file, overrides)
    client = client_for(output)
    run = client.feasibility(workflow, seed)
    try:
        record = watched(output, client, run)
    except KeyboardInterrupt:
        output.say(f"\nDetached; {run.id} goes on. Back: cyclery watch {run.id}")
        return INTERRUPTED
    train = workflow.spec.train
    trials = Counter(trial.candidate.name for trial in expand(train))
    workers = client.session().history.slots().get("train", 1)
    document = run.document(record=record)
    budget = search.budget_s(train.search, workers)
    evidence, share = run.evidence(record), search.mean_share(train)
    found = feasibility_document(evidence, trials, train.search.folds, workers, share=share, budget_s=budget)
    if output.as_json:
        output.document({"run": run.id, "workflow": workflow.spec.name, "status": document["status"],
                         "seconds": document["seconds"], "feasibility": found, "error": document["error"]})  # fmt: skip
    elif found is None:
        show_end(output, record, document)
    else:
        _show(output, found, file, "up to " if search.grows(train.search) else "")
    return exit_code(record)


def _show(output: Output, found: dict[str, Any], file: Path, at_most: str) -> None:
    from rich.text import Text

    from orchestrator.cli.words import duration, number
    from orchestrator.report.wording import plural

    if found["verdict"] is not None:
        style = STYLES[found["verdict"]]
        output.show(
            Text.assemble((found["verdict"], f"bold {style}"), f": {found['metric']} {number(found['target'])}")
        )
    else:
        output.show(f"No target is given: what {found['metric']} can be reached is estimated")
    for sentence in found["reasons"]:
        output.show(f"  {sentence}")
    for note in found["notes"]:
        output.show(f"Note: {note}")
    cost = found["cost"]
    if cost["seconds"] is not None:
        processes = f"{cost['workers']} {'process' if cost['workers'] == 1 else 'processes'}"
        untimed = f"{', '.join(cost['untimed'])}, not timed: a team's own, or it could not be fitted to a small sample"
        left_out = f", without {untimed}" if cost["untimed"] else ""
        segments = (found.get("segments") or {}).get("large")
        where = f", of all rows and of {plural(segments, 'segment')}," if segments else ""
        what = f"{at_most}{plural(cost['trials'], 'trial')} × {cost['folds']} folds{where} on {processes}"
        output.show(f"\nThe search may take about {duration(cost['seconds'])}: {what}{left_out}")
    output.show(f"Next: cyclery run {file}")
