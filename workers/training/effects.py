"""How the scores of a search depend on the parameters that it tried: their importance by functional ANOVA.

A random forest is fitted to the trials of a candidate, parameters to mean scores; a parameter's share is the variance
of its main effect (the forest's answer averaged over all other parameters) over the variance of the forest's answers: a
first-order Sobol index (Hutter, Hoos and Leyton-Brown, "An Efficient Approach for Assessing Hyperparameter
Importance", ICML 2014). Both are taken over the values that were tried, each parameter's by itself; main effects by
partial dependence (Friedman, Annals of Statistics 29, 2001).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestRegressor

from orchestrator.contracts.documents.training import ParameterEffect, ParameterEffects, TrialResult, comparable
from orchestrator.contracts.spaces import spelled, varied

LEAST = 20  # trials, below which a forest says more about chance than about parameters
MOST = 1000  # trials that it is fitted to, evenly from all
TREES = 100
OTHERS, VALUES = 200, 40  # points of the space that an effect is averaged over, and values that it is taken at


def parameter_effects(results: Sequence[TrialResult]) -> tuple[ParameterEffects, ...]:
    """For each candidate whose comparable trials differ in a parameter, in the order in which they come."""
    found = []
    for candidate in dict.fromkeys(one.candidate for one in results):
        trials = comparable([one for one in results if one.candidate == candidate])
        names = varied([one.params for one in trials])
        if names:
            found.append(_effects(candidate, trials, names))
    return tuple(found)


def _effects(candidate: str, trials: Sequence[TrialResult], names: Sequence[str]) -> ParameterEffects:
    if len(trials) < LEAST:
        return ParameterEffects(candidate=candidate, trials=len(trials), explained=None)
    chosen = [trials[place] for place in np.linspace(0, len(trials) - 1, min(len(trials), MOST)).round().astype(int)]
    table = np.column_stack([_column([one.params for one in chosen], name) for name in names])
    scores = np.array([one.mean for one in chosen])
    if scores.std() <= 1e-12 * max(1.0, abs(scores).max()):
        return ParameterEffects(candidate=candidate, trials=len(trials), explained=0.0)
    forest = RandomForestRegressor(TREES, oob_score=True, random_state=0).fit(table, scores)
    explained = round(max(0.0, float(forest.oob_score_)), 4)
    pairs = zip(names, _shares(forest, table), strict=True) if explained else ()
    effects = [ParameterEffect(parameter=name, share=round(float(share), 4)) for name, share in pairs]
    return ParameterEffects(
        candidate=candidate,
        trials=len(trials),
        explained=explained,
        parameters=tuple(sorted(effects, key=lambda one: -one.share)),
    )


def _shares(forest: RandomForestRegressor, table: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of each column: variance of its main effect over the whole variance, both over columns that are independent."""
    dice = np.random.default_rng(0)
    points = np.column_stack([dice.permutation(_evenly(column, OTHERS)) for column in table.T])
    whole = float(np.var(forest.predict(points)))
    shares = np.zeros(table.shape[1])
    for place, column in enumerate(table.T):
        grid = np.repeat(points[None], VALUES, axis=0)
        grid[:, :, place] = _evenly(column, VALUES)[:, None]
        effect = forest.predict(grid.reshape(-1, table.shape[1])).reshape(VALUES, OTHERS).mean(axis=1)
        shares[place] = np.var(effect)
    return shares / max(whole, shares.sum()) if whole > 0 else shares * 0.0  # drawn points: they may add up to more


def _evenly(column: NDArray[np.float64], count: int) -> NDArray[np.float64]:
    """So many of a column's values, as evenly from the least to the largest as they were tried."""
    places = np.linspace(0, len(column) - 1, count).round().astype(int)
    return np.asarray(np.sort(column)[places])


def _column(settings: Sequence[dict[str, Any]], name: str) -> NDArray[np.float64]:
    """Numbers as they are, anything else as places in the order of spelling; NaN where the parameter is not given."""
    values = [params.get(name) for params in settings]
    if all(value is None or _is_number(value) for value in values):
        return np.array([np.nan if value is None else float(value) for value in values])
    places = {one: place for place, one in enumerate(sorted({spelled(params, name) for params in settings}))}
    return np.array([float(places[spelled(params, name)]) for params in settings])


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
