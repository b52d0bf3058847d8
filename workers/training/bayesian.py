"""What a Bayesian search proposes: Optuna's sampler, asked and told from our own records.

The tree-structured Parzen estimator (Bergstra, Bardenet, Bengio and Kégl, "Algorithms for Hyper-Parameter
Optimization", NeurIPS 2011), which models parameters that are given together jointly (Falkner, Klein and Hutter,
"BOHB", ICML 2018) and each group of conditional ones by itself. Which candidate is tried is one more choice (Thornton,
Hutter, Hoos and Leyton-Brown, "Auto-WEKA", KDD 2013). Trials whose end is not known are taken for bad ones (the
constant liar of Ginsbourger, Le Riche and Carraro, 2010), so that what is asked for meanwhile lies elsewhere.

Nothing of Optuna's is kept: each step makes a study of the trials that it knows, in the order in which they were asked
for, with a seed of its own. So the same records always lead to the same proposals.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence
from graphlib import TopologicalSorter
from typing import Any, NamedTuple

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from orchestrator.contracts.documents.training import SearchTrial
from orchestrator.contracts.spaces import Between, Space
from orchestrator.contracts.values import canonical

optuna.logging.set_verbosity(optuna.logging.WARNING)

_CANDIDATE = "candidate"


class Proposal(NamedTuple):
    """A candidate with a set of parameters."""

    place: int  # the candidate's
    params: dict[str, Any]


def propose(
    spaces: Sequence[Space], trials: Sequence[SearchTrial], count: int, *, maximize: bool, seed: int
) -> list[Proposal]:
    """So many settings to try next; one may have been tried already.

    A score is told as it is, a failed trial as failed, one without an end as running.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)  # `group`
        sampler = optuna.samplers.TPESampler(
            n_startup_trials=0, multivariate=True, group=True, constant_liar=True, seed=seed
        )
    study = optuna.create_study(direction="maximize" if maximize else "minimize", sampler=sampler)
    known = {space.name: _Known(place, space) for place, space in enumerate(spaces)}
    names = tuple(space.name for space in spaces)
    candidates = CategoricalDistribution(names)
    study.add_trials([_told(known[one.candidate], candidates, one) for one in trials])
    proposals = []
    for _ in range(count):
        asked = study.ask()
        one = known[asked.suggest_categorical(_CANDIDATE, names)]
        proposals.append(Proposal(one.place, one.suggest(asked)))
    return proposals


class _Known:
    """One candidate's space as Optuna sees it; the choices of a parameter are the numbers of their places."""

    def __init__(self, place: int, space: Space) -> None:
        self.place, self.space = place, space
        drawn = sorted({*space.choices, *space.between})
        depends = {name: sorted({*space.when.get(name, {})} & {*drawn}) for name in drawn}
        self.order = tuple(TopologicalSorter(depends).static_order())  # a parameter after those that it depends on
        self.distributions: dict[str, BaseDistribution] = {
            name: _between(space.between[name])
            if name in space.between
            else CategoricalDistribution(_places(space.choices[name]))
            for name in drawn
        }

    def key(self, name: str) -> str:
        """What Optuna calls the parameter: those of different candidates have nothing in common."""
        return f"{self.place}.{name}"

    def suggest(self, asked: optuna.Trial) -> dict[str, Any]:
        """All parameters; a conditional one is asked for only where its condition holds."""
        params = dict(self.space.fixed)
        for name in self.order:
            if name not in self.space.held({**params, name: None}):
                continue
            params[name] = self._value(asked, name)
        return {**self.space.fixed, **{name: params[name] for name in sorted(params) if name not in self.space.fixed}}

    def _value(self, asked: optuna.Trial, name: str) -> Any:
        key, drawn = self.key(name), self.distributions[name]
        if isinstance(drawn, IntDistribution):
            return asked.suggest_int(key, drawn.low, drawn.high, log=drawn.log)
        if isinstance(drawn, FloatDistribution):
            return self.space.between[name].nearest(asked.suggest_float(key, drawn.low, drawn.high, log=drawn.log))
        return self.space.choices[name][asked.suggest_categorical(key, _places(self.space.choices[name]))]

    def given(self, params: dict[str, Any]) -> Iterator[tuple[str, Any]]:
        """The drawn ones among a trial's parameters, as Optuna would have suggested them."""
        for name in self.distributions:
            if name in self.space.between and name in params:
                yield name, params[name]
            elif name in params:
                spelled = [canonical(value) for value in self.space.choices[name]]
                yield name, spelled.index(canonical(params[name]))


def _between(one: Between) -> BaseDistribution:
    if one.whole:
        return IntDistribution(math.ceil(one.low), math.floor(one.high), log=one.log)
    return FloatDistribution(one.low, one.high, log=one.log)


def _places(choices: Sequence[Any]) -> tuple[int, ...]:
    return tuple(range(len(choices)))


def _told(known: _Known, candidates: CategoricalDistribution, trial: SearchTrial) -> FrozenTrial:
    given = dict(known.given(trial.params))
    return create_trial(
        state=TrialState.FAIL if trial.failed else TrialState.RUNNING if trial.score is None else TrialState.COMPLETE,
        value=trial.score,
        params={_CANDIDATE: trial.candidate, **{known.key(name): value for name, value in given.items()}},
        distributions={_CANDIDATE: candidates, **{known.key(name): known.distributions[name] for name in given}},
    )
