"""Why a run does not get on: queues that nobody works on, and workers that do not know what it asks."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from orchestrator.client.session import Session
from orchestrator.contracts.records import RunRecord
from orchestrator.contracts.status import RunStatus, StageState
from orchestrator.contracts.tasks import spoken

if TYPE_CHECKING:
    from orchestrator.engine.messages import Pool
    from orchestrator.local.state import StackState

STARTING_S = 30.0  # in which pools of an embedded stack import their libraries


@dataclass(frozen=True, slots=True)
class Waiting:
    """One queue on which a run waits for somebody."""

    queue: str
    reason: Literal["no pool", "older pool"]
    stages: int  # that could run now
    later: int  # that will come to this queue
    message: str  # one line: what is missing, and how it comes


def waiting_of(session: Session, record: RunRecord) -> tuple[Waiting, ...]:
    """What a run that is open misses; nothing while an embedded stack is just starting its pools."""
    if record.status is not RunStatus.RUNNING:
        return ()
    pools = session.history.pools()
    open_ = [stage for stage in record.stages if not stage.state.terminal]
    needed = {stage.queue for stage in open_ if stage.state is not StageState.HELD and stage.task != "release.approve"}
    ready = Counter(stage.queue for stage in open_ if stage.state is StageState.READY)
    total = Counter(stage.queue for stage in open_)
    remedy = _remedy(session)
    found: list[Waiting] = []
    for queue in sorted(needed - {pool.queue for pool in pools}) if remedy else ():
        later = total[queue] - ready[queue]
        message = f"nobody works on queue {queue}: {_count(ready[queue], later)}; {remedy.replace('QUEUE', queue)}"
        found.append(Waiting(queue, "no pool", ready[queue], later, message))
    return (*found, *_unknown(session, record.run, needed, pools, ready, total))


def _count(ready: int, later: int) -> str:
    if ready:
        return f"{ready} {'stage waits' if ready == 1 else 'stages wait'}"
    return f"{later} later {'stage needs' if later == 1 else 'stages need'} it"


def _remedy(session: Session) -> str:
    """How a missing pool comes; empty while it may still be starting."""
    if not session.embedded:
        return "start a pool for it (`worker-QUEUE` of compose.yaml, deploy/README.md)"
    from orchestrator.local import status
    from orchestrator.local.place import Place

    state = status(session.settings)
    if state is None or state.flower_url is None:
        return "`cyclery up` starts the pools of this stack"
    log = Place.of(session.settings.home).log("pools")
    return "" if _starting(state) else f"its pool died or does not start: see {log}"


def _starting(state: StackState) -> bool:
    pools = next((one for one in state.processes if one.name == "pools"), None)
    return pools is None or time.time() - pools.since < STARTING_S


def _unknown(
    session: Session, run: str, needed: set[str], pools: list[Pool], ready: Counter[str], total: Counter[str]
) -> list[Waiting]:
    """Of each queue's pools, what none of them knows of what is still to be done."""
    found = []
    names = session.history.open_names(run)
    for queue in sorted(needed & {pool.queue for pool in pools}):
        serving = [pool for pool in pools if pool.queue == queue]
        unknown = names.get(queue, frozenset()).difference(*(pool.tasks for pool in serving))
        if unknown:
            who = ", ".join(f"{pool.node} runs Cyclery {pool.version}" for pool in serving)
            what = ", ".join(sorted(map(spoken, unknown)))
            message = f"no worker here knows {what} ({who}): upgrade the workers of pool {queue}"
            found.append(Waiting(queue, "older pool", ready[queue], total[queue] - ready[queue], message))
    return found
