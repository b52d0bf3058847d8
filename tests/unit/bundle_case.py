"""What a bundle is made of: a raw source and the stages before packaging, called as plain functions."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.pipeline import Pipeline

from orchestrator.contracts.calls import Code, Kind
from orchestrator.contracts.data import Cast, FeaturesParams, IngestParams, PrepareParams
from orchestrator.contracts.release import CustomStep, PackageParams
from orchestrator.contracts.roles import Columns, Objective
from orchestrator.contracts.training import TrialParams
from orchestrator.store.artifacts import ArtifactStore
from orchestrator.store.cache import HostCache
from tests.unit.training_case import Quiet
from workers.data.ingest import ingest
from workers.data.prepare import prepare
from workers.features.build import build
from workers.features.preparation import feature_columns, learned
from workers.packaging.package import PackageOutputs, package
from workers.runtime.codecs import Artifact
from workers.runtime.context import StageContext
from workers.runtime.tables import write_table
from workers.scoring import probabilities
from workers.training.estimators import build as build_estimator

OBJECTIVE = Objective(predict="left", task="classification", metric="roc_auc", positive="Yes")
VALUE = Objective(predict="charge", task="regression", metric="rmse")
ROLES = Columns(id="id")


def csv(rows: int = 160) -> str:
    """Raw source: names to change, numbers as text, blanks, dates, truths, a category."""
    dice = np.random.default_rng(1)
    lines = ["id,months,Total,since,active,plan kind,Charge,left"]
    for number in range(rows):
        months = "" if number % 23 == 5 else str(dice.integers(1, 72))
        total = " " if number % 19 == 3 else f"{dice.uniform(10, 900):.2f}"
        since = f"20{dice.integers(10, 25)}-{dice.integers(1, 13):02d}-{dice.integers(1, 29):02d}"
        active = "" if number % 31 == 4 else str(bool(dice.integers(2)))
        plan = dice.choice(["basic", "plus", "max"]) if number % 17 else ""
        left = "Yes" if (plan == "basic" and dice.uniform() < 0.8) or dice.uniform() < 0.2 else "No"
        lines.append(f"c{number},{months},{total},{since},{active},{plan},{dice.uniform(5, 90):.2f},{left}")
    return "\n".join(lines) + "\n"


@dataclasses.dataclass
class Flow:
    """The stages before packaging, called as plain functions."""

    folder: Path
    objective: Objective = OBJECTIVE
    estimator: str = "sklearn.linear_model.LogisticRegression"
    custom: tuple[CustomStep, ...] = ()
    own: Code | None = None
    change: object = None  # what a team's own stages did to the prepared table

    def __post_init__(self) -> None:
        self.store = ArtifactStore(str(self.folder / "store"), self.folder / "cache", 1 << 30)
        (self.folder / "raw.csv").write_text(csv())
        params = IngestParams(source="s", filename="raw.csv", format="csv")
        self.source = ingest(self.folder / "raw.csv", params=params).table
        prepared = prepare(
            self.source,
            params=PrepareParams(
                rename={"Charge": "charge", "plan kind": "plan"},
                cast={"Total": Cast(to="float", blank="missing")},
                filter=("charge > 6",),
            ),
        )
        self.changes = prepared.changes
        table = self.change(prepared.table) if callable(self.change) else prepared.table
        test = np.arange(len(table)) % 4 == 0
        rows = pd.DataFrame({"part": np.where(test, "test", "train")}, index=table.index)
        params = FeaturesParams(derive={"rate": "Total / months"}, objective=self.objective, roles=ROLES)
        self.frame, self.preparation = build(table, rows, params=params)
        self.train = self.frame[~test]
        self.test = self.frame[test]
        self.model = self.fitted()
        self.predictions = self.predict()

    def fitted(self) -> Pipeline:
        estimator = build_estimator(
            TrialParams(candidate="c", estimator=self.estimator, index=1, objective=self.objective)
        )
        pipeline = Pipeline([("prepare", learned(self.preparation)), ("model", estimator)])
        return pipeline.fit(self.train[feature_columns(self.preparation)], self.train["__target__"].to_numpy())

    def predict(self) -> pd.DataFrame:
        features = self.test[feature_columns(self.preparation)]
        found = {"truth": self.test["__target__"], "prediction": self.model.predict(features)}
        if self.objective.task == "classification" and hasattr(self.model, "predict_proba"):
            columns = probabilities(self.model, features, self.preparation.classes, why="test")
            found |= {f"probability_{i}": columns[:, i] for i in range(columns.shape[1])}
        return pd.DataFrame(found, index=self.test.index)

    def context(self) -> StageContext:
        return StageContext(
            run="churn-1", stage="package", attempt=1, key="k", scratch=self.folder / "scratch", watcher=Quiet(),
            host_files=HostCache(self.folder / "derived", 1 << 30),
        )  # fmt: skip

    def package(self) -> PackageOutputs:
        file = self.folder / "source.parquet"
        rows = write_table(self.source, file)
        source = Artifact(self.store.put_file(file, Kind.TABLE, rows), self.store)
        params = PackageParams(model="churn", objective=self.objective, roles=ROLES, custom=self.custom, own=self.own)
        return package(
            self.model, self.preparation, self.changes, source, self.predictions, params=params, context=self.context()
        )
