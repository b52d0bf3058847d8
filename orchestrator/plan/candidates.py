"""The trials of a spec's candidates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from orchestrator.contracts.estimators import FINAL, OF
from orchestrator.contracts.spaces import Between, Space, grid_trials, random_trials
from orchestrator.plan.problems import CannotPlan, Problem
from orchestrator.spec.train import Candidate, Part, Range, Train


@dataclass(frozen=True, slots=True)
class Trial:
    """One candidate with one set of parameters."""

    candidate: Candidate
    index: int  # among this candidate's trials, from 1
    params: dict[str, Any]


def expand(train: Train) -> list[Trial]:
    """All trials, candidate by candidate in the order of the spec.

    Raises CannotPlan where a grid search is asked to draw, or a name stands twice.
    """
    problems = _problems(train)
    if problems:
        raise CannotPlan(problems)
    spaces = [space_of(candidate) for candidate in train.candidates]
    search = train.search
    drawn = grid_trials(spaces) if search.method == "grid" else random_trials(spaces, search.trials, search.seed)
    return [
        Trial(candidate, index, params)
        for candidate, all_params in zip(train.candidates, drawn, strict=True)
        for index, params in enumerate(all_params, start=1)
    ]


def space_of(candidate: Candidate) -> Space:
    """What the candidate's parameters may be."""
    choices: dict[str, Any] = {name: one.choices for name, one in candidate.grid.items()}
    between: dict[str, Between] = {}
    for name, wanted in candidate.range.items():
        if wanted.choices is not None:
            choices[name] = wanted.choices
        elif wanted.low is not None and wanted.high is not None:
            between[name] = Between(wanted.low, wanted.high, wanted.log, wanted.int)
    return Space(candidate.name, _given(candidate), choices, between, candidate.conditions)


def _given(part: Part) -> dict[str, Any]:
    """The set parameters, with the estimators inside among them."""
    given: dict[str, Any] = {OF: [_inner(one) for one in part.of]} if part.of else {}
    if part.final is not None:
        given[FINAL] = _inner(part.final)
    return {**given, **part.fixed}


def _inner(part: Part) -> dict[str, Any]:
    return {"name": part.name, "estimator": part.estimator, "params": _given(part)}


def _problems(train: Train) -> list[Problem]:
    problems: list[Problem] = []
    seen: set[str] = set()
    for place, candidate in enumerate(train.candidates):
        where = ("train", "candidates", place)
        if candidate.name in seen:
            problems.append(Problem(where, f"another candidate is named {candidate.name!r}: give it a `name`"))
        seen.add(candidate.name)
        for name, wanted in candidate.range.items():
            problems += [Problem((*where, "range", name), text) for text in _range(wanted, train.search.method)]
    return problems


def _range(wanted: Range, method: str) -> list[str]:
    if wanted.choices is not None:
        return [] if wanted.choices else ["its choices are empty"]
    if wanted.low is None or wanted.high is None:
        return ["takes `low` and `high`, or `choices`"]
    if wanted.low > wanted.high:
        return [f"its low end {wanted.low:g} is above its high end {wanted.high:g}"]
    if wanted.log and wanted.low <= 0:
        return [f"a logarithmic scale begins above 0, not at {wanted.low:g}"]
    if method == "grid":
        return ["a grid search cannot draw from low to high: use `method: random`, or list `choices`"]
    return []
