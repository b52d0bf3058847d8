"""The spaces that a search draws from: grids in the order of the spec, draws that are the same on every platform."""

from __future__ import annotations

import itertools
import json
import math
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from orchestrator.contracts.values import canonical

PATIENCE = 200  # draws in a row that gave nothing new, before a space counts as used up
LISTED = 10_000  # combinations of choices up to which all are written down and shuffled


@dataclass(frozen=True, slots=True)
class Between:
    """Numbers from `low` to `high`, both possible; on a logarithmic scale, or whole, if asked."""

    low: float
    high: float
    log: bool = False
    whole: bool = False

    def draw(self, dice: random.Random) -> float | int:
        """One number; six significant digits, so that no platform's rounding shows."""
        if self.whole and not self.log:
            return dice.randint(math.ceil(self.low), math.floor(self.high))
        share = dice.random()
        if self.log:
            drawn = math.exp(math.log(self.low) + share * (math.log(self.high) - math.log(self.low)))
        else:
            drawn = self.low + share * (self.high - self.low)
        return self.nearest(drawn)

    def nearest(self, number: float) -> float | int:
        """What is drawn in the place of a number: of six significant digits, within the ends, whole if asked."""
        bounded = float(min(max(float(f"{number:.6g}"), self.low), self.high))
        return min(max(round(bounded), math.ceil(self.low)), math.floor(self.high)) if self.whole else bounded


@dataclass(frozen=True, slots=True)
class Space:
    """What one candidate's parameters may be: set values, values to choose from, numbers to draw."""

    name: str
    fixed: Mapping[str, Any] = field(default_factory=dict)
    choices: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    between: Mapping[str, Between] = field(default_factory=dict)
    when: Mapping[str, Mapping[str, Sequence[Any]]] = field(default_factory=dict)  # given only where others are so

    def grid(self) -> Iterator[dict[str, Any]]:
        """Every combination of the choices, each once, the last one named changing fastest."""
        products = itertools.product(*self.choices.values())
        return _distinct(
            self.held({**self.fixed, **dict(zip(self.choices, values, strict=True))}) for values in products
        )

    def held(self, params: dict[str, Any]) -> dict[str, Any]:
        """The parameters without those whose conditions do not hold, and without those that depend on such."""
        while True:
            kept = {
                name: value
                for name, value in params.items()
                if all(
                    other in params and params[other] in allowed for other, allowed in self.when.get(name, {}).items()
                )
            }
            if len(kept) == len(params):
                return kept
            params = kept

    def draws(self, seed: int) -> Iterator[dict[str, Any]]:
        """Different random combinations until there are no more; the first ones never depend on how many are taken.

        Drawn in the order of names: reordering the spec changes nothing.
        """
        dice = random.Random(f"{seed}:{self.name}")  # noqa: S311  (a search, not a secret)
        ordered = Space(self.name, self.fixed, dict(sorted(self.choices.items())), self.between, self.when)
        if not self.between and math.prod(len(values) for values in self.choices.values()) <= LISTED:
            listed = list(ordered.grid())
            dice.shuffle(listed)
            return iter(listed)
        return _distinct(ordered._endless(dice), PATIENCE)

    def _endless(self, dice: random.Random) -> Iterator[dict[str, Any]]:
        while True:
            drawn = {
                name: self.between[name].draw(dice) if name in self.between else dice.choice(self.choices[name])
                for name in sorted({*self.choices, *self.between})
            }
            yield self.held({**self.fixed, **drawn})


def grid_trials(spaces: Sequence[Space]) -> list[list[dict[str, Any]]]:
    """For each space every combination."""
    return [list(space.grid()) for space in spaces]


def random_trials(spaces: Sequence[Space], total: int, seed: int) -> list[list[dict[str, Any]]]:
    """For each space its draws, taken in turns until there are `total`; each space gets at least one."""
    drawn: list[list[dict[str, Any]]] = [[] for _ in spaces]
    for place, params in in_turns(spaces, total, seed):
        drawn[place].append(params)
    return drawn


def in_turns(spaces: Sequence[Space], total: int, seed: int) -> Iterator[tuple[int, dict[str, Any]]]:
    """The draws in the order in which they are taken, each with its space's place.

    They end after `total`, or when no space has another combination; each space gets at least one.
    """
    sources = [space.draws(seed) for space in spaces]
    open_places = list(range(len(spaces)))
    left = max(total, len(spaces))
    while open_places:
        for place in list(open_places):
            if not left:
                return
            params = next(sources[place], None)
            if params is None:
                open_places.remove(place)
                continue
            yield place, params
            left -= 1


def varied(settings: Sequence[Mapping[str, Any]]) -> list[str]:
    """The parameters that have different values in some settings, or are given in some only; in alphabetical order."""
    names = sorted({name for params in settings for name in params})
    return [name for name in names if len({spelled(params, name) for params in settings}) > 1]


def spelled(params: Mapping[str, Any], name: str) -> str:
    """A parameter's value as text; nothing where it is not given. Unlike canonical JSON it spells infinity too."""
    return json.dumps(params[name], sort_keys=True) if name in params else ""


def _distinct(combinations: Iterable[dict[str, Any]], patience: int | None = None) -> Iterator[dict[str, Any]]:
    """Each combination once, in order; ends after more than `patience` repetitions in a row."""
    seen: set[bytes] = set()
    misses = 0
    for params in combinations:
        spelling = canonical(params)
        if spelling in seen:
            misses += 1
            if patience is not None and misses > patience:
                return
            continue
        misses = 0
        seen.add(spelling)
        yield params
