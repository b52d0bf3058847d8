"""The bundle: raw rows given to it alone predict what the run predicted; bad rows and strange files are refused."""

from __future__ import annotations

import datetime
import json
import sys
import textwrap
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from orchestrator.contracts.calls import ArtifactRef, Code, Kind
from orchestrator.contracts.errors import DataError, InvalidInput, StageFailed, UserCodeError
from orchestrator.contracts.release import CustomStep
from orchestrator.store.artifacts import ArtifactStore
from tests.unit.bundle_case import VALUE, Flow
from workers.features.preparation import feature_columns
from workers.packaging import load_bundle
from workers.packaging.bundle import Bundle
from workers.packaging.package import PackageOutputs


@pytest.fixture
def flow(tmp_path: Path) -> Flow:
    return Flow(tmp_path)


@pytest.fixture(scope="module")
def packaged(tmp_path_factory: pytest.TempPathFactory) -> tuple[Flow, PackageOutputs]:
    """One flow and its bundle, for tests that only look."""
    made = Flow(tmp_path_factory.mktemp("packaged"))
    return made, made.package()


@pytest.fixture(scope="module")
def bundle(packaged: tuple[Flow, PackageOutputs]) -> Bundle:
    return load_bundle(packaged[1].bundle)


def test_raw_test_rows_predict_what_the_run_predicted(packaged: tuple[Flow, PackageOutputs], bundle: Bundle) -> None:
    flow, made = packaged
    raw = flow.source.loc[flow.predictions.index].drop(columns=["left", "id"])
    answers = bundle.predict(raw)
    assert_frame_equal(answers, flow.predictions.drop(columns="truth"), rtol=0, atol=1e-9, check_dtype=False)
    assert bundle.signature == made.signature


def test_a_value_is_predicted_too(tmp_path: Path) -> None:
    flow = Flow(tmp_path, objective=VALUE, estimator="sklearn.ensemble.HistGradientBoostingRegressor")
    made = flow.package()
    answers = load_bundle(made.bundle).predict(flow.source.loc[flow.predictions.index])
    np.testing.assert_allclose(answers["prediction"], flow.predictions["prediction"], rtol=0, atol=1e-9)
    assert list(answers.columns) == ["prediction"]
    assert made.signature.output == "value"


def test_a_model_without_probabilities_answers_classes_alone(tmp_path: Path) -> None:
    flow = Flow(tmp_path, estimator="sklearn.svm.LinearSVC")
    assert list(load_bundle(flow.package().bundle).predict(flow.source.iloc[:3]).columns) == ["prediction"]


def test_the_signature_is_of_raw_columns(bundle: Bundle) -> None:
    signature = bundle.signature
    assert {column.name: (column.type, column.required) for column in signature.inputs} == {
        "months": ("number", False), "Total": ("text", True), "since": ("date", True), "active": ("boolean", False),
        "plan kind": ("text", False), "Charge": ("number", True),
    }  # fmt: skip
    assert (signature.output, signature.classes, signature.servable) == ("class", ("No", "Yes"), True)


def row(**changed: object) -> dict[str, object]:
    known = {
        "months": 12, "Total": "100.5", "since": "2020-03-01", "active": True, "plan kind": "plus", "Charge": 20.0,
    }  # fmt: skip
    return {**known, **changed}


def test_rows_of_json_predict_as_those_of_a_table(bundle: Bundle) -> None:
    answers = bundle.predict([row(), row(months=None, active=None), row(since=datetime.date(2020, 3, 1))])
    assert len(answers) == 3
    assert answers["probability_0"][0] == answers["probability_0"][2] != answers["probability_0"][1]
    without = row()
    del without["plan kind"]
    np.testing.assert_array_equal(bundle.predict([without]), bundle.predict([row(**{"plan kind": None})]))


def test_nested_json_is_taken_as_ingest_keeps_it(bundle: Bundle) -> None:
    nested = bundle.predict([row(**{"plan kind": {"b": 1, "a": [2.5]}})])
    np.testing.assert_array_equal(nested, bundle.predict([row(**{"plan kind": '{"a": [2.5], "b": 1}'})]))


