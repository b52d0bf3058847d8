"""release.measure: how fast and how heavy the bundle is, for the gates that ask for it."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from orchestrator.contracts.documents.release import Measurements
from workers.packaging.alone import rounds_in_own_process
from workers.packaging.bundle import described
from workers.packaging.performance import BATCH
from workers.runtime.codecs import Artifact
from workers.runtime.context import StageContext
from workers.runtime.tables import read_table
from workers.runtime.threads import VARIABLES, cores


class MeasureOutputs(NamedTuple):
    """What was measured: no two times alike, so a bundle is measured once, and keeps what was found."""

    measurements: Measurements


def measure(bundle: Path, source: Artifact, predictions: pd.DataFrame, *, context: StageContext) -> MeasureOutputs:
    """Ask the bundle alone about the raw test rows, all at once and one by one, in rounds.

    A bundle that cannot be served from raw rows is not measured, and its measurements say why.
    """
    signature = described(bundle)[0].signature
    if not signature.servable:
        return MeasureOutputs(Measurements(why=f"it cannot be served from raw rows: {signature.not_servable_because}"))
    raw = read_table(source.path()).loc[predictions.index, [column.name for column in signature.inputs]]
    measured = datetime.now(UTC).isoformat(timespec="seconds")
    found = rounds_in_own_process(bundle, raw, context.workdir)
    context.log.info("measured in %d rounds, each in a process of its own", len(found))
    return MeasureOutputs(
        Measurements(
            rounds=found,
            batch_rows=min(len(raw), BATCH),
            host=platform.node(),
            cores=cores(),
            threads=int(os.environ.get(VARIABLES[0]) or cores()),
            measured=measured,
        )
    )
