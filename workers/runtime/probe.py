"""The diagnostic stage: does as little as it is told; used by doctor, benchmarks and tests."""

from __future__ import annotations

import time
from typing import Any, NamedTuple

from orchestrator.contracts.errors import StageFailed
from orchestrator.contracts.tasks import ProbeParams
from workers.runtime.codecs import Artifact
from workers.runtime.context import StageContext

STEP_S = 0.05


class ProbeOutputs(NamedTuple):
    """What came in; nothing where nothing did."""

    echo: dict[str, Any] | None


def probe(before: list[Artifact] | None = None, *, params: ProbeParams, context: StageContext) -> ProbeOutputs:
    """Stay for a while, or fail, and give back what was given."""
    end = time.monotonic() + params.seconds
    while (left := end - time.monotonic()) > 0 and not context.cancelled:
        time.sleep(min(left, STEP_S))
        context.progress(1 - left / params.seconds)
    if params.fail is not None:
        raise StageFailed(params.fail)
    if params.echo is None and not before:
        return ProbeOutputs(None)
    return ProbeOutputs({"echo": params.echo, "before": len(before or ())})