@pytest.mark.parametrize(
    ("bad", "text"),
    [
        ({"Charge": None}, "row 2, column 'Charge': missing, a number was expected"),
        ({"Charge": "20"}, "row 2, column 'Charge': '20' was given, a number was expected"),
        ({"Charge": True}, "row 2, column 'Charge': True was given, a number was expected"),
        ({"Charge": float("inf")}, "row 2, column 'Charge': inf was given, a number was expected"),
        ({"since": "soon"}, "row 2, column 'since': 'soon' was given, a date"),
        ({"active": "yes"}, "row 2, column 'active': 'yes' was given, true or false was expected"),
        ({"plan kind": 3}, "row 2, column 'plan kind': 3 was given, text was expected"),
        ({"Charge": [1]}, r"row 2, column 'Charge': \[1\] was given"),
        ({"Total": "many"}, "'Total'.*row 2.*'many' is not a number"),
    ],
)
def test_a_bad_row_is_named_with_column_and_what_was_expected(bundle: Bundle, bad: dict, text: str) -> None:
    with pytest.raises(DataError, match=text):
        bundle.predict([row(), row(**bad)])


def test_no_rows_have_no_answers(bundle: Bundle) -> None:
    assert len(bundle.predict([])) == len(bundle.predict(pd.DataFrame())) == 0


def test_what_is_no_row_is_told(bundle: Bundle) -> None:
    with pytest.raises(DataError, match="row 1 is 3: an object"):
        bundle.predict([3])  # type: ignore[list-item]


def test_twice_the_same_bytes(flow: Flow) -> None:
    first = flow.package().bundle.read_bytes()
    assert flow.package().bundle.read_bytes() == first


def test_a_bundle_that_predicts_otherwise_fails_with_row_and_difference(flow: Flow) -> None:
    at = flow.predictions.index[3]
    flow.predictions.loc[at, "probability_1"] += 1e-6
    with pytest.raises(StageFailed, match=rf"row {at}, probability_1: 0\.\d+ instead of 0\.\d+ \(1 of "):
        flow.package()


def test_the_pipeline_is_scikit_learns(packaged: tuple[Flow, PackageOutputs], bundle: Bundle) -> None:
    flow, pipeline = packaged[0], bundle.pipeline
    features = flow.test[feature_columns(flow.preparation)]
    np.testing.assert_array_equal(pipeline.predict(features), flow.predictions["prediction"])


@pytest.mark.parametrize("data", [b"", b"PK", b"not a zip at all"])
def test_what_is_no_bundle_is_refused(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "b.zip").write_bytes(data)
    with pytest.raises(InvalidInput, match=r"b\.zip is no bundle that can be read"):
        load_bundle(tmp_path / "b.zip")


def test_a_bundle_of_a_later_format_is_refused(packaged: tuple[Flow, PackageOutputs], tmp_path: Path) -> None:
    made = packaged[1].bundle
    with zipfile.ZipFile(made) as source:
        files = {name: source.read(name) for name in source.namelist()}
    files["manifest.json"] = json.dumps({**json.loads(files["manifest.json"]), "version": 2}).encode()
    with zipfile.ZipFile(tmp_path / "later.zip", "w") as target:
        for name, data in files.items():
            target.writestr(name, data)
    with pytest.raises(InvalidInput, match="bundle of format 2; this version reads 1"):
        load_bundle(tmp_path / "later.zip")


OWN = """
import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin
from workers import stage

class Always(ClassifierMixin, BaseEstimator):
    def fit(self, X, y):
        self.classes_ = np.unique(y)
        return self
    def predict(self, X):
        return np.full(len(X), self.classes_[-1])

@stage("double", rowwise=True)
def double(table: pd.DataFrame, *, times: float = 2) -> pd.DataFrame:
    return table.assign(big=table["charge"] * times)

@stage("rank", rowwise=True)
def rank(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(big=table["charge"].rank())

@stage("drop", rowwise=True)
def drop(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["charge"] > 50]
"""


def snapshot(folder: Path, name: str, text: str) -> tuple[bytes, Path]:
    code = folder / "code"
    code.mkdir(exist_ok=True)
    (code / f"{name}.py").write_text(textwrap.dedent(text))
    file = folder / f"{name}.snapshot"
    with zipfile.ZipFile(file, "w") as target:
        target.write(code / f"{name}.py", f"{name}.py")
    return file.read_bytes(), code


