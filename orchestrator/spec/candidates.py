"""Candidates: estimators that exist, with parameters that they take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from orchestrator.spec.known import as_written, check_parameter, find, find_own
from orchestrator.spec.models import Spec
from orchestrator.spec.problems import did_you_mean
from orchestrator.spec.quantiles import PARAMETER, fitted_to
from orchestrator.spec.requirements import check_requires
from orchestrator.spec.review import Review
from orchestrator.spec.train import Candidate, Range
from orchestrator.spec.written import Step, Written


def check_candidates(review: Review) -> Spec:
    """Note what is wrong with the candidates; the spec with every estimator under its dotted path."""
    train = review.spec.train
    if not train.candidates and not review.document.damaged(("train", "candidates")):
        review.note(("train", "candidates"), "there is no candidate", key=True)
    if train.weights is not None and review.spec.objective.task == "regression" and review.knows("task"):
        review.note(("train", "weights"), "a regression has no classes to balance", key=True)
    names = [candidate.name for candidate in train.candidates]
    resolved = []
    for index, candidate in enumerate(train.candidates):
        at: tuple[Step, ...] = ("train", "candidates", index)
        if names.index(candidate.name) != index:
            words = f"there are two candidates {candidate.name!r} (give one a name: {{NAME: {{estimator: …}}}})"
            review.note(at, words)
        resolved.append(_check_own(review, candidate, at) if candidate.own else _check_known(review, candidate, at))
        _check_values(review, candidate, at)
    updated = train.model_copy(update={"candidates": tuple(resolved)})
    return review.spec.model_copy(update={"train": updated})


def _check_own(review: Review, candidate: Candidate, at: tuple[Step, ...]) -> Candidate:
    known = find_own(review, candidate, at)
    if known is None:
        return candidate
    parameters = known.estimator.parameters
    check_requires(review, candidate.requires, (*at, "requires"))
    for section, name, _ in _given(candidate, review.document, at):
        if not known.estimator.unknown and name not in parameters:
            words = f"{candidate.estimator} has no parameter {name!r}{did_you_mean(name, parameters)}"
            review.note((*at, section, name), words, key=True)
    quantile, said = review.spec.objective.quantile, {*candidate.fixed, *candidate.grid, *candidate.range}
    if quantile is None or PARAMETER in said or PARAMETER not in parameters:
        return candidate
    return candidate.model_copy(update={"fixed": {**candidate.fixed, PARAMETER: quantile}})


def _check_known(review: Review, candidate: Candidate, at: tuple[Step, ...]) -> Candidate:
    if candidate.entries:
        check_requires(review, candidate.requires, (*at, "requires"))
    elif candidate.requires:
        review.note(
            (*at, "requires"), "`requires` is for code of your own; libraries are installed on the pools", key=True
        )
    known = find(review, candidate, at)
    if known is None:
        return candidate
    for section, name, values in _given(candidate, review.document, at):
        check_parameter(review, known, name, values, (*at, section, name))
    return fitted_to(review, candidate.model_copy(update=known.resolved()), at)


def _given(
    candidate: Candidate, document: Written, at: tuple[Step, ...]
) -> list[tuple[str, str, list[tuple[tuple[Step, ...], Any]]]]:
    """Section, parameter, and each value with where it stands below it."""
    found: list[tuple[str, str, list[tuple[tuple[Step, ...], Any]]]] = []
    for name, value in candidate.fixed.items():
        found.append(("fixed", name, [((), value)]))
    for name, listed in candidate.grid.items():
        path = (*at, "grid", name, "choices")
        below: tuple[Step, ...] = ("choices",) if document.find(path) == path else ()
        found.append(("grid", name, [((*below, index), value) for index, value in enumerate(listed.choices)]))
    for name, drawn in candidate.range.items():
        found.append(("range", name, _drawn(drawn)))
    return found


def _drawn(drawn: Range) -> list[tuple[tuple[Step, ...], Any]]:
    if drawn.choices is not None:
        return [(("choices", index), value) for index, value in enumerate(drawn.choices)]
    ends = [("low", drawn.low), ("high", drawn.high)]
    return [((key,), int(value) if drawn.int else value) for key, value in ends if value is not None]


def _check_values(review: Review, candidate: Candidate, at: tuple[Step, ...]) -> None:
    sections = {"fixed": candidate.fixed, "grid": candidate.grid, "range": candidate.range}
    seen: dict[str, str] = {}
    for section, parameters in sections.items():
        for name in parameters:
            if name in seen:
                review.note((*at, section, name), f"{name!r} is in `{seen[name]}` already", key=True)
            seen[name] = section
    for name, listed in candidate.grid.items():
        if not listed.choices:
            review.note((*at, "grid", name), f"the grid of {name!r} has no value")
        _check_conditions(review, candidate, listed.when, (*at, "grid", name))
    if candidate.range and review.spec.train.search.method == "grid":
        review.note((*at, "range"), "a range is drawn from: set `search: {method: random, trials: 20}`", key=True)
    for name, drawn in candidate.range.items():
        if (problem := _range_problem(drawn)) is not None:
            review.note((*at, "range", name), problem)
        _check_conditions(review, candidate, drawn.when, (*at, "range", name))


def _check_conditions(
    review: Review, candidate: Candidate, when: Mapping[str, Sequence[Any]], at: tuple[Step, ...]
) -> None:
    """Another parameter of the candidate, and values that it may have: what can never hold is a mistake."""
    name = str(at[-1])
    known = {**candidate.fixed, **candidate.grid, **candidate.range}
    known.pop(name)
    if name not in when and _depends_on_itself(candidate, name):
        review.note((*at, "when"), f"{name} depends on {' and '.join(when)}, and so on itself", key=True)
    for other, wanted in when.items():
        where = (*at, "when", other)
        if other not in known:
            words = f"{name} depends on {other!r}, which the candidate does not set{did_you_mean(other, known)}"
            review.note(where, words, key=True)
            continue
        possible = _possible(candidate, other)
        for value in wanted:
            if possible is not None and value not in possible:
                said = ", ".join(map(as_written, possible))
                review.note(where, f"{other} is never {as_written(value)} (it is one of: {said})")


def _possible(candidate: Candidate, name: str) -> tuple[Any, ...] | None:
    """The values that a parameter may have; None where it is drawn between two numbers."""
    if name in candidate.fixed:
        return (candidate.fixed[name],)
    return candidate.grid[name].choices if name in candidate.grid else candidate.range[name].choices


def _depends_on_itself(candidate: Candidate, name: str) -> bool:
    """Whether a parameter is given only where another is, and that one only where it is given."""
    conditions = candidate.conditions
    reached, left = set[str](), [*conditions.get(name, ())]
    while left:
        if (other := left.pop()) not in reached:
            reached.add(other)
            left += conditions.get(other, ())
    return name in reached


def _range_problem(drawn: Range) -> str | None:
    if drawn.choices is not None:
        given = drawn.low is not None or drawn.high is not None or drawn.log or drawn.int
        return "`choices` stands alone" if given else None if drawn.choices else "`choices` lists no value"
    if drawn.low is None or drawn.high is None:
        return "a range needs `low` and `high`, or `choices`"
    if drawn.low >= drawn.high:
        return f"`low` {drawn.low:g} is not below `high` {drawn.high:g}"
    if drawn.log and drawn.low <= 0:
        return "a logarithmic range needs a `low` above 0"
    if drawn.int and (drawn.low != int(drawn.low) or drawn.high != int(drawn.high)):
        return "a range of whole numbers has whole ends"
    return None
