"""init, check, schema, completion: what needs neither Redis nor workers."""

from __future__ import annotations

from pathlib import Path

import click

from orchestrator.cli.connecting import FILE, read_settings
from orchestrator.cli.output import Output, verb


@click.command()
@click.argument("directory", type=click.Path(path_type=Path), default=Path())
@click.option("--example", default="cancer", show_default=True, metavar="NAME", help="cancer, wine, diabetes, digits.")
@verb
def init(output: Output, directory: Path, example: str) -> None:
    """Write a starter project with real data into DIRECTORY (here by default)."""
    from orchestrator.spec.starter import write_starter

    written = write_starter(directory, example)
    place = "" if directory == Path() else f"cd {directory} && "
    command = f"{place}cyclery run {example}.yaml"
    if output.as_json:
        output.document({"example": example, "files": [str(path) for path in written], "next": command})
        return
    for path in written:
        output.show(str(path))
    output.show(f"Next: {command}")


@click.command()
@click.argument("file", type=FILE)
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override: train.search.folds=3.")
@verb
def check(output: Output, file: Path, overrides: tuple[str, ...]) -> int:
    """Validate a workflow file; all problems are shown at once."""
    from orchestrator.client.planning import plan_checked
    from orchestrator.client.workflow import Workflow
    from orchestrator.contracts.errors import SpecError
    from orchestrator.contracts.training import TRIALS, trials_of

    try:
        plan = plan_checked(Workflow.load(file, overrides), read_settings())
    except SpecError as error:
        if output.as_json:
            output.document({"file": str(file), "valid": False, "problems": list(error.problems)})
        for problem in error.problems:
            output.say(problem)
        return error.exit_code
    steps = [call for call in plan.stages if call.task == "train.search"]
    trials = steps[0].params["trials"] if steps else sum(trials_of(call.task, call.params) for call in plan.stages)
    if output.as_json:
        counts = {"stages": len(plan.stages), "trials": trials}
        output.document({"file": str(file), "valid": True, "problems": [], "workflow": plan.workflow, **counts})
        return 0
    holding = sum(call.task in TRIALS for call in plan.stages)
    words = (
        f"and up to {trials} trial{'s' if trials > 1 else ''}, as the search goes"
        if steps
        else f"{trials} of them trials"
        if trials == holding
        else f"{trials} trials in {holding} of them"
    )
    output.show(f"{file}: {plan.workflow} is fine: {len(plan.stages)} stages, {words}")
    output.show(f"Next: cyclery run {file}")
    return 0


@click.command()
@verb
def schema(output: Output) -> None:  # noqa: ARG001  (the schema is JSON either way)
    """Print the JSON Schema of workflow files, for editors."""
    import json

    from orchestrator.spec.schema import schema as schema_of

    click.echo(json.dumps(schema_of(), indent=2, ensure_ascii=False))


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@verb
def completion(output: Output, shell: str) -> None:
    """Print a shell's completion script: eval "$(cyclery completion bash)"."""
    from click.shell_completion import get_completion_class

    from orchestrator.cli.main import cyclery

    found = get_completion_class(shell)
    if found is None:
        raise click.UsageError(f"there is no completion for {shell}")
    script = found(cyclery, {}, "cyclery", "_CYCLERY_COMPLETE").source()
    if output.as_json:
        output.document({"shell": shell, "script": script})
    else:
        click.echo(script)