def own_flow(folder: Path, entry: str, monkeypatch: pytest.MonkeyPatch, **other: object) -> Flow:
    """A flow whose table went through a stage of the team's own, of a module that no other test has imported."""
    name = f"own_{folder.name.replace('-', '_')}"
    data, code = snapshot(folder, name, OWN)
    monkeypatch.syspath_prepend(str(code))
    store = ArtifactStore(str(folder / "store"), folder / "cache", 1 << 30)
    ref = store.put_bytes(data, Kind.FILE)
    module = __import__(name)
    step = {"name": entry, "code": Code(snapshot=ref, entry=f"{name}:{entry}"), "rowwise": True, "prepared": True}
    return Flow(folder, custom=(CustomStep(**{**step, **other}),), change=getattr(module, entry))


def test_a_row_wise_stage_of_the_teams_own_ships_inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flow = own_flow(tmp_path, "double", monkeypatch)
    assert "big" in feature_columns(flow.preparation)
    made = flow.package()
    with pytest.raises(InvalidInput, match="carries its team's own code"):
        load_bundle(made.bundle)
    bundle = load_bundle(made.bundle, own_code=True)
    answers = bundle.predict(flow.source.loc[flow.predictions.index])
    np.testing.assert_allclose(answers["probability_1"], flow.predictions["probability_1"], rtol=0, atol=1e-9)


def test_a_stage_that_only_claims_to_be_row_wise_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StageFailed, match="declared row-wise that looks at other rows"):
        own_flow(tmp_path, "rank", monkeypatch).package()


def test_a_stage_that_loses_rows_is_found_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flow = own_flow(tmp_path, "drop", monkeypatch)
    flow.predictions = flow.predictions.assign(prediction="No")
    flow.source.loc[flow.predictions.index[0], "Charge"] = 1.0
    with pytest.raises(UserCodeError, match="did not return the rows that it was given"):
        flow.package()


@pytest.mark.parametrize(
    ("other", "reason"), [({"rowwise": False}, "may look at other rows"), ({"secret": True}, "takes a secret")]
)
def test_what_raw_rows_cannot_go_through_is_not_servable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, other: dict, reason: str
) -> None:
    flow = own_flow(tmp_path, "double", monkeypatch, **other)
    made = flow.package()
    assert not made.signature.servable
    assert reason in str(made.signature.not_servable_because)
    bundle = load_bundle(made.bundle, own_code=True)
    with pytest.raises(InvalidInput, match=f"cannot predict from raw rows.*{reason}"):
        bundle.predict(flow.source)
    features = flow.test[feature_columns(flow.preparation)]
    np.testing.assert_array_equal(bundle.pipeline.predict(features), flow.predictions["prediction"])


def test_an_estimator_of_the_teams_own_ships_inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, code = snapshot(tmp_path, "own_always", OWN)
    monkeypatch.syspath_prepend(str(code))
    ref = ArtifactStore(str(tmp_path / "store"), tmp_path / "cache", 1 << 30).put_bytes(data, Kind.FILE)
    flow = Flow(tmp_path, estimator="own_always:Always", own=Code(snapshot=ref, entry="own_always:Always"))
    made = flow.package()
    assert set(load_bundle(made.bundle, own_code=True).predict(flow.source.iloc[:5])["prediction"]) == {"Yes"}


def test_another_module_of_the_same_name_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flow = own_flow(tmp_path, "double", monkeypatch, rowwise=False)
    made = flow.package()
    name = flow.custom[0].code.entry.split(":")[0]
    (tmp_path / "code" / f"{name}.py").write_text("# edited since\n")
    with pytest.raises(InvalidInput, match=f"another module {name} already"):
        load_bundle(made.bundle, own_code=True)
    assert name in sys.modules


def test_a_code_file_that_points_outside_is_refused(flow: Flow, tmp_path: Path) -> None:
    made = flow.package().bundle
    with zipfile.ZipFile(made, "a") as target:
        target.writestr("code/../../evil.py", "raise SystemExit")
    with pytest.raises(InvalidInput, match="points outside"):
        load_bundle(made, own_code=True)


def test_two_different_files_of_one_name_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flow = own_flow(tmp_path, "double", monkeypatch)
    name = flow.custom[0].code.entry.split(":")[0]
    data, _ = snapshot(tmp_path, name, "other = 1\n")
    other: ArtifactRef = flow.store.put_bytes(data, Kind.FILE)
    flow.own = Code(snapshot=other, entry=f"{name}:other")
    with pytest.raises(InvalidInput, match=f"two different files {name}.py"):
        flow.package()
