"""A run's record with documents as real stages leave them, for tests of the report and to look at."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestrator.contracts.calls import ArtifactRef, Code, Kind
from orchestrator.contracts.data import ColumnPreparation
from orchestrator.contracts.documents.data import (
    Changes,
    ColumnProfile,
    Finding,
    Findings,
    Preparation,
    PreparedColumn,
    Profile,
    SplitSummary,
)
from orchestrator.contracts.documents.evaluation import (
    Dependence,
    Details,
    Evaluation,
    Importance,
    ImportanceEnds,
    Interval,
    Robustness,
    SliceEvidence,
    TopEvidence,
    Verdict,
    Verdicts,
)
from orchestrator.contracts.documents.release import Registration
from orchestrator.contracts.documents.training import Curve, RankedTrial, Ranking, TrialResult
from orchestrator.contracts.errors import ArtifactMissing
from orchestrator.contracts.records import RunRecord, StageError, StageRecord
from orchestrator.contracts.status import RunStatus, StageState
from orchestrator.contracts.values import Value

HOSTILE = '</style><script>alert(1)</script><img src=x onerror="alert(2)">&"\''
BEGAN = 1_790_000_000.0
OBJECTIVE = {"predict": "diagnosis", "task": "classification", "metric": "roc_auc", "positive": "malignant"}


@dataclass
class Kept:
    """Bytes by digest: a store in memory."""

    data: dict[str, bytes] = field(default_factory=dict)

    def put(self, document: Value | bytes) -> ArtifactRef:
        raw = document if isinstance(document, bytes) else document.model_dump_json().encode()
        digest = f"sha256:{hashlib.sha256(raw).hexdigest()}"
        self.data[digest] = raw
        return ArtifactRef(kind=Kind.JSON, digest=digest, size=len(raw))

    def read(self, ref: ArtifactRef) -> bytes:
        if ref.digest not in self.data:
            raise ArtifactMissing(f"{ref.digest} is not in the store", ref.digest)
        return self.data[ref.digest]


def profile(name: str = "radius") -> Profile:
    number = ColumnProfile(name=name, type="number", missing=3, distinct=456, min=6.98, max=28.11, mean=14.13)
    label = ColumnProfile(
        name="diagnosis", type="text", missing=0, distinct=2, top=(("benign", 357), ("malignant", 212))
    )
    return Profile(rows=569, columns=(number, label))


def findings() -> Findings:
    good = Finding(column="radius", check="min", expected=">= 0", passed=True, on_failure="stop")
    bad = Finding(column="texture", check="max", expected="<= 35", passed=False, on_failure="warn", failing=2,
                  rows=(4, 19), examples=(39.28, 36.1))  # fmt: skip
    return Findings(findings=(good, bad))


def preparation(name: str = "radius") -> Preparation:
    rule = ColumnPreparation(type="numeric", missing="median", scale="standard")
    column = PreparedColumn(name=name, source="data", rule=rule, reason="numeric, 0.5 % missing")
    return Preparation(features=(column,), dropped={"id": "the id column"}, target_kind="binary",
                       classes=("benign", "malignant"), positive="malignant")  # fmt: skip


def interval(value: float, low: float, high: float) -> Interval:
    return Interval(value=value, low=low, high=high, confidence=0.95, method="bootstrap")


def evaluation(feature: str = "radius") -> Evaluation:
    none = Interval(value=None, low=None, high=None, confidence=0.95, method="none", note="no row was positive")
    return Evaluation(
        kind="binary",
        rows=114,
        metrics={"accuracy": interval(0.974, 0.925, 0.995), "roc_auc": interval(0.993, 0.981, 0.999), "f1": none},
        dummy={"accuracy": 0.63, "roc_auc": 0.5, "f1": 0.0},
        classes=("benign", "malignant"),
        positive="malignant",
        confusion=((71, 1), (2, 40)),
        curves={
            "roc": Curve(x=(0, 0, 0.02, 1), y=(0, 0.9, 0.98, 1)),
            "precision_recall": Curve(x=(0, 0.5, 1), y=(1, 1, 0.37)),
            "gains": Curve(x=(0, 0.37, 1), y=(0, 0.96, 1)),
            "calibration": Curve(x=(0.02, 0.5, 0.98), y=(0, 0.55, 1)),
            "calibration_rows": Curve(x=(0.02, 0.5, 0.98), y=(38, 38, 38)),
        },
        importance=(
            Importance(feature=feature, mean=0.031, std=0.004),
            Importance(feature="b", mean=-0.002, std=0.003),
        ),
        notes=("importance: each column was shuffled 5 times on all test rows",),
        slices=(
            SliceEvidence(
                column=feature, slice=f"{feature}=0 to 9", rows=61, metrics={"roc_auc": interval(0.97, 0.9, 1)}
            ),
            SliceEvidence(column=feature, slice=f"{feature}=9 to 30", rows=53, metrics={"roc_auc": none}),
            SliceEvidence(column="b", slice="b=2", rows=0, metrics={}),
        ),
        weakest=(SliceEvidence(column="b", slice="b=1", rows=40, metrics={"roc_auc": interval(0.91, 0.8, 0.97)}),),
        searched=23,
    )


def details(feature: str = "radius") -> Details:
    return Details(
        importance=(ImportanceEnds(feature=feature, low=0.026, high=0.036),),
        dependence=(
            Dependence(feature=feature, x=(1, 2, 3), mean=(0.2, 0.4, 0.7), low=(0.1, 0.3, 0.6), high=(0.3, 0.5, 0.8),
                       rows=114),
            Dependence(feature="b", categories=("red", "a name that is very long"), mean=(0.3, 0.4), low=(0.2, 0.2),
                       high=(0.5, 0.6), rows=114),
        ),
        robustness=(
            Robustness(change="noise", size=0.25, value=0.98, loss=0.013),
            Robustness(change="missing", column="b", value=0.99, loss=0.003),
            Robustness(change="missing", column=feature, value=0.9, loss=0.093),
            Robustness(change="missing", column="c", value=None, loss=None),
        ),
        tops=(
            TopEvidence(top="10 %", rows=11, share=0.1, precision=interval(1.0, 0.72, 1.0),
                        recall=interval(0.26, 0.14, 0.42), lift=interval(2.6, 1.4, 4.2)),
        ),
    )  # fmt: skip


def verdicts(*, passed: bool = True) -> Verdicts:
    bound = Verdict(
        gate="roc_auc >= 0.95",
        passed=passed,
        evidence={"value": 0.993, "low": 0.981 if passed else 0.921, "high": 0.999, "confidence": 0.95,
                  "method": "bootstrap", "at_least": 0.95, "at_most": None},
        sentence="roc_auc is 0.993; the lower end of its 95 % interval is 0.981, and at least 0.95 is asked",
    )  # fmt: skip
    beats = Verdict(
        gate="beats: dummy",
        passed=True,
        evidence={"metric": "roc_auc", "mine": 0.993, "theirs": 0.5, "difference": 0.493, "low": 0.48, "high": 0.499,
                  "rows": 114},
        sentence="roc_auc is 0.993 against 0.5 of dummy on 114 rows; the gain is 0.493, so it is better",
    )  # fmt: skip
    return Verdicts(verdicts=(bound, beats), passed=passed)


def trial(candidate: str, index: int, mean: float, warnings: tuple[str, ...] = ()) -> TrialResult:
    return TrialResult(candidate=candidate, estimator=f"sklearn.{candidate}", index=index, params={"C": 10.0**index},
                       metric="roc_auc", scores=(mean - 0.01, mean + 0.01), mean=mean, std=0.01,
                       warnings=warnings)  # fmt: skip


TRIALS = (
    trial("logistic_regression", 1, 0.971),
    trial("logistic_regression", 2, 0.994),
    trial("svc", 1, 0.982, ("did not converge",)),
)


def ranking() -> Ranking:
    best = sorted(TRIALS, key=lambda one: -one.mean)
    ranked = tuple(
        RankedTrial(rank=rank, candidate=one.candidate, index=one.index, params=one.params, mean=one.mean, std=one.std,
                    scores=one.scores)
        for rank, one in enumerate(best, 1)
    )  # fmt: skip
    return Ranking(metric="roc_auc", greater_is_better=True, rule="best", trials=ranked, champion=ranked[0],
                   estimator="sklearn.logistic_regression", reason="the best mean over 5 folds")  # fmt: skip


_AFTER = {
    "ingest[patients]": (), "check": ("ingest[patients]",), "prepare": ("ingest[patients]", "check"),
    "split": ("prepare",), "features": ("prepare", "split"), "train[logistic_regression#1]": ("features", "split"),
    "train[logistic_regression#2]": ("features", "split"), "train[svc#1]": ("features", "split"),
    "select": ("train[logistic_regression#1]", "train[logistic_regression#2]", "train[svc#1]", "features", "split"),
    "evaluate": ("select", "features", "split"), "gates": ("evaluate", "features", "split"),
    "package": ("select", "features", "prepare", "ingest[patients]", "evaluate", "gates"),
    "register": ("package", "evaluate", "select", "split", "gates"),
}  # fmt: skip
_TASKS = {
    "ingest": "data.ingest", "check": "data.check", "prepare": "data.prepare", "split": "data.split",
    "features": "features.build", "train": "train.trial", "select": "train.select", "evaluate": "evaluate.model",
    "gates": "evaluate.gates", "package": "release.package", "register": "release.register",
}  # fmt: skip


def outputs(kept: Kept, *, passed: bool = True) -> dict[str, dict[str, ArtifactRef]]:
    """Every stage's documents."""
    stage = "candidate" if passed else "refused"
    found: dict[str, dict[str, Value]] = {
        "ingest[patients]": {"profile": profile()},
        "check": {"findings": findings()},
        "prepare": {"changes": Changes(rows_before=569, rows_filtered=2, rows_deduplicated=1)},
        "split": {"summary": SplitSummary(method="stratified", scheme="partition", folds=5, train_rows=452,
                                          test_rows=114, fold_rows=(91, 91, 90, 90, 90))},
        "features": {"preparation": preparation()},
        "select": {"ranking": ranking()},
        "evaluate": {"evaluation": evaluation(), "details": details()},
        "gates": {"verdicts": verdicts(passed=passed)},
        "register": {"registration": Registration(model="cancer@1", stage=stage)},  # type: ignore[arg-type]
    }  # fmt: skip
    for one in TRIALS:
        found[f"train[{one.candidate}#{one.index}]"] = {"result": one}
    return {name: {key: kept.put(value) for key, value in documents.items()} for name, documents in found.items()}


