"""plan: what a submission would do."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orchestrator.cli.connecting import FILE, client_for
from orchestrator.cli.output import Output, verb

if TYPE_CHECKING:
    from orchestrator.client.client import Client
    from orchestrator.client.planning import Outlook
    from orchestrator.contracts.calls import StageCall
    from orchestrator.contracts.documents.data import Preparation
    from orchestrator.spec.models import Spec


@click.command()
@click.argument("file", type=FILE)
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override: train.search.folds=3.")
@click.option("--seed", type=int, help="Seed of everything that is drawn.")
@verb
def plan(output: Output, file: Path, overrides: tuple[str, ...], seed: int | None) -> None:
    """Show stages, what is cached, how long it may take, what changed since the last run."""
    from orchestrator.client.workflow import Workflow

    workflow = Workflow.load(file, overrides)
    if seed is not None:
        workflow = workflow.seeded(seed)
    client = client_for(output)
    outlook = client.plan(workflow)
    preparation = _preparation(client, outlook)
    if output.as_json:
        output.document(_document(outlook, preparation))
    else:
        _show(output, outlook, workflow.spec, preparation)


def _document(outlook: Outlook, preparation: Preparation | None) -> dict[str, Any]:
    from orchestrator.report.document import plan_document

    known = outlook.cached
    cached = {call.id: None if known is None else call.id in known for call in outlook.plan.stages}
    changes = [{"stage": one.stage, "change": one.kind, "reasons": list(one.reasons)} for one in outlook.changes]
    return plan_document(outlook.plan, cached, outlook.estimate_s) | {
        "previous": outlook.previous,
        "changes": changes,
        "preparation": preparation.model_dump(mode="json") if preparation else None,
    }


def _preparation(client: Client, outlook: Outlook) -> Preparation | None:
    """The resolved rules, once a run has seen this data: of this very features stage, else of the last run."""
    if outlook.cached is None:
        return None
    from orchestrator.client.planning import known_output
    from orchestrator.contracts.documents.data import Preparation

    data = known_output(client.session(), outlook, "features", "preparation")
    return Preparation.model_validate_json(data) if data is not None else None


def _show(output: Output, outlook: Outlook, spec: Spec, preparation: Preparation | None) -> None:
    from orchestrator.cli.words import duration

    output.show(f"{outlook.plan.workflow}: {len(outlook.plan.stages)} stages")
    groups: dict[str, list[StageCall]] = {}
    for call in outlook.plan.stages:
        groups.setdefault(_group(call), []).append(call)
    rows = [
        (name, calls[0].shadow or calls[0].task, calls[0].queue, _state(calls, outlook))
        for name, calls in groups.items()
    ]
    output.table(("stage", "task", "queue", ""), rows)
    if outlook.estimate_s is not None:
        output.show(f"\nEstimated: {duration(outlook.estimate_s)}")
    elif outlook.cached is not None:
        output.show("\nEstimated: unknown before its stages have run once")
    _show_preparation(output, spec, preparation)
    _show_changes(output, outlook)
    for note in outlook.plan.notes:
        output.show(f"Note: {note}")


def _group(call: StageCall) -> str:
    """Trials of one candidate are one line, and so are the steps of a search."""
    from orchestrator.contracts.training import OF_TRIALS

    if call.task == "train.search":
        return "search"
    return call.id.partition("#")[0] + "]" if call.task in OF_TRIALS else call.id


def _held(call: StageCall) -> int:
    """How many trials the stage holds."""
    from orchestrator.contracts.training import trials_of

    return trials_of(call.task, call.params)


def _state(calls: list[StageCall], outlook: Outlook) -> str:
    trials, folds = sum(map(_held, calls)), sum(call.task == "train.fold" for call in calls)
    count = f"{trials} trial{'s' if trials > 1 else ''}" + (f" in {folds} folds" if folds else "")
    width = f"{count}: " if trials else ""
    if calls[0].task == "train.search":
        return f"up to {calls[0].params['trials']} trials, as the search goes"
    if calls[0].policy.hold is not None:
        return "held for a person"
    if outlook.cached is None:
        return f"{width}to run".removesuffix(": to run") if width else ""
    cached = sum(_held(call) if trials else 1 for call in calls if call.id in outlook.cached)
    left = (trials or len(calls)) - cached
    if not left:
        return f"{width}cached"
    return f"{width}{cached} cached, {left} to run" if cached else f"{width}to run"


def _show_preparation(output: Output, spec: Spec, preparation: Preparation | None) -> None:
    """The rules of automatic preparation: by type before the data was seen, then column by column."""
    if preparation is None:
        output.show(
            "\nPreparation, learned from training rows; by column once a run has seen the data, until then by type:\n"
            "  numbers  median where missing, scaled\n"
            "  text     categories, one column each; those never seen in training count as none\n"
            "  dates    parts of the date · booleans 0 and 1"
        )
        for name, rule in spec.features.columns.items():
            said = rule.model_dump(exclude_none=True)
            output.show(f"  {name}: {', '.join(f'{key} {value}' for key, value in said.items())}")
        return
    output.show("\nPreparation, learned from training rows:")
    rows = [
        (one.name, one.rule.type, one.rule.missing, one.rule.encode, one.rule.scale, one.reason)
        for one in preparation.features
    ]
    output.table(("column", "type", "missing", "encode", "scale", "because"), rows)
    for name, reason in preparation.dropped.items():
        output.show(f"{name} is left out: {reason}")


def _show_changes(output: Output, outlook: Outlook) -> None:
    if outlook.previous is None:
        return
    if not outlook.changes:
        output.show(f"\nNothing changed since {outlook.previous}")
        return
    output.show(f"\nSince {outlook.previous}:")
    merged: dict[tuple[str, str, str], int] = {}
    for one in outlook.changes:
        key = (one.stage.partition("[")[0], one.kind, "; ".join(one.reasons))
        merged[key] = merged.get(key, 0) + 1
    rows = [(f"{name} × {count}" if count > 1 else name, kind, why) for (name, kind, why), count in merged.items()]
    output.table(("stage", "", "because"), rows)
