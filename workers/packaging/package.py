"""release.package: builds the bundle, proves it on raw rows, and measures it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pandas as pd
from sklearn.base import BaseEstimator

from orchestrator.contracts.documents.data import Changes, Preparation
from orchestrator.contracts.documents.release import Signature
from orchestrator.contracts.environment import computing_environment
from orchestrator.contracts.release import PackageParams
from workers.model_files import save_model
from workers.packaging.alone import measure_in_own_process
from workers.packaging.bundle import write_bundle
from workers.packaging.manifest import Manifest
from workers.packaging.own_code import gather, own_modules
from workers.packaging.performance import performance
from workers.packaging.proof import prove
from workers.packaging.signature import dtype_of, sign
from workers.runtime.codecs import Artifact
from workers.runtime.context import StageContext
from workers.runtime.tables import read_table


class PackageOutputs(NamedTuple):
    """The bundle, and what it takes and gives."""

    bundle: Path
    signature: Signature


def package(
    model: BaseEstimator,
    preparation: Preparation,
    changes: Changes,
    source: Artifact,
    predictions: pd.DataFrame,
    *,
    params: PackageParams,
    context: StageContext,
) -> PackageOutputs:
    """Write the bundle, and give it the raw test rows alone: it must predict what the run predicted.

    A bundle that cannot be served from raw rows says why in its signature; the proof is passed over then.
    """
    table = read_table(source.path())
    signature = sign(table, preparation, changes, params)
    manifest = Manifest(
        model=params.model,
        objective=params.objective,
        signature=signature,
        dtypes={column.name: dtype_of(table[column.name], column) for column in signature.inputs},
        changes=changes,
        preparation=preparation,
        custom=params.custom,
        environment=computing_environment(),  # equal keys are equal bytes, whichever release packs them
    )
    codes = [*(step.code for step in params.custom), *([params.own] if params.own else [])]
    code = gather((one.snapshot for one in codes), source.store)
    path = context.workdir / f"{params.model}.zip"
    write_bundle(path, manifest, _model_bytes(model, own_modules(code), context.workdir), code)
    _judge(path, manifest, table, predictions, own=bool(code), context=context)
    return PackageOutputs(path, signature)


def _model_bytes(model: BaseEstimator, own: frozenset[str], workdir: Path) -> bytes:
    file = workdir / "model.skops"
    save_model(model, file, own_modules=own)
    return file.read_bytes()


def _judge(
    path: Path,
    manifest: Manifest,
    table: pd.DataFrame,
    predictions: pd.DataFrame,
    *,
    own: bool,
    context: StageContext,
) -> None:
    signature, dtype = manifest.signature, manifest.preparation.dtype or "float64"
    if not signature.servable:
        context.log.warning("not proved on raw rows: %s", signature.not_servable_because)
        return
    raw = table.loc[predictions.index, [column.name for column in signature.inputs]]
    proved = prove(path, raw, predictions, dtype=dtype, own=own, workdir=context.workdir)
    context.measure("proved_rows", proved)
    measured = measure_in_own_process(path, raw, context.workdir) if own else performance(path, raw)
    context.measure("performance", measured.model_dump(mode="json"))
    context.log.info("%d raw test rows through the bundle alone: the run's own predictions", proved)