def record(
    kept: Kept,
    *,
    status: RunStatus = RunStatus.SUCCEEDED,
    upto: str = "register",
    states: Mapping[str, StageState] | None = None,
    errors: Mapping[str, StageError] | None = None,
    passed: bool = True,
    **changed: Any,
) -> RunRecord:
    """A run that came as far as `upto`; stages after it are waiting unless `states` says otherwise."""
    names, made = list(_AFTER), outputs(kept, passed=passed)
    reached = names.index(upto)
    stages = [
        _stage(
            name,
            (states or {}).get(name, StageState.DONE if position <= reached else StageState.WAITING),
            position,
            made.get(name, {}),
            (errors or {}).get(name),
            kept,
        )
        for position, name in enumerate(names)
    ]
    fields: dict[str, Any] = {
        "run": "cancer-7f3a", "workflow": "cancer", "status": status, "author": "ada", "created": BEGAN,
        "finished": BEGAN + 14.2 if status.ended else None, "seed": 7, "plan_digest": "sha256:" + "ab" * 32,
        "plan_version": 1, "stages": tuple(stages), "notes": ("the test set is small",),
        "spec": {"name": "cancer", "objective": {"predict": "diagnosis", "task": "classification"}},
    }  # fmt: skip
    return RunRecord(**(fields | changed))


