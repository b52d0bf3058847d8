"""Where a team's own stages stand among Cyclery's: one order that keeps every `after` and `before`."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush

from orchestrator.plan.problems import CannotPlan, Problem
from orchestrator.spec.problems import did_you_mean

SPINE = (
    "ingest",
    "check",
    "prepare",
    "split",
    "features",
    "feasibility",
    "require",
    "train",
    "segments",
    "select",
    "evaluate",
    "spend",
    "gates",
    "package",
    "measure",
    "approve",
    "register",
)

# Why a stage of the spine may not be there.
_ABSENT = {
    "check": "data has no checks",
    "feasibility": "the objective has no target",
    "require": "the objective requires nothing",
    "segments": "train has no `per`",
    "spend": "it has no gates",
    "gates": "it has no gates",
    "measure": "no gate asks for speed or memory",
    "approve": "it has no approve section",
}


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
    return _Line(spine, wishes).drawn()


class _Line:
    """Stages put in a line one by one; each is looked at once, when the last one before it has its place."""

    def __init__(self, spine: Sequence[str], wishes: Sequence[Wish]) -> None:
        self._spine, self._wishes = spine, wishes
        self._before = _predecessors(spine, wishes)
        self._number = {wish.name: number for number, wish in enumerate(wishes)}  # own stages keep their order
        self._early = {wish.name for wish in wishes if wish.after or wish.implied}
        self._missing = {name: len(before) for name, before in self._before.items()}
        self._after: dict[str, list[str]] = {}
        for name, before in self._before.items():
            for earlier in before:
                self._after.setdefault(earlier, []).append(name)
        self._needed: dict[str, set[str]] = {}
        self._line: list[str] = []
        self._soon: list[int] = []  # heaps of own stages that wait for nothing: those to stand early, and others
        self._late: list[int] = []
        for wish in wishes:
            if not self._missing[wish.name]:
                self._ready(wish.name)

    def drawn(self) -> list[str]:
        """All stages; raises CannotPlan where they wait for each other in a circle."""
        spine = deque(self._spine)
        while True:
            while self._soon:
                self._place(self._wishes[heappop(self._soon)].name)
            if not spine:
                break
            if self._missing[spine[0]]:
                self._place(self._just_in_time(spine[0]))
            else:
                self._place(spine.popleft())
        while self._late or self._soon:
            self._place(self._wishes[heappop(self._soon or self._late)].name)
        if len(self._line) < len(self._before):
            raise self._stuck()
        return self._line

    def _just_in_time(self, name: str) -> str:
        """The first stage without `after` that the next one of the spine waits for."""
        if name not in self._needed:
            self._needed[name] = _ancestors(name, self._before)
        others: list[int] = []
        chosen = None
        while self._late and chosen is None:
            number = heappop(self._late)
            if self._wishes[number].name in self._needed[name]:
                chosen = self._wishes[number].name
            else:
                others.append(number)
        for number in others:
            heappush(self._late, number)
        if chosen is None:
            raise self._stuck()
        return chosen

    def _place(self, name: str) -> None:
        self._line.append(name)
        for later in self._after.get(name, ()):
            self._missing[later] -= 1
            if not self._missing[later] and later in self._number:
                self._ready(later)

    def _ready(self, name: str) -> None:
        heappush(self._soon if name in self._early else self._late, self._number[name])

    def _stuck(self) -> CannotPlan:
        placed = set(self._line)
        return CannotPlan(_circles(self._spine, [wish for wish in self._wishes if wish.name not in placed]))


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
