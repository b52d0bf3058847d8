"""docs/verify.md: its Python, run on what the stages leave, computes the same scores and predictions."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path

import pandas as pd
import pytest

from orchestrator.contracts.calls import Kind
from orchestrator.contracts.data import Cast, FeaturesParams, IngestParams, PrepareParams, SplitMethod, SplitParams
from orchestrator.contracts.evaluation import EvaluateParams
from orchestrator.contracts.release import PackageParams
from orchestrator.contracts.roles import Columns, Objective, Threshold
from orchestrator.contracts.training import SelectParams, TrialParams
from orchestrator.contracts.values import Value
from orchestrator.store.artifacts import ArtifactStore
from orchestrator.store.cache import HostCache
from tests.unit.bundle_case import OBJECTIVE, csv
from tests.unit.training_case import Quiet
from workers.data.ingest import ingest
from workers.data.prepare import prepare
from workers.data.split import split
from workers.evaluation.evaluate import evaluate
from workers.features.build import build
from workers.model_files import load_model, save_model
from workers.packaging.package import package
from workers.runtime.codecs import Artifact
from workers.runtime.context import StageContext
from workers.runtime.tables import read_table, write_table
from workers.training.select import select
from workers.training.trial import trial

PAGE = Path(__file__).resolve().parents[2] / "docs" / "verify.md"
LOGISTIC = {"sklearn.linear_model.LogisticRegression": {"C": 0.5}}
FOREST = {"sklearn.ensemble.RandomForestRegressor": {"n_estimators": 10}}
NETWORK = {"sklearn.neural_network.MLPRegressor": {"tol": 1e9, "n_iter_no_change": 3}}
NEIGHBOURS = {"sklearn.neighbors.KNeighborsClassifier": {"n_neighbors": 9}}
BOOSTING = {"sklearn.ensemble.HistGradientBoostingRegressor": {"max_iter": 10}}
SVC = {"sklearn.svm.SVC": {"C": 2}}


class Workflow:
    """All stages of the data's way, called as plain functions on artifacts of a real store."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = ArtifactStore(str(folder / "store"), folder / "cache", 1 << 30)

    def kept(self, table: pd.DataFrame, name: str) -> Artifact:
        rows = write_table(table, self.folder / name)
        return Artifact(self.store.put_file(self.folder / name, Kind.TABLE, rows), self.store)

    def document(self, value: Value, name: str) -> None:
        (self.folder / name).write_text(json.dumps(value.model_dump(mode="json")))

    def context(self, stage: str) -> StageContext:
        return StageContext(
            run="churn-1", stage=stage, attempt=1, key="k", scratch=self.folder / f"scratch-{stage}", watcher=Quiet(),
            host_files=HostCache(self.folder / "host", 1 << 30),
        )  # fmt: skip

    def run(
        self,
        objective: Objective,
        candidates: dict[str, dict],
        method: SplitMethod,
        roles: Columns,
        gap: int = 0,
        threshold: Threshold | None = None,
        **matrix: str,
    ) -> pd.DataFrame:
        """Leave what `--export` copies; answers the raw table."""
        (self.folder / "raw.csv").write_text(csv(240))
        ingested = ingest(
            self.folder / "raw.csv", params=IngestParams(source="s", filename="raw.csv", format="csv")
        ).table
        source = self.kept(ingested, "source.parquet")
        cast = {"Total": Cast(to="float")}
        prepared = prepare(ingested, params=PrepareParams(rename={"Charge": "charge"}, cast=cast))
        parts = split(
            prepared.table, params=SplitParams(method=method, gap=gap, folds=4, objective=objective, columns=roles)
        )
        rows = self.kept(parts.rows, "rows.parquet")
        params = FeaturesParams(derive={"rate": "Total / months"}, objective=objective, roles=roles, **matrix)
        features = build(prepared.table, parts.rows, params=params)
        frame = self.kept(features.frame, "frame.parquet")
        made = {"objective": objective, "roles": roles, "seed": 11}
        results = [
            trial(
                frame, rows, features.preparation, parts.summary, context=self.context("train"),
                params=TrialParams(candidate=path, estimator=path, index=1, params=given, **made),
            ).result
            for path, given in candidates.items()
        ]  # fmt: skip
        chosen = select(
            results,
            frame,
            rows,
            features.preparation,
            parts.summary,
            params=SelectParams(threshold=threshold, **made),
            context=self.context("select"),
        )
        save_model(chosen.model, self.folder / "champion.skops")
        model = load_model(self.folder / "champion.skops")
        judged = evaluate(
            model, read_table(frame.path()), read_table(rows.path()), features.preparation,
            params=EvaluateParams(objective=objective, roles=roles, resamples=100),
        )  # fmt: skip
        self.kept(judged.predictions, "predictions.parquet")
        packaged = package(
            model, features.preparation, prepared.changes, source, judged.predictions,
            params=PackageParams(model="churn", objective=objective, roles=roles), context=self.context("package"),
        )  # fmt: skip
        packaged.bundle.rename(self.folder / "bundle.zip")
        with zipfile.ZipFile(self.folder / "bundle.zip") as bundle:
            bundle.extract("model.skops", self.folder)
        self.document(parts.summary, "split.json")
        self.document(chosen.ranking, "trials.json")
        return ingested


VALUE = Objective(predict="charge", task="regression", metric="rmse")
CASES = {
    "hash": (OBJECTIVE, LOGISTIC | SVC, "hash", Columns(id="id"), 0),
    "loss": (OBJECTIVE.model_copy(update={"metric": "log_loss"}), LOGISTIC, "stratified", Columns(id="id"), 0),
    "threshold": (
        OBJECTIVE.model_copy(update={"metric": "accuracy"}), LOGISTIC, "hash", Columns(id="id"), 0,
        {"threshold": Threshold(value=0.2)},
    ),
    "decision": (OBJECTIVE, SVC, "stratified", Columns(id="id"), 0),
    "time": (VALUE, FOREST, "time", Columns(id="id", time="since"), 3),
    "many": (
        Objective(predict="plan kind", task="classification", metric="f1_macro"), LOGISTIC, "random",
        Columns(id="id"), 0,
    ),
    "float32": (VALUE, NETWORK, "random", Columns(id="id"), 0, {"dtype": "float32"}),
    "sparse float32": (OBJECTIVE, NEIGHBOURS, "hash", Columns(id="id"), 0, {"sparse": "always", "dtype": "float32"}),
    "sparse made dense": (VALUE, BOOSTING, "random", Columns(id="id"), 0, {"sparse": "always"}),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_the_page_computes_the_same(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    *given, matrix = CASES[name] if len(CASES[name]) == 6 else (*CASES[name], {})
    raw = Workflow(tmp_path).run(*given, **matrix)
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(blocks) == 3
    monkeypatch.chdir(tmp_path)
    known: dict = {"raw": raw}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), known)  # noqa: S102  (the page's own lines)
    assert len(known["scores"]) == 4
    assert len(known["answers"]) == len(known["predictions"]) > 20
