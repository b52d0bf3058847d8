"""Where a team's own stages stand among Cyclery's: one order that keeps every `after` and `before`."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from orchestrator.plan.problems import CannotPlan, Problem
from orchestrator.spec.problems import did_you_mean

SPINE = (
    "ingest",
    "check",
    "prepare",
    "split",
    "features",
    "train",
    "select",
    "evaluate",
    "gates",
    "package",
    "approve",
    "register",
)

# Why a stage of the spine may not be there.
_ABSENT = {"check": "data has no checks", "gates": "it has no gates", "approve": "it has no approve section"}


@dataclass(frozen=True, slots=True)
class Wish:
    """What a stage of a team's own asks of its place."""

    name: str
    place: tuple[str | int, ...]  # in the spec
    after: tuple[str, ...]
    before: tuple[str, ...]
    implied: tuple[str, ...] = ()  # stages whose outputs it takes


def in_order(spine: Sequence[str], wishes: Sequence[Wish]) -> list[str]:
    """All stages, each after what it waits for: own stages as early as their `after` lets them, else just in time.

    Raises CannotPlan with every name that does not exist, is taken, or stands in a circle.
    """
    problems = _names(spine, wishes)
    if problems:
        raise CannotPlan(problems)
    before = _predecessors(spine, wishes)
    early = {wish.name for wish in wishes if wish.after or wish.implied}
    line: list[str] = []
    spine_left, own_left = list(spine), [wish.name for wish in wishes]
    while spine_left or own_left:
        chosen = _next(spine_left, own_left, before, set(line), early)
        if chosen is None:
            raise CannotPlan(_circles(spine, [wish for wish in wishes if wish.name in own_left]))
        (own_left if chosen in own_left else spine_left).remove(chosen)
        line.append(chosen)
    return line


def _next(
    spine: list[str], own: list[str], before: Mapping[str, set[str]], done: set[str], early: set[str]
) -> str | None:
    ready = [name for name in own if before[name] <= done]
    wanted = next((name for name in ready if name in early), None)
    if wanted is not None or not spine:
        return wanted or next(iter(ready), None)
    if before[spine[0]] <= done:
        return spine[0]
    needed = _ancestors(spine[0], before)
    return next((name for name in ready if name in needed), None)


def _ancestors(name: str, before: Mapping[str, set[str]]) -> set[str]:
    found: set[str] = set()
    waiting = [name]
    while waiting:
        for one in before[waiting.pop()] - found:
            found.add(one)
            waiting.append(one)
    return found


def _predecessors(spine: Sequence[str], wishes: Sequence[Wish]) -> dict[str, set[str]]:
    before: dict[str, set[str]] = {name: set() for name in (*spine, *(wish.name for wish in wishes))}
    for earlier, later in itertools.pairwise(spine):
        before[later].add(earlier)
    for wish in wishes:
        before[wish.name].update(wish.after, wish.implied)
        for later in wish.before:
            before[later].add(wish.name)
    return before


def _names(spine: Sequence[str], wishes: Sequence[Wish]) -> list[Problem]:
    problems: list[Problem] = []
    known: set[str] = {*spine, *(wish.name for wish in wishes)}
    seen: set[str] = set()
    for wish in wishes:
        if wish.name in SPINE:
            problems.append(Problem((*wish.place, "name"), f"{wish.name!r} is the name of one of Cyclery's own stages"))
        elif wish.name in seen:
            problems.append(Problem((*wish.place, "name"), f"another stage is named {wish.name!r} already"))
        seen.add(wish.name)
        if not (wish.after or wish.before or wish.implied):
            problems.append(Problem(wish.place, f"{wish.name} says neither `after` nor `before`: where does it stand?"))
        for key, names in (("after", wish.after), ("before", wish.before)):
            problems += [Problem((*wish.place, key), _unknown(name, known)) for name in names if name not in known]
    return problems


def _unknown(name: str, known: set[str]) -> str:
    if name in _ABSENT:
        return f"this workflow has no {name} stage, since {_ABSENT[name]}"
    return f"there is no stage {name!r}{did_you_mean(name, sorted(known))}"


def _circles(spine: Sequence[str], stuck: Sequence[Wish]) -> list[Problem]:
    """Why nothing can come next: one stage that contradicts the spine, or several that wait for one another."""
    position = {name: place for place, name in enumerate(spine)}
    for wish in stuck:
        for earlier in (*wish.after, *wish.implied):
            for later in wish.before:
                if earlier in position and later in position and position[later] <= position[earlier]:
                    reason = f"{wish.name} cannot stand after {earlier} and before {later}: {later} does not come later"
                    return [Problem((*wish.place, "before"), reason)]
    names = ", ".join(wish.name for wish in stuck)
    return [Problem((*stuck[0].place, "after"), f"these stages wait for one another in a circle: {names}")]
