"""Folds in stages of their own: joined they are the trial, to the last bit."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.contracts.documents.training import FoldScore, TrialResult
from orchestrator.contracts.errors import DataError, UserCodeError
from orchestrator.contracts.training import FoldParams, TrialParams
from tests.unit.training_case import Case, case
from workers.training import folds
from workers.training.fold import fold
from workers.training.joined import joined
from workers.training.trial import trial


def whole(made: Case, params: TrialParams) -> TrialResult:
    given = (made.frame, made.rows, made.preparation, made.summary)
    return trial(*given, params=params, context=made.context()).result


def alone(made: Case, params: TrialParams, number: int) -> FoldScore:
    """The fold as a process does it that knows nothing of the others; the document as it is kept."""
    folds._bench.held.clear()
    context = made.context()
    given = (made.frame, made.rows, made.preparation, made.summary)
    found = fold(*given, params=FoldParams(**params.model_dump(), fold=number), context=context).score
    assert set(context.measured) == {"fit_seconds", "score_seconds", "peak_memory_mb"}
    return FoldScore.model_validate_json(found.model_dump_json())


@pytest.mark.parametrize(
    ("kind", "scheme", "path", "params"),
    [
        ("binary", "partition", "sklearn.linear_model.SGDClassifier", {"loss": "log_loss", "max_iter": 2, "tol": None}),
        ("multiclass", "partition", "sklearn.neural_network.MLPClassifier", {"max_iter": 2}),
        ("regression", "expanding", "sklearn.ensemble.HistGradientBoostingRegressor", {"max_iter": 9}),
    ],
)
@pytest.mark.parametrize("weighted", [False, True])
def test_joined_they_are_the_trial(
    kind: str, scheme: str, path: str, params: dict, weighted: bool, tmp_path: Path
) -> None:
    made = case(tmp_path, kind, scheme=scheme, weighted=weighted)
    asked = made.trial(path, params)
    found = [alone(made, asked, number) for number in range(1, made.summary.folds + 1)]
    assert joined(found, params=asked).result == whole(made, asked)
    assert len({one.score for one in found}) == made.summary.folds


def test_a_fold_prepares_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepared: list[int] = []
    real = folds.prepare
    monkeypatch.setattr(folds, "prepare", lambda *given: prepared.append(given[2].number) or real(*given))
    made = case(tmp_path, "binary")
    for number in (3, 3, 1):
        alone(made, made.trial("sklearn.naive_bayes.GaussianNB"), number)
    assert prepared == [2, 0]


def test_a_fold_fails_as_the_trial_does_on_it(tmp_path: Path) -> None:
    made = case(tmp_path, "binary")
    asked = made.trial("sklearn.neighbors.KNeighborsClassifier", {"n_neighbors": 999})
    with pytest.raises(UserCodeError) as expected:
        whole(made, asked)
    with pytest.raises(UserCodeError) as found:
        alone(made, asked, 1)
    assert str(found.value) == str(expected.value)
    with pytest.raises(UserCodeError, match="failed on fold 4: ValueError"):
        alone(made, asked, 4)
    with pytest.raises(DataError, match="the split made 4 folds, so there is none that is number 5"):
        alone(made, asked, 5)