def judged_again(kept: Kept) -> RunRecord:
    """The run of `cyclery evaluate`: ingest, then a registered version on new rows."""
    before = {"roc_auc": Interval(value=0.995, low=0.99, high=0.999, confidence=0.95, method="bootstrap")}
    found = evaluation().model_copy(update={"model": "cancer@1", "before": before})
    made = outputs(kept)
    ingest = _stage("ingest[patients]", StageState.DONE, 0, made["ingest[patients]"], None, kept)
    judged = _stage(
        "evaluate", StageState.DONE, 1, {"evaluation": kept.put(found), "details": kept.put(details())}, None, kept
    )
    judged = judged.model_copy(update={"task": "evaluate.fresh", "measured": {"performance": PERFORMANCE}})
    return record(kept, run="cancer.evaluate-7f3a", workflow="cancer.evaluate", stages=(ingest, judged))


PERFORMANCE = {
    "size_bytes": 52_100, "load_bytes": 1_250_000, "predict_bytes": 340_000, "row_ms": 4.2, "row_p95_ms": 6.1,
    "rows_per_s": 41_500.0, "batch_rows": 143, "singles": 58,
}  # fmt: skip
_MEASURED: dict[str, dict[str, Any]] = {
    "evaluate.model": {"environment": {"python": "3.13", "scikit-learn": "1.9.1"}},
    "release.package": {"performance": PERFORMANCE},
}


def _tried(name: str) -> dict[str, Any]:
    known = {f"train[{one.candidate}#{one.index}]": one for one in TRIALS}
    return known[name].model_dump(include={"candidate", "index", "params"}) if name in known else {}


def _stage(
    name: str,
    state: StageState,
    position: int,
    made: dict[str, ArtifactRef],
    error: StageError | None,
    kept: Kept,
) -> StageRecord:
    task = _TASKS[name.split("[", maxsplit=1)[0]]
    began = BEGAN + position
    ran = state in (StageState.DONE, StageState.FAILED)
    ingest = task == "data.ingest"
    return StageRecord(
        id=name,
        task=task,
        queue="prep",
        state=state,
        after=_AFTER[name],
        attempt=1 if ran else 0,
        cached=name == "split",
        worker="prep@host" if ran else None,
        started=began if ran else None,
        finished=began + 0.8 if ran else None,
        seconds=0.8 if ran else None,
        error=error,
        outputs=made if state is StageState.DONE else {},
        log=kept.put(b"reading rows\nthe last line before the end\n") if state is StageState.FAILED else None,
        params={"source": "patients", "filename": "patients.csv"}
        if ingest
        else {"objective": OBJECTIVE, **_tried(name)},
        sources={"file": kept.put(b"a,b\n1,2\n")} if ingest else {},
        measured=_MEASURED.get(task, {}) if state is StageState.DONE else {},
        code=Code(snapshot=kept.put(b"zip"), entry="team.clean:tidy") if name == "prepare" else None,
    )
