"""From the name of an estimator to an instance with its parameters and its seed."""

from __future__ import annotations

import importlib
import inspect
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sklearn.base import BaseEstimator, is_classifier, is_regressor
from sklearn.multioutput import MultiOutputClassifier
from sklearn.utils import get_tags
from sklearn.utils._param_validation import InvalidParameterError

from orchestrator.contracts.errors import CycleryError, InvalidInput, RequirementMissing, UserCodeError
from orchestrator.contracts.estimators import FINAL, FOREIGN, OF, family, told
from orchestrator.contracts.estimators import find as catalogued
from orchestrator.contracts.roles import Task
from orchestrator.contracts.suggestions import nearest
from orchestrator.contracts.training import TrialParams

# What other libraries do unless they are told: take every core, talk, and leave files.
_MANNERS: Mapping[str, Mapping[str, Any]] = {
    "catboost": {"thread_count": 1, "verbose": False, "allow_writing_files": False},
    "lightgbm": {"n_jobs": 1, "verbose": -1},
    "xgboost": {"n_jobs": 1},
}
_ADAPTED: Mapping[str, str] = {
    f"catboost.{name}": f"workers.cat_boosting.{name}" for name in ("CatBoostClassifier", "CatBoostRegressor")
}
_SEEDS = 2**32  # scikit-learn takes seeds below this


def build(params: TrialParams) -> BaseEstimator:
    """The unfitted estimator of a trial.

    Every random state that the person left open is the trial's seed; `n_jobs` stays as the class has it, one job:
    the pool's processes already use all cores. Of several labels a classifier that cannot learn them at once stands in
    scikit-learn's MultiOutputClassifier, which fits one of it for each label.
    """
    label = describe(params)
    with blaming(label):
        estimator = _made(params.estimator, params.params, params.objective.task, label)
        known = estimator.get_params(deep=True)
        open_seeds = [name for name, value in known.items() if value is None and _is_seed(name)]
        estimator.set_params(**dict.fromkeys(open_seeds, params.seed % _SEEDS))
    _suit(estimator, params.objective.task, label)
    if params.objective.task == "multilabel" and not _takes_labels(estimator):
        return MultiOutputClassifier(estimator)
    return estimator


def _takes_labels(estimator: BaseEstimator) -> bool:
    """Whether it says of itself that it learns rows × labels; libraries other than scikit-learn are not asked."""
    if not type(estimator).__module__.startswith("sklearn."):
        return False
    said = get_tags(estimator).classifier_tags
    return said is not None and bool(said.multi_label)


def describe(params: TrialParams) -> str:
    """How messages call the trial: its candidate, number and parameters."""
    given = ", ".join(f"{name}={_spoken(name, value)}" for name, value in params.params.items())
    return f"candidate {params.candidate}#{params.index} ({given or 'default parameters'})"


def _spoken(name: str, value: Any) -> str:
    shown = told(name, value)
    return repr(value) if shown is value else str(shown)


def _made(path: str, given: Mapping[str, Any], task: Task, label: str) -> BaseEstimator:
    """An instance of the class with its parameters; an ensemble's estimators are made first.

    NAME__PARAMETER is a parameter of the estimator inside that is called NAME (`final`: of the one above them).
    """
    cls, known = find(path, label), catalogued(path, task)
    if known is None or known.inside is None:
        manners = _MANNERS.get(path.partition(".")[0], {}) if path in FOREIGN else {}
        return cls(**_known(cls, {**manners, **given}, label))
    names = {FINAL, *(part["name"] for part in given.get(OF, ()))}
    inner = {name: value for name, value in given.items() if name.partition("__")[0] in names and "__" in name}
    outer = {name: value for name, value in given.items() if name not in inner and name not in {OF, FINAL}}

    def part(written: Mapping[str, Any], name: str) -> BaseEstimator:
        own = {key.removeprefix(f"{name}__"): value for key, value in inner.items() if key.startswith(f"{name}__")}
        return _made(written["estimator"], {**written["params"], **own}, task, label)

    made = [(one["name"], part(one, one["name"])) for one in given.get(OF, ())]
    if made:
        outer[known.inside.slot] = made if known.inside.several else made[0][1]
    if known.inside.final is not None and given.get(FINAL) is not None:
        outer[known.inside.final] = part(given[FINAL], FINAL)
    return cls(**_known(cls, outer, label))


def find(path: str, label: str) -> type[BaseEstimator]:
    """The class at a dotted path, or at module:Class of the team's own code."""
    module_name, _, name = path.rpartition(":") if ":" in path else _ADAPTED.get(path, path).rpartition(".")
    try:
        module = importlib.import_module(module_name)
    except ImportError as error:
        raise RequirementMissing(
            f"{label}: {path} cannot be imported on this pool ({_line(error)}): install it there, or correct the name"
        ) from error
    cls = getattr(module, name, None)
    if not isinstance(cls, type) or not hasattr(cls, "fit") or not hasattr(cls, "predict"):
        raise InvalidInput(f"{label}: {path} is no estimator: a class with fit and predict is needed")
    return cls


@contextmanager
def blaming(label: str, where: str = "") -> Iterator[None]:
    """Turn whatever an estimator raises into one line that names the trial."""
    try:
        yield
    except (CycleryError, MemoryError):
        raise
    except InvalidParameterError as error:
        raise InvalidInput(f"{label}: {_line(error)}") from error
    except Exception as error:  # an estimator may raise anything
        message = f"{label} failed{where}: {type(error).__name__}: {_line(error)}"
        raise UserCodeError(message, _own_frames(error)) from error


def _known(cls: type[BaseEstimator], given: Mapping[str, Any], label: str) -> dict[str, Any]:
    """The parameters, refused where the class has none of that name; classes that take any keyword are not judged."""
    written = inspect.signature(cls).parameters
    try:  # what get_params itself asks; CatBoost's has no need to
        names = cls._get_param_names() if hasattr(cls, "_get_param_names") else [*written]
    except RuntimeError:
        return dict(given)
    open_ended = any(known.kind is known.VAR_KEYWORD for known in written.values())
    for name in given:
        if name not in names and not open_ended:
            near = nearest(name, names)
            hint = f"it takes {', '.join(names) or 'none'}" if near is None else f"did you mean {near!r}?"
            raise InvalidInput(f"{label}: {cls.__name__} has no parameter {name!r} ({hint})")
    return dict(given)


def _is_seed(name: str) -> bool:
    return name == "random_state" or name.endswith("__random_state")


def _suit(estimator: BaseEstimator, task: Task, label: str) -> None:
    classifies = family(task) == "classification"
    wrong = is_regressor(estimator) if classifies else is_classifier(estimator)
    if wrong:
        kind = "regressor" if classifies else "classifier"
        raise InvalidInput(f"{label}: {type(estimator).__name__} is a {kind}, but the objective is {task}")


def _own_frames(error: BaseException) -> tuple[str, ...]:
    """The traceback lines outside of installed packages and of this one."""
    here = Path(__file__).resolve().parents[1]
    return tuple(
        line.rstrip()
        for frame, line in zip(
            traceback.extract_tb(error.__traceback__), traceback.format_tb(error.__traceback__), strict=True
        )
        if "site-packages" not in frame.filename and here not in Path(frame.filename).resolve().parents
    )


def _line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__
