"""The order in which people see stages: each after what it waits for, in lifecycle order, trials by number."""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterable, Sequence
from typing import Protocol, TypeVar

from orchestrator.plan.placing import SPINE

_PLACES = {name: place for place, name in enumerate(SPINE)}


class _Stage(Protocol):
    @property
    def id(self) -> str: ...

    @property
    def after(self) -> Sequence[str]: ...


S = TypeVar("S", bound=_Stage)


def in_plan_order(stages: Iterable[S]) -> list[S]:
    """Stages whose `after` names all that they wait for, as records have it; hashes in Redis keep no order."""
    by_id = {stage.id: stage for stage in stages}
    pending = {stage.id: sum(1 for one in stage.after if one in by_id) for stage in by_id.values()}
    following: dict[str, list[str]] = {}
    for stage in by_id.values():
        for upstream in stage.after:
            following.setdefault(upstream, []).append(stage.id)
    ready = [_rank(name) for name, count in pending.items() if count == 0]
    heapq.heapify(ready)
    ordered: list[S] = []
    while ready:
        name = heapq.heappop(ready)[-1]
        ordered.append(by_id[name])
        for later in following.get(name, ()):
            pending[later] -= 1
            if pending[later] == 0:
                heapq.heappush(ready, _rank(later))
    return ordered


def _rank(identifier: str) -> tuple[int, str, int, str]:
    """Own stages as soon as they can, then the lifecycle's order; `train[x#10]` after `train[x#9]`."""
    found = re.fullmatch(r"(\w+)\[(.*?)(?:#(\d+))?\]", identifier)
    group, name, number = (found[1], found[2], int(found[3] or 0)) if found else (identifier, "", 0)
    return _PLACES.get(group, -1), name, number, identifier
