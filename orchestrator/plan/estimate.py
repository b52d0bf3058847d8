"""How long a plan may take: earlier measurements, played through the pools' widths."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Mapping
from typing import Any

from orchestrator.contracts.calls import Plan
from orchestrator.contracts.training import FITS

OVERHEAD_S = 0.02  # of one stage: message, claim, loading, commit


def label(identifier: str, task: str, params: Mapping[str, Any]) -> str:
    """What stages that take about as long as one another have in common: the candidate fitted, an own stage's name."""
    if task in FITS:
        return f"{task}:{params.get('candidate')}"
    return f"{task}:{identifier}" if task == "custom" else task


def estimate(
    plan: Plan, cached: Collection[str], seconds: Mapping[str, float], slots: Mapping[str, int]
) -> float | None:
    """Seconds until all stages are done that are not cached; None where nothing is known of one of them.

    `seconds` is by stage id, else by `label`; `slots` is processes by queue. Each pool gives the next
    stage of the plan to the process that is free first; waiting for people counts nothing.
    """
    free = {queue: [0.0] * max(1, slots.get(queue, 1)) for queue in {call.queue for call in plan.stages}}
    ends: dict[str, float] = {}
    for call in plan.stages:
        ready = max((ends[stage] for stage in call.upstream()), default=0.0)
        if call.id in cached or call.policy.hold is not None:
            ends[call.id] = ready
            continue
        known = seconds.get(call.id, seconds.get(label(call.id, call.task, call.params)))
        if known is None:
            return None
        start = max(ready, heapq.heappop(free[call.queue]))
        ends[call.id] = start + known + OVERHEAD_S
        heapq.heappush(free[call.queue], ends[call.id])
    return max(ends.values(), default=0.0)
