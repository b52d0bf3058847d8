"""Model files: every estimator of scikit-learn comes back, equal models are equal bytes, strangers are refused."""

import inspect
import io
import json
import subprocess
import sys
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.datasets import make_classification
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils import all_estimators

from orchestrator.contracts.errors import InvalidInput, UserCodeError
from workers.model_files import load_model, save_model

# They need a target that a workflow does not have, so no workflow can make such a model.
OTHER_TARGETS = {
    "ClassifierChain": "many targets",
    "MultiOutputClassifier": "many targets",
    "MultiOutputRegressor": "many targets",
    "MultiTaskElasticNet": "many targets",
    "MultiTaskElasticNetCV": "many targets",
    "MultiTaskLasso": "many targets",
    "MultiTaskLassoCV": "many targets",
    "RegressorChain": "many targets",
}
CANNOT_BE_KEPT: dict[str, str] = {}  # name → why skops cannot write it
ARGUMENTS = {"CCA": {"n_components": 1}, "PLSCanonical": {"n_components": 1}}


def table(name: str, classification: bool) -> tuple[np.ndarray, np.ndarray]:
    features, labels = make_classification(60, 6, random_state=0)
    features = np.abs(features)
    if name == "IsotonicRegression":
        features = features[:, :1]
    return features, labels if classification else features.sum(axis=1) + 1


def made(name: str, cls: type, classification: bool) -> BaseEstimator:
    inner = LogisticRegression() if classification else Ridge()
    arguments = dict(ARGUMENTS.get(name, {}))
    for parameter in inspect.signature(cls).parameters.values():
        if parameter.default is parameter.empty and parameter.kind is parameter.POSITIONAL_OR_KEYWORD:
            arguments[parameter.name] = [("inner", inner)] if parameter.name == "estimators" else inner
        if parameter.name == "random_state":
            arguments["random_state"] = 0
    return cls(**({"estimator": inner} if name == "SelfTrainingClassifier" else arguments))


@pytest.mark.parametrize(
    ("name", "cls", "kind"),
    [(name, cls, kind) for kind in ("classifier", "regressor") for name, cls in all_estimators(kind)],
)
@pytest.mark.filterwarnings("ignore")
def test_every_estimator_comes_back(name: str, cls: type, kind: str, tmp_path: Path) -> None:
    if name in OTHER_TARGETS:
        return
    features, target = table(name, kind == "classifier")
    model = made(name, cls, kind == "classifier").fit(features, target)
    if name in CANNOT_BE_KEPT:
        with pytest.raises(UserCodeError):
            save_model(model, tmp_path / "m.skops")
        return
    save_model(model, tmp_path / "m.skops")
    back = load_model(tmp_path / "m.skops")
    wanted, found = model.predict(features), back.predict(features)
    if kind == "classifier":
        np.testing.assert_array_equal(found, wanted)
    else:  # BLAS may round the last bit otherwise for arrays that lie elsewhere in memory
        np.testing.assert_allclose(found, wanted, rtol=1e-12)


MAKE = """
import pathlib, sys
from sklearn.datasets import make_classification
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from workers.model_files import save_model
junk = [bytearray(n) for n in range(1, 3000)]
del junk[::2]
X, y = make_classification(200, 6, random_state=0)
for made in (HistGradientBoostingClassifier, RandomForestClassifier):
    model = Pipeline([("scale", StandardScaler()), ("model", made(random_state=0))]).fit(X, y)
    model.tags = {"a", "bb", "ccc", "dddd"}
    save_model(model, pathlib.Path(sys.argv[1]) / made.__name__)
"""


