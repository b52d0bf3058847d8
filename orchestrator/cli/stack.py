"""up, down, workers, flower: the embedded stack and the pools."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from orchestrator.cli.connecting import read_settings
from orchestrator.cli.output import Output, verb
from orchestrator.contracts.errors import Unreachable

if TYPE_CHECKING:
    from orchestrator.client.session import Session
    from orchestrator.local.state import StackState


@click.command()
@verb
def up(output: Output) -> None:
    """Start the embedded stack: Redis, worker pools, orchestrator service, Flower. A second `up` does nothing."""
    from orchestrator.local import up as start

    state, started = start(read_settings(), output.say)
    if output.as_json:
        output.document({"started": started, **_stack(state)})
        return
    output.show("The stack is up" if started else "The stack was up already")
    _show_stack(output, state)
    output.show("Next: cyclery run FILE · stop it all: cyclery down")


@click.command()
@verb
def down(output: Output) -> None:
    """Stop the embedded stack; runs go on when it is up again."""
    from orchestrator.local import down as stop

    stopped = stop(read_settings(), output.say)
    if output.as_json:
        output.document({"stopped": stopped})
    else:
        output.show("The stack is down" if stopped else "There was no stack to stop")


@click.command()
@verb
def workers(output: Output) -> None:
    """List worker pools, and how many messages wait in each queue."""
    from orchestrator.contracts.tasks import Queue

    session = _running()
    pools = session.history.pools()
    waiting = {queue.value: int(session.redis.llen(session.history.keys.broker(queue.value))) for queue in Queue}
    if output.as_json:
        output.document({"pools": [asdict(pool) for pool in pools], "waiting": waiting})
        return
    if pools:
        rows = [(one.node, one.processes, waiting[one.queue], one.version, one.environment[7:19]) for one in pools]
        columns = ("pool", "processes", "waiting", "cyclery", "environment")
        output.table(columns, rows, right=("processes", "waiting"))
    for queue in waiting.keys() - {pool.queue for pool in pools}:
        output.show(f"No pool serves {queue} ({waiting[queue]} waiting): start one (`cyclery up`, or deploy/README.md)")


@click.command()
@click.option("--open", "opened", is_flag=True, help="Show it in the browser.")
@verb
def flower(output: Output, *, opened: bool) -> None:
    """Say where Flower is."""
    from orchestrator.local import status

    settings = read_settings()
    if settings.redis_url is not None:
        raise Unreachable(
            "CYCLERY_REDIS_URL is set: Flower is where that Redis's stack publishes it, with compose.yaml at "
            "http://127.0.0.1:5555 on its host (CYCLERY_FLOWER_BIND and the password of user cyclery are in its .env)"
        )
    state = status(settings)
    if state is None or state.flower_url is None:
        raise Unreachable("no Flower runs in this home: `cyclery up` starts the stack with it")
    if opened:
        click.launch(state.flower_url)
    if output.as_json:
        output.document({"url": state.flower_url})
    else:
        output.show(state.flower_url)


def _running() -> Session:
    """A session with the Redis that the settings name, or with the stack that runs; nothing is started."""
    from orchestrator.client.session import Session
    from orchestrator.local import find

    settings = read_settings()
    reached = find(settings)
    if reached is None:
        raise Unreachable("no stack runs in this home: `cyclery up` starts one")
    return Session(reached, embedded=settings.redis_url is None)


def _stack(state: StackState) -> dict[str, object]:
    processes = [{"name": one.name, "pid": one.pid, "restarts": one.restarts} for one in state.processes]
    return {"flower": state.flower_url, "processes": processes}


def _show_stack(output: Output, state: StackState) -> None:
    rows = [(one.name, one.pid or "starting", one.restarts or "") for one in state.processes]
    output.table(("process", "pid", "restarts"), rows, right=("pid",))
    if state.flower_url is not None:
        output.show(f"Flower: {state.flower_url}")