def test_equal_models_are_equal_bytes_in_any_process(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[2]
    for seed in ("1", "2"):
        (tmp_path / seed).mkdir()
        subprocess.run(
            [sys.executable, "-c", MAKE, str(tmp_path / seed)],
            check=True,
            cwd=root,
            env={"PYTHONHASHSEED": seed, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(root)},
        )
    names = [path.name for path in (tmp_path / "1").iterdir()]
    assert len(names) == 2
    for name in names:
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes()


def test_unused_bytes_between_fields_do_not_count(tmp_path: Path) -> None:
    kind = np.dtype([("leaf", "u1"), ("value", "f8")], align=True)  # seven bytes of nothing
    for name, junk in (("a", b"\x00"), ("b", b"\xff")):
        model = LogisticRegression()
        model.nodes_ = np.frombuffer(bytearray(junk * kind.itemsize), dtype=kind)
        model.nodes_["leaf"], model.nodes_["value"] = 1, 2.5
        save_model(model, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


class Mine(ClassifierMixin, BaseEstimator):
    def fit(self, _: np.ndarray, target: np.ndarray) -> "Mine":
        self.classes_ = np.unique(target)
        return self

    def predict(self, features: np.ndarray) -> np.ndarray:
        return np.full(len(features), self.classes_[0])


def test_own_classes_only_when_declared(tmp_path: Path) -> None:
    features, target = make_classification(20, random_state=0)
    model = Mine().fit(features, target)
    name = f"{Mine.__module__}.Mine"
    with pytest.raises(UserCodeError, match=name):
        save_model(model, tmp_path / "m.skops")
    save_model(model, tmp_path / "m.skops", trusted=[name])
    with pytest.raises(InvalidInput, match="refused") as refusal:
        load_model(tmp_path / "m.skops")
    assert "\n" not in str(refusal.value)
    assert isinstance(load_model(tmp_path / "m.skops", trusted=[name]), Mine)


def rewritten(path: Path, change: object) -> Path:
    with zipfile.ZipFile(path) as source:
        files = {name: source.read(name) for name in source.namelist()}
    schema = json.loads(files["schema.json"])
    change(schema)  # type: ignore[operator]
    with zipfile.ZipFile(path, "w") as target:
        for name, data in files.items():
            target.writestr(name, json.dumps(schema) if name == "schema.json" else data)
    return path


def test_a_file_that_would_run_code_is_refused(tmp_path: Path) -> None:
    save_model(LogisticRegression(), tmp_path / "m.skops")

    def evil(schema: dict) -> None:
        schema["content"]["content"]["C"] = {
            "__class__": "system", "__module__": "os", "__loader__": "FunctionNode",
        }  # fmt: skip

    with pytest.raises(InvalidInput, match=r"refused.*os\.system"):
        load_model(rewritten(tmp_path / "m.skops", evil))


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 no zip", b"{}"])
def test_what_is_no_model_is_refused_in_one_line(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "m.skops").write_bytes(data)
    with pytest.raises(InvalidInput, match=r"m\.skops cannot be read"):
        load_model(tmp_path / "m.skops")


@pytest.mark.parametrize(
    "model",
    [
        DecisionTreeClassifier(random_state=0),
        RandomForestClassifier(n_estimators=2, random_state=0),
        HistGradientBoostingClassifier(max_iter=2, random_state=0),
    ],
)
@pytest.mark.parametrize("field", ["children", "features"])
def test_a_tree_that_points_outside_is_refused(model: BaseEstimator, field: str, tmp_path: Path) -> None:
    features, target = make_classification(200, 6, random_state=0)
    save_model(model.fit(features, target), tmp_path / "m.skops")
    with zipfile.ZipFile(tmp_path / "m.skops") as source:
        files = {name: source.read(name) for name in source.namelist()}
    hit = 0
    for name, data in files.items():
        if not name.endswith(".npy"):
            continue
        array = np.load(io.BytesIO(data))
        fields = {"children": ("left_child", "left"), "features": ("feature", "feature_idx")}[field]
        for column in set(fields) & set(array.dtype.names or ()):
            array[column][0] = 10_000
            hit += 1
        out = io.BytesIO()
        np.save(out, array)
        files[name] = out.getvalue()
    assert hit
    with zipfile.ZipFile(tmp_path / "m.skops", "w") as target_file:
        for name, data in files.items():
            target_file.writestr(name, data)
    with pytest.raises(InvalidInput, match="points outside"):
        load_model(tmp_path / "m.skops")


def test_loading_leaves_warnings_to_the_caller(tmp_path: Path) -> None:
    save_model(LogisticRegression(), tmp_path / "m.skops")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_model(tmp_path / "m.skops")
